"""Installing units: copied aside, checked, then put into place in one step; a kill leaves what was, or what shall be.

One file is renamed into the directory of units. An application is a directory, renamed into it, or exchanged with the
one that it replaces. Source: podman-quadlet-install(1).
"""

from __future__ import annotations

import errno
import os

from pod.errors import PodError
from pod.quadlet import applications, linting, sources, staging
from storage import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pod.quadlet.places import Places
    from pod.quadlet.problems import Problem
    from pod.quadlet.sources import Staged


class Installed:
    """The paths of what was installed, and what is to be said of it."""

    __slots__ = ("paths", "warnings")

    def __init__(self, paths: list[str], warnings: list[str]) -> None:
        self.paths = paths
        self.warnings = warnings


def install(places: Places, words: list[str], *, replace: bool) -> Installed:
    """Install all of it, or nothing. Raises PodError for what cannot be had, is wrong, or is there already."""
    directory = places.install
    staging.make(directory)
    with staging.staging(directory) as path:
        staged = sources.stage(words, path)
        if staged.application:
            _write_list(staged)
        staging.sync(path)
        with staging.locked(directory):
            targets = _targets(places, staged, replace=replace)
            warnings = _check(places, staged)
            _place(staged, directory, targets, replace=replace)
    return Installed(list(targets.values()), warnings)


def _write_list(staged: Staged) -> None:
    path = f"{staged.directory}/{applications.label(staged.application)}"
    with open(path, "x", encoding="utf-8") as file:
        file.write("".join(f"{name}\n" for name in staged.origins))


def _targets(places: Places, staged: Staged, *, replace: bool) -> dict[str, str]:
    """Return where each file will be. Raises PodError if there is one of that name that is not to be replaced."""
    directory = places.install
    home = f"{directory}/{staged.application}" if staged.application else directory
    targets = {}
    for name in staged.origins:
        target = f"{home}/{name}"
        for other in _of_same_name(directory, name) if sources.is_unit(name) else ():
            if not replace:
                taken = os.path.basename(name)
                raise PodError(
                    f"a Quadlet with name {taken} already exists, refusing to overwrite",
                    hint=f"--replace puts the new one to its place: {other}",
                )
            if not staged.application:
                target = other
            elif not other.startswith(f"{home}/"):
                raise PodError(
                    f"{os.path.basename(name)} is installed, but not in the application {staged.application}: {other}",
                    hint=f"remove it first: pod quadlet rm {os.path.basename(name)}",
                )
        targets[name] = target
    if staged.application and os.path.lexists(home) and not replace:
        raise PodError(
            f"an application with name {staged.application} already exists, refusing to overwrite",
            hint="--replace puts the new one to its place",
        )
    if staged.application and replace:
        _check_replaceable(home, staged.application)
    return targets


def _check_replaceable(home: str, application: str) -> None:
    """Raise PodError if what has the application's place is not one of ours, and so not to be replaced."""
    if os.path.lexists(home) and not os.path.exists(f"{home}/{applications.label(application)}"):
        raise PodError(f"{home} was not installed by `pod quadlet install`", hint="rename it, or the application")


def _of_same_name(directory: str, name: str) -> Iterator[str]:
    wanted = os.path.basename(name)
    for top, directories, names in os.walk(directory, followlinks=False):
        directories[:] = [one for one in directories if not one.endswith(".d")]
        if wanted in names:
            yield os.path.join(top, wanted)


def _check(places: Places, staged: Staged) -> list[str]:
    """Raise PodError for units of which no service can be made; return what else there is to say."""
    home = f"{places.install}/{staged.application}" if staged.application else ""
    found = [_at_origin(staged, one) for one in linting.check_staged(places, staged.directory, home)]
    fatal = [str(problem) for problem in found if problem.fatal]
    if fatal:
        raise PodError("nothing is installed, for no service can be made of it:\n" + "\n".join(fatal))
    return [str(problem) for problem in found]


def _at_origin(staged: Staged, problem: Problem) -> Problem:
    """Let a problem name the file that the user knows."""
    name = problem.path.removeprefix(f"{staged.directory}/")
    origin = staged.origins.get(name)
    if origin is not None:
        problem.path = origin.place
        problem.line += origin.line if problem.line else 0
    problem.message = problem.message.replace(f"{staged.directory}/", "")
    return problem


def _place(staged: Staged, directory: str, targets: dict[str, str], *, replace: bool) -> None:
    """Let what is staged be seen."""
    if not staged.application:
        ((name, target),) = targets.items()
        if replace:
            os.replace(f"{staged.directory}/{name}", target)
        else:
            os.link(f"{staged.directory}/{name}", target)
        return
    home = f"{directory}/{staged.application}"
    if not os.path.lexists(home):
        os.rename(staged.directory, home)
        return
    try:
        syscalls.exchange(staged.directory, home)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EXDEV, errno.ENOSYS):
            raise
        raise PodError(
            f"{home}: its file system does not let two directories change places",
            hint=f"remove the application first: pod quadlet rm {staged.application}",
        ) from error
