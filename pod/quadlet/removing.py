"""Removing units: of an application all, in one step; what runs only when that is asked for.

Source: podman-quadlet-rm(1).
"""

from __future__ import annotations

import os

from pod.errors import PodError
from pod.quadlet import applications, staging

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pod.quadlet.applications import Application
    from pod.quadlet.listing import Quadlet
    from pod.quadlet.places import Places
    from pod.quadlet.unit_states import Systemd


class NoSuchQuadletError(PodError):
    """No unit, and no application, of this name."""

    def __init__(self, name: str, *, hint: str = "") -> None:
        super().__init__(
            f'could not locate quadlet "{name}" in any supported quadlet directory: no such quadlet', hint=hint
        )


class Removal:
    """What goes together: an application with its units, or one unit that belongs to none."""

    __slots__ = ("application", "quadlets")

    def __init__(self, application: Application | None, quadlets: list[Quadlet]) -> None:
        self.application = application
        self.quadlets = quadlets


def choose(known: list[Quadlet], name: str) -> Removal:
    """Return what the name of a unit, or of an application, stands for. Raises PodError for none."""
    wanted = name if name.startswith(".") else applications.label(name)
    for quadlet in known:
        owner = quadlet.application
        if quadlet.name == name:
            # Of several in one file none goes alone.
            return Removal(owner, _of(known, owner) if owner else [one for one in known if one.path == quadlet.path])
        if owner is not None and owner.label == wanted:
            return Removal(owner, _of(known, owner))
    from pod.names import nearest

    whole = [quadlet.name for quadlet in known if quadlet.name.rpartition(".")[0] == name]
    near = next(iter(whole), "") or nearest(name, [quadlet.name for quadlet in known])
    raise NoSuchQuadletError(name, hint=f"did you mean {near}?" if near else "")


def own(known: list[Quadlet], places: Places) -> list[str]:
    """Return the names of all units that are the user's own: what others have, as the distribution, stays."""
    tops = tuple(f"{directory}/" for directory in places.own)
    return [quadlet.name for quadlet in known if quadlet.path.startswith(tops)]


def remove(places: Places, removal: Removal, systemd: Systemd, *, force: bool) -> None:
    """Remove the files of units; with `force` their services are stopped first.

    Raises PodError, and removes nothing, if a service runs that is not to be stopped, or cannot be.
    """
    services = {quadlet.service: quadlet for quadlet in removal.quadlets}
    for service in systemd.running(list(services)):
        if not force:
            name = services[service].name
            raise PodError(
                f"unable to remove Quadlet {name}: quadlet {name} is running and force is not set, refusing to remove:"
                " quadlet is running",
                hint=f"--force stops {service} first",
            )
        systemd.stop(service)
    delete(removal, places.install)


def delete(removal: Removal, directory: str) -> None:
    """Remove the files of units; `directory` is that of installed ones."""
    owner = removal.application
    if owner is None:
        for quadlet in removal.quadlets:
            _unlink(quadlet.path)
    elif owner.is_directory:
        with staging.staging(directory) as aside, staging.locked(directory):
            # It vanishes by one rename; what follows may be killed.
            _take_away(lambda: os.rename(owner.top, f"{aside}/{os.path.basename(owner.top)}"), owner.top)
    else:
        with staging.locked(directory):
            for path in owner.paths:
                _unlink(path)
            _unlink(f"{owner.top}/{owner.label}")


def _of(known: list[Quadlet], owner: Application) -> list[Quadlet]:
    return [one for one in known if one.application is not None and one.application.label == owner.label]


def _unlink(path: str) -> None:
    _take_away(lambda: os.unlink(path), path)


def _take_away(act: Callable[[], None], path: str) -> None:
    try:
        act()
    except FileNotFoundError:
        pass  # somebody else was faster
    except OSError as error:
        raise PodError(f"removing quadlet {path}: {(error.strerror or '').lower()}") from error
