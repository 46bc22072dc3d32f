"""One file on its way to a service: its own section, looked up by keys, and all files by their names."""

from __future__ import annotations

from pod.quadlet.problems import Problem
from pod.quadlet.quoting import split_items, split_words
from pod.quadlet.unitfile import UnitFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pod.quadlet.kinds.table import Kind
    from pod.quadlet.unitfile import Entry

_TRUE = ("1", "yes", "true", "on")


class Units:
    """All files by name; what their services run, and whose services they are."""

    def __init__(self, *, command: str, user: bool) -> None:
        self.command = command
        self.user = user
        self.by_name: dict[str, Unit] = {}

    def find(self, name: str) -> Unit | None:
        """Return the file of a name."""
        return self.by_name.get(name)


class Unit:
    """A file, its section, and the service that it becomes."""

    def __init__(self, source: UnitFile, kind: Kind, units: Units) -> None:
        self.source = source
        self.name = source.name
        self.path = source.path
        self.kind = kind
        self.units = units
        self.service = UnitFile()
        self.service_name = ""  # without .service
        self.resource_name = ""  # what others call what the service makes; with systemd's specifiers
        self.problems: list[Problem] = source.problems
        self.members: list[Unit] = []  # of a pod: the containers that start with it
        self.links: list[tuple[str, str]] = []  # (where, to what), below the directory of the service

    @property
    def failed(self) -> bool:
        """Whether no service can be made of it."""
        return any(problem.fatal for problem in self.problems)

    @property
    def is_template(self) -> bool:
        """Whether it is `name@.kind`, of which instances are made."""
        return self.name.rpartition(".")[0].endswith("@")

    def has(self, key: str) -> bool:
        """Whether a key is assigned, be it to nothing."""
        return self.source.last(self.kind.section, key) is not None

    def string(self, key: str) -> str:
        """Return the last value, without the quotes around all of it; empty if there is none."""
        return _unquoted(self.source.last(self.kind.section, key))

    def service_string(self, key: str) -> str:
        """Return the last value of a key of [Service] as it stands in the file."""
        return _unquoted(self.source.last("Service", key))

    def entries(self, key: str) -> list[Entry]:
        """Return the assignments since the last empty one."""
        return self.source.all(self.kind.section, key)

    def strings(self, key: str) -> list[str]:
        """Return all values."""
        return [entry.value for entry in self.entries(key)]

    def items(self, key: str) -> list[str]:
        """Return the items of all values, which are lists with blanks between."""
        return self._split(self.entries(key), split_items)

    def words(self, key: str) -> list[str]:
        """Return the words of all values, which are like command lines."""
        return self._split(self.entries(key), split_words)

    def last_words(self, key: str) -> list[str]:
        """Return the words of the last value."""
        entry = self.source.last(self.kind.section, key)
        return self._split([entry] if entry else [], split_words)

    def split(self, entry: Entry) -> list[str]:
        """Return the words of one value."""
        return self._split([entry], split_words)

    def pairs(self, key: str) -> dict[str, str | None]:
        """Return what the words of all values assign, in alphabetical order; None where a word has no `=`."""
        found: dict[str, str | None] = {}
        for word in self.words(key):
            name, equals, value = word.partition("=")
            found[name] = value if equals else None
        return dict(sorted(found.items()))

    def boolean(self, key: str) -> bool | None:
        """Return whether the last value is a yes; None if there is none."""
        return self.string(key).lower() in _TRUE if self.has(key) else None

    def error(self, message: str, key: str = "", *, hint: str = "", entry: Entry | None = None) -> None:
        """Tell what keeps the service from being made; `key` or `entry` says where it is written, or is not."""
        self._tell(message, key, entry, hint=hint, fatal=True)

    def warn(self, message: str, key: str = "", *, hint: str = "", entry: Entry | None = None) -> None:
        """Tell what is hardly meant so."""
        self._tell(message, key, entry, hint=hint, fatal=False)

    def _tell(self, message: str, key: str, entry: Entry | None, *, hint: str, fatal: bool) -> None:
        entry = entry or (self.source.last(self.kind.section, key) if key else None)
        section = self.source.sections.get(self.kind.section)
        path, line = (entry.path, entry.line) if entry else (section.path, section.line) if section else (self.path, 0)
        problem = Problem(path, line, message, hint=hint, fatal=fatal)
        if all(str(problem) != str(other) for other in self.problems):
            self.problems.append(problem)

    def _split(self, entries: list[Entry], split: Callable[[str], list[str]]) -> list[str]:
        found = []
        for entry in entries:
            try:
                found += split(entry.value)
            except ValueError as error:
                self.warn(f"{entry.key} is ignored: {error}", entry=entry, hint="write \\\\ for a backslash")
        return found


def _unquoted(entry: Entry | None) -> str:
    value = entry.value if entry else ""
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return value[1:-1]
    return value
