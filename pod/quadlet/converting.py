"""Files become services: all of them together, for they refer to one another."""

from __future__ import annotations

from pod.quadlet import checking, install, services
from pod.quadlet.kinds import table
from pod.quadlet.problems import unexpected
from pod.quadlet.units import Unit, Units

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from pod.quadlet.unitfile import UnitFile

    class _Module(Protocol):
        """What a kind's module has."""

        def resource_name(self, unit: Unit) -> str: ...

        def convert(self, unit: Unit) -> None: ...


def convert(files: list[UnitFile], *, command: str, user: bool) -> list[Unit]:
    """Return what each file becomes: a service with its links, problems, or both.

    Files have their drop-ins in them, and no two have one name. `command` is the program that services run, `user` says
    whether it is a user's systemd that they are for. Nothing is raised, and a file that nothing can be made of is in
    nobody's way.
    """
    units = Units(command=command, user=user)
    found = [Unit(file, kind, units) for file in files if (kind := table.find(file.name))]
    for unit in found:
        units.by_name[unit.name] = unit
        unit.service_name = services.service_name(unit)
        _attempt(unit, _name)
    checking.check_unique(found)
    for unit in sorted(found, key=lambda unit: unit.kind.order):
        _attempt(unit, _convert)
    checking.check_order([unit for unit in found if not unit.failed])
    return found


def _name(unit: Unit) -> None:
    unit.resource_name = _module(unit).resource_name(unit)
    checking.check_name(unit)


def _convert(unit: Unit) -> None:
    checking.check_keys(unit)
    services.begin(unit)
    _module(unit).convert(unit)
    unit.links = install.links(unit)


def _module(unit: Unit) -> _Module:
    module: _Module = __import__(f"pod.quadlet.kinds.{unit.kind.module}", fromlist=("convert",))
    return module


def _attempt(unit: Unit, step: Callable[[Unit], None]) -> None:
    """Do a step; an error of ours is told as a problem of the file, and others are none the worse."""
    try:
        step(unit)
    except Exception as error:
        unit.problems.append(unexpected(unit.path, error))
