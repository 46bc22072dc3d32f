"""`network reload`: the firewall's table made anew, and containers that run connected as the database has it."""

from __future__ import annotations

import posix

from pod.containers.status import observe
from pod.errors import PodError
from pod.lock import ContainerLock
from pod.networks import firewall, membership, settings, standing
from pod.networks.wiring import make_directory
from runtime.monitor.network import take_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.engine import Engine
    from pod.state import Container


def rebuild(engine: Engine) -> None:
    """Put a new table, with what all containers that run have in it, in the place of the old one in one step."""
    if not settings.has_firewall(engine.config.network):
        return
    directory = f"{engine.config.runroot}/networks"
    if not engine.config.rootless:
        _rebuild(directory)
        return
    from pod.networks import shared

    shared.inside(directory, lambda: _rebuild(directory))


def _rebuild(directory: str) -> None:
    make_directory(directory)
    lock = take_lock(directory.encode("utf-8", "surrogateescape"))
    try:
        found = standing.elements(directory)
        if found:
            firewall.load(found)
    finally:
        posix.close(lock)


def can_reload(engine: Engine, container: Container) -> bool:
    """Tell whether `reload` would not refuse a container."""
    return bool(membership.has_networks(container) and observe(engine.config, container.id).pid)


def reload(engine: Engine, container: Container) -> None:
    """Connect a container that runs anew where it is not connected as it should be. Raises PodError if it does not."""
    with ContainerLock(engine.config, container.id):
        seen = observe(engine.config, container.id)
        if not seen.pid:
            raise PodError(
                "cannot reload network unless container network has been configured: container state improper"
            )
        membership.check(container)
        membership.adjust(engine, container, seen)
