"""Commands that do one thing to several containers: which ones, and what is said of those that fail."""

from __future__ import annotations

import sys

from pod import state
from pod.containers.status import observe
from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pod.engine import Engine


def required(
    names: list[str], *, all: bool, flags: bool = False, missing: str = "you must provide at least one name or id"
) -> list[str]:
    """Return the names, of which there must be some unless `all` (or another flag) chooses the containers."""
    if all and names:
        raise PodError("no arguments are needed with --all")
    if not names and not all and not flags:
        raise PodError(missing)
    return names


def find(engine: Engine, name: str) -> state.Container:
    """Return the container of this name or ID."""
    return state.find_container(engine.connection, name)


def everything(engine: Engine) -> list[state.Container]:
    """Return all containers."""
    return state.containers(engine.connection)


def run(names: list[str], action: Callable[[str], str]) -> int:
    """Do something to each, print what it returns; report each error and go on. Return the last one's status."""
    from pod.__main__ import failed

    code = 0
    for name in names:
        try:
            told = action(name)
        except Exception as error:
            sys.stdout.flush()
            code = failed(error)
        else:
            if told:
                print(told)
    return code


def running(engine: Engine) -> list[state.Container]:
    """Return the containers that run."""
    return [one for one in everything(engine) if observe(engine.config, one.id).is_running]


def with_files(names: list[str], files: list[str] | None) -> list[str]:
    """Return the names and the IDs that files written by --cidfile hold."""
    found = list(names)
    for path in files or []:
        with open(path, encoding="ascii") as file:
            found += file.read().split()[:1]
    return found
