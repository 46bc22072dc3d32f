"""Files and drop-ins, found in the directories of the search path and read.

Of two files of one name the first counts. A link to /dev/null hides what else has its name, as with systemd. What
cannot be read is a problem of that file alone.
"""

from __future__ import annotations

import posix
import stat

from pod.quadlet import bundles, dropins
from pod.quadlet.kinds import table
from pod.quadlet.problems import Problem, unexpected
from pod.quadlet.unitfile import UnitFile, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST = 4 << 20


def read(
    directories: list[str], tell: Callable[[str], None] = lambda line: None
) -> tuple[list[UnitFile], list[Problem]]:
    """Return all files with their drop-ins in them, and what could not be read. `tell` is told of each file."""
    files: dict[str, UnitFile] = {}
    hidden: set[str] = set()
    problems: list[Problem] = []
    drops: dict[str, list[list[str]]] = {}
    for directory in directories:
        for name in _names(directory, problems):
            path = f"{directory}/{name}"
            if name.endswith(".d"):
                drops.setdefault(name, []).append(
                    [f"{path}/{one}" for one in _names(path, []) if one.endswith(".conf")]
                )
            elif not (table.find(name) or bundles.is_bundle(name)):
                continue
            elif name in files or name in hidden:
                tell(f"{path} does not count: a file of this name was found before")
            elif _is_null(path):
                hidden.add(name)
            else:
                tell(f"Loading source unit file {path}")
                for file in _read_file(path, name, problems):
                    if file.name not in hidden:
                        _add(files, file, problems)
    for file in files.values():
        for path in dropins.choose(file.name, drops):
            tell(f"Loading source drop-in file {path}")
            _merge(file, path, problems)
    return list(files.values()), problems


def _add(files: dict[str, UnitFile], file: UnitFile, problems: list[Problem]) -> None:
    other = files.setdefault(file.name, file)
    if other is not file and other.path == file.path:
        hint = "give each part a FileName= of its own"
        problems.append(Problem(file.path, file.first, f"a part {file.name} is in this file before", hint=hint))


def _read_file(path: str, name: str, problems: list[Problem]) -> list[UnitFile]:
    try:
        return _parts(path, name, problems)
    except Exception as error:  # of ours: the other files are none the worse
        problems.append(unexpected(path, error))
        return []


def _parts(path: str, name: str, problems: list[Problem]) -> list[UnitFile]:
    text = _text(path, problems)
    if text is None:
        return []
    if not bundles.is_bundle(name):
        return [parse(text, path, name=name)]
    found = []
    for part, part_text, first in bundles.split(text):
        if part:
            found.append(parse(part_text, path, name=part, first=first))
        else:
            hint = "begin it with `# FileName=NAME` and a section such as [Container]"
            problems.append(Problem(path, first, "a part has no name or is of no known kind", hint=hint))
    return found


def _merge(file: UnitFile, path: str, problems: list[Problem]) -> None:
    text = _text(path, problems)
    if text is None:
        return
    drop = parse(text, path)
    if drop.problems:  # the file is none the worse
        problems += drop.problems
    else:
        file.merge(drop)


def _text(path: str, problems: list[Problem]) -> str | None:
    """Return the text of a file; bytes that are not UTF-8 are kept as they are (PEP 383)."""
    try:
        handle = posix.open(path, posix.O_RDONLY | posix.O_NONBLOCK | posix.O_CLOEXEC)
        try:
            status = posix.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                problems.append(Problem(path, 0, "not a regular file"))
                return None
            if status.st_size > _LONGEST:
                problems.append(Problem(path, 0, f"too long: {status.st_size} bytes"))
                return None
            data = b""
            while piece := posix.read(handle, _LONGEST):
                data += piece
        finally:
            posix.close(handle)
    except OSError as error:
        problems.append(Problem(path, 0, f"cannot be read: {(error.strerror or str(error)).lower()}"))
        return None
    return data.decode("utf-8", "surrogateescape")


def _names(directory: str, problems: list[Problem]) -> list[str]:
    try:
        return sorted(posix.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        problems.append(Problem(directory, 0, f"cannot be read: {(error.strerror or str(error)).lower()}"))
        return []


def _is_null(path: str) -> bool:
    try:
        return posix.readlink(path) == "/dev/null"
    except OSError:
        return False
