"""What is installed: units, the applications that they belong to, the services that they become, and how these are.

Source: podman-quadlet-list(1).
"""

from __future__ import annotations

from pod import filters
from pod.errors import PodError
from pod.quadlet import applications, converting, reading
from pod.quadlet.unit_states import NOT_LOADED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pod.quadlet.applications import Application
    from pod.quadlet.places import Places

    States = Callable[[list[str]], dict[str, str]]

_FILTERS = ("name", "pod", "status")


class Quadlet:
    """An installed unit."""

    __slots__ = ("application", "name", "path", "pod", "service", "status")

    def __init__(self, name: str, path: str, service: str, pod: str, application: Application | None) -> None:
        self.name = name
        self.path = path
        self.service = service
        self.pod = pod
        self.application = application
        self.status = NOT_LOADED

    @property
    def label(self) -> str:
        """How its application's list is called; empty if it belongs to none."""
        return self.application.label if self.application is not None else ""


def everything(places: Places) -> list[Quadlet]:
    """Return all units that are installed, whose services may have been made or not."""
    files, _problems = reading.read(places.search)
    owners = {path: one for one in applications.find(places.install) for path in one.paths}
    found = []
    for unit in converting.convert(files, command="pod", user=places.user):
        pod = unit.string("Pod") if unit.kind.module == "container" else ""
        found.append(Quadlet(unit.name, unit.path, f"{unit.service_name}.service", pod, owners.get(unit.path)))
    return sorted(found, key=lambda quadlet: quadlet.name)


def chosen(places: Places, texts: list[str], states: States) -> list[Quadlet]:
    """Return the units that fit the filters, with their states. Raises PodError for a filter that is none."""
    wanted = filters.parse(texts)
    for key in wanted:
        if key not in _FILTERS:
            raise PodError(f"{key} is not a valid filter", hint="known are " + ", ".join(_FILTERS))
    found = everything(places)
    known = states([quadlet.service for quadlet in found])
    for quadlet in found:
        quadlet.status = known.get(quadlet.service, NOT_LOADED)
    return filters.select(found, wanted, _test)


def _test(key: str, values: list[str]) -> Callable[[Quadlet], bool]:
    return lambda quadlet: any(filters.matches(value, getattr(quadlet, key)) for value in values)


def find(places: Places, name: str) -> Quadlet | None:
    """Return the unit of a name."""
    return next((quadlet for quadlet in everything(places) if quadlet.name == name), None)
