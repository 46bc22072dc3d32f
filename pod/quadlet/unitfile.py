"""The text of a unit file: sections of assignments with their lines, read and written again.

Several sections of one name are one; comments stay where they are. Where systemd and podman read a file differently, it
is read as both would where that is possible: a backslash before the end of a line, blanks after it or not, joins the
line to the next, with a blank between them.

Source: systemd.syntax(7).
"""

from __future__ import annotations

from pod.quadlet.problems import Problem


class Entry:
    """An assignment, and where it was read; a comment has no key."""

    __slots__ = ("key", "line", "path", "value")

    def __init__(self, key: str, value: str, path: str = "", line: int = 0) -> None:
        self.key = key
        self.value = value
        self.path = path
        self.line = line


class Section:
    """What stands below `[name]`; `comments` stand above it."""

    __slots__ = ("comments", "entries", "line", "name", "path")

    def __init__(self, name: str, path: str = "", line: int = 0) -> None:
        self.name = name
        self.path = path
        self.line = line
        self.comments: list[Entry] = []
        self.entries: list[Entry] = []


class UnitFile:
    """A unit file; `name` is what it is called, `path` where it was read: perhaps in a file of several."""

    def __init__(self, name: str = "", path: str = "", first: int = 1) -> None:
        self.name = name
        self.path = path
        self.first = first  # the line of the path at which it begins
        self.sections: dict[str, Section] = {}
        self.problems: list[Problem] = []

    def keys(self, section: str) -> list[Entry]:
        """Return the assignments of a section."""
        found = self.sections.get(section)
        return [entry for entry in found.entries if entry.key] if found else []

    def last(self, section: str, key: str) -> Entry | None:
        """Return the last assignment to a key."""
        found = self.sections.get(section)
        if found:
            for entry in reversed(found.entries):
                if entry.key == key:
                    return entry
        return None

    def all(self, section: str, key: str) -> list[Entry]:
        """Return the assignments to a key since the last empty one."""
        found = self.sections.get(section)
        values: list[Entry] = []
        for entry in found.entries if found else ():
            if entry.key == key:
                if entry.value:
                    values.append(entry)
                else:
                    values.clear()
        return values

    def add(self, section: str, key: str, value: str) -> None:
        """Assign a further value at the end of a section."""
        self._section(section).entries.append(Entry(key, value))

    def set(self, section: str, key: str, value: str) -> None:
        """Assign the only value of a key."""
        entry = self.last(section, key)
        if entry is None:
            self.add(section, key, value)
        else:
            self.replace(section, key, value)

    def replace(self, section: str, key: str, value: str) -> None:
        """Put one assignment to the place of the first of a key; the others go."""
        entries = self.sections[section].entries
        place = next(index for index, entry in enumerate(entries) if entry.key == key)
        rest = [entry for entry in entries[place:] if entry.key != key]
        old = entries[place]
        entries[place:] = [Entry(key, value, old.path, old.line), *rest]

    def begin(self, section: str, key: str, value: str) -> None:
        """Assign a value before all others of a section."""
        self._section(section).entries.insert(0, Entry(key, value))

    def rename(self, section: str, name: str) -> None:
        """Call a section otherwise; if there is one of that name, add to it."""
        found = self.sections.get(section)
        if not found or section == name:
            return
        if name in self.sections:
            self.sections[name].entries += found.entries
            del self.sections[section]
            return
        found.name = name
        self.sections = {one.name: one for one in self.sections.values()}

    def merge(self, other: UnitFile) -> None:
        """Add what another file says: a drop-in, or the file that this becomes a copy of."""
        for section in other.sections.values():
            mine = self._section(section.name, section.path, section.line)
            mine.comments += section.comments
            mine.entries += section.entries

    def text(self) -> str:
        """Return the text of the file."""
        parts = []
        for section in self.sections.values():
            lines = [entry.value for entry in section.comments]
            if section.name:
                lines.append(f"[{section.name}]")
            lines += [f"{entry.key}={entry.value}" if entry.key else entry.value for entry in section.entries]
            while lines and not lines[-1]:
                lines.pop()
            parts.append("\n".join(lines))
        return "\n\n".join(parts) + "\n"

    def _section(self, name: str, path: str = "", line: int = 0) -> Section:
        if name not in self.sections:
            self.sections[name] = Section(name, path, line)
        return self.sections[name]


def parse(text: str, path: str, *, name: str = "", first: int = 1) -> UnitFile:
    """Read a unit file. What is no unit file is told by its `problems`.

    `first` is the number of its first line: it may stand in a file of several.
    """
    file = UnitFile(name or path.rpartition("/")[2], path, first)
    section: Section | None = None
    comments: list[Entry] = []
    if "\0" in text:
        _complain(file, 0, "the file has a NUL byte: it is no text")
        return file
    for number, line in _logical_lines(text, first):
        if not line or line[0] in "#;":
            comments.append(Entry("", line, path, number))
        elif line[0] == "[" and line[-1] == "]":
            section = _begin(file, line[1:-1], number, comments)
            comments = []
        elif section is None:
            _complain(file, number, "key file does not start with a group", "write [Section] above the first key")
        else:
            section.entries += comments
            comments = []
            _assign(file, section, line, number)
    if section:
        section.entries += comments
    elif comments:
        file.sections[""] = Section("", path, first)
        file.sections[""].comments = comments
    return file


def _begin(file: UnitFile, name: str, number: int, comments: list[Entry]) -> Section:
    if not name or not name.isprintable() or "[" in name or "]" in name:
        _complain(file, number, f"invalid group name: {name}")
    section = file._section(name, file.path, number)
    section.comments += comments[1:] if comments and not comments[0].value else comments
    return section


def _assign(file: UnitFile, section: Section, line: str, number: int) -> None:
    key, equals, value = line.partition("=")
    key = key.rstrip()
    if equals and key:
        section.entries.append(Entry(key, value.lstrip(), file.path, number))
    else:
        _complain(file, number, f"“{line[:80]}” is not a key-value pair, group, or comment", "write Key=value")


def _complain(file: UnitFile, number: int, message: str, hint: str = "") -> None:
    if len(file.problems) < 10:  # a file that is something else altogether needs no more
        file.problems.append(Problem(file.path, number, message, hint=hint))


def _logical_lines(text: str, first: int) -> list[tuple[int, str]]:
    """Return lines without blanks around them and the number of each; what is continued is one line."""
    lines: list[tuple[int, str]] = []
    begun, start = "", 0
    # systemd takes a carriage return for the end of a line, too.
    physical = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if not physical[-1]:
        physical.pop()
    for number, raw in enumerate(physical, first):
        line = raw.strip()
        if begun and line[:1] in ("#", ";"):
            continue
        if line.endswith("\\") and line[:1] not in ("#", ";") and _is_escaping(line):
            begun += line[:-1] if line[:-1] != line[:-1].rstrip() else line[:-1] + " "
            start = start or number
            continue
        lines.append((start or number, (begun + line).strip()))
        begun, start = "", 0
    if begun:
        lines.append((start, begun.strip()))
    return lines


def _is_escaping(line: str) -> bool:
    return (len(line) - len(line.rstrip("\\"))) % 2 == 1
