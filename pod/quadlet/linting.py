"""What is wrong with units, told before systemd reads them: what the generator would say, and values that cannot be.

Units are judged among all others that the generator reads, for they refer to one another.
"""

from __future__ import annotations

import os

from pod.errors import PodError
from pod.quadlet import converting, directories, reading, values
from pod.quadlet.kinds import table
from pod.quadlet.problems import Problem
from pod.quadlet.unitfile import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pod.quadlet.places import Places
    from pod.quadlet.unitfile import UnitFile
    from pod.quadlet.units import Unit

    Check = Callable[[Unit], None]

# The least that a unit of a kind says. Stands in for one that is referred to, and may come later.
_LEAST = {
    "artifact": "Artifact=missing",
    "build": "ImageTag=missing\nSetWorkingDirectory=unit",
    "container": "Image=missing\nContainerName=missing",
    "image": "Image=missing",
    "kube": "Yaml=missing",
}


def lint(places: Places, paths: list[str], *, further: Check | None = None) -> list[Problem]:
    """Return the problems of some files and directories, or of all units; `further` is one more check of each unit.

    Raises PodError for a path that is not there.
    """
    if not paths:
        return _problems(places, places.search, lambda path: True, further=further)
    tops: list[str] = []
    own: set[str] = set()
    for path in map(os.path.realpath, paths):
        if os.path.isdir(path):
            below = directories.below(path)
            own.update(below)
            tops += below
        elif os.path.isfile(path):
            _check_kind(path)
            own.add(path)
            tops.append(os.path.dirname(path))
        else:
            raise PodError(f"{path}: no such file or directory")
    tops = list(dict.fromkeys(tops))
    return _problems(places, tops, lambda path: path in own or os.path.dirname(path) in own, further=further)


def check_staged(places: Places, directory: str, replaced: str) -> list[Problem]:
    """Return the problems of units that are to be installed; those in the directory `replaced` will be gone.

    What they refer to may be installed later: that it is missing is no more than a warning.
    """
    staged = directories.below(directory)
    others = [place for place in places.search if not replaced or not f"{place}/".startswith(f"{replaced}/")]
    files, problems = reading.read([*staged, *others])
    own = [file for file in files if file.path.startswith(f"{directory}/")]
    missing = _missing(own, {file.name for file in files})
    units = converting.convert([*files, *map(_stand_in, missing)], command="pod", user=places.user)
    found = [problem for problem in problems if problem.path.startswith(f"{directory}/")]
    for unit in units:
        if unit.path.startswith(f"{directory}/"):
            values.check(unit)
            found += unit.problems
    found += [Problem(path, line, f"{name} is not there yet", fatal=False) for name, (path, line) in missing.items()]
    return sorted(found, key=lambda problem: (problem.path, problem.line))


def _problems(
    places: Places, tops: list[str], is_own: Callable[[str], bool], *, further: Check | None
) -> list[Problem]:
    where = list(dict.fromkeys([*tops, *places.search]))
    files, problems = reading.read(where)
    found = [problem for problem in problems if is_own(problem.path)]
    for unit in converting.convert(files, command="pod", user=places.user):
        if is_own(unit.path):
            values.check(unit)
            if further is not None:
                further(unit)
            found += unit.problems
    found += [problem for problem in _hidden(where) if is_own(problem.path)]
    return sorted(found, key=lambda problem: (problem.path, problem.line))


def _check_kind(path: str) -> None:
    from pod.quadlet import bundles

    name = os.path.basename(path)
    if table.find(name) is None and not bundles.is_bundle(name):
        suffix = os.path.splitext(name)[1]
        known = ", ".join(f".{kind}" for kind in table.KINDS)
        raise PodError(f'{path}: "{suffix}" is not a supported Quadlet file type', hint=f"known are {known}")


def _hidden(where: Iterable[str]) -> list[Problem]:
    """Return a problem for each file that nobody reads, since another of its name comes first."""
    first: dict[str, str] = {}
    found = []
    for directory in where:
        for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else ():
            path = f"{directory}/{name}"
            if table.find(name) is None or os.path.isdir(path):
                continue
            taken = first.setdefault(name, path)
            if taken != path:
                message = f"{taken} has the same name and comes first"
                found.append(Problem(path, 0, message, hint="rename one of them", fatal=False))
    return found


def _missing(own: list[UnitFile], known: set[str]) -> dict[str, tuple[str, int]]:
    """Return names of units that are written in values and that there are not, with the place of the first."""
    found: dict[str, tuple[str, int]] = {}
    for file in own:
        for section in file.sections.values():
            for entry in section.entries if section.name != "Service" else ():
                for word in _words(entry.value) if entry.key else ():
                    if word not in known and table.find(word) is not None:
                        found.setdefault(word, (entry.path, entry.line))
    return found


def _words(value: str) -> list[str]:
    for mark in ",:=\"'":
        value = value.replace(mark, " ")
    return [word for word in value.split() if "/" not in word]


def _stand_in(name: str) -> UnitFile:
    kind = table.KINDS[name.rpartition(".")[2]]
    return parse(f"[{kind.section}]\n{_LEAST.get(kind.module, '')}\n", f"/{name}")
