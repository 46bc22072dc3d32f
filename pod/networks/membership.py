"""`network connect` and `network disconnect`: putting a container on a network and taking it off, also while it runs.

The database says on which networks it is. A place is recorded there before anything is made, and is removed only after
what was made has gone; so whatever a kill has left half done, the next such command for the container completes.
"""

from __future__ import annotations

import marshal
import posix

from pod import events
from pod.containers import restart
from pod.containers.inside import network_files
from pod.containers.status import observe
from pod.errors import PodError
from pod.lock import ContainerLock
from pod.networks import connecting, forwarding, leases, rows
from runtime import process
from storage import database

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.containers.status import Status
    from pod.engine import Engine
    from pod.networks.connecting import Connector
    from pod.networks.network import Attachment, Place
    from pod.state import Container

# The newest version of this format that never changes: the monitor may be of another Python.
_FORMAT = 2


class NetworkModeError(PodError):
    """The container's network is not of bridges."""

    def __init__(self, mode: str) -> None:
        super().__init__(f'"{mode}" is not supported: invalid network mode')


def connect(engine: Engine, container: Container, name: str, place: Place) -> None:
    """Put a container on a network; if it runs, it is reached there when this returns.

    A container at rest that is on the network already stays as it is. Raises NetworkModeError, NoSuchNetworkError, and
    PodError for an address that it cannot have, or for one that runs and is connected already.
    """
    check(container)
    with ContainerLock(engine.config, container.id):
        with database.transaction(engine.connection):
            network = leases.named(engine, name)
            before = rows.attachments(engine.connection, container=container.id)
            known = any(one.network.name == network.name for one in before)
            if not known:
                leases.add(engine, container.id, network, place)
        seen = observe(engine.config, container.id)
        if known and not _is_unfinished(engine, container, seen, network.name):
            if seen.pid:
                raise PodError(
                    f"container {container.id} is already connected to network {network.name}: network is already"
                    " connected"
                )
            return
        try:
            adjust(engine, container, seen)
        except BaseException:
            if not known:
                with database.transaction(engine.connection):
                    rows.detach(engine.connection, container.id, network.name)
            raise
    _tell(engine, container, network.name, "connect")


def disconnect(engine: Engine, container: Container, name: str, word: str) -> None:
    """Take a container, which was called by a word, off a network; its published ports move to the next one.

    Raises NetworkModeError, NoSuchNetworkError, and PodError if it is not there.
    """
    check(container)
    with ContainerLock(engine.config, container.id):
        network = rows.find(engine.connection, name)
        places = rows.attachments(engine.connection, container=container.id)
        left = [one for one in places if one.network.name != network.name]
        if len(left) == len(places):
            who = f"container {word} is not connected to network {network.name}"
            raise PodError(who if places else f"{who}: network not found")
        adjust(engine, container, observe(engine.config, container.id), left)
        with database.transaction(engine.connection):
            rows.detach(engine.connection, container.id, network.name)
    _tell(engine, container, network.name, "disconnect")


def adjust(engine: Engine, container: Container, seen: Status, places: list[Attachment] | None = None) -> None:
    """Have a container, if it runs, connected to its places and to no others; the caller holds its lock."""
    if not seen.pid:
        return
    connector = connecting.of(engine, container, places)
    start_time = process.start_time(seen.pid)
    if start_time is None:
        return  # it has just ended
    if not engine.config.rootless:
        forwarding.announce(connector.places)
    connector.adjust(seen.pid, start_time, seen.monitor_pid)
    _tell_monitor(engine, container, connector)
    network_files.update(engine, container, connector.reach)


def rename(engine: Engine, container: Container, before: str) -> None:
    """Have a container, if it runs, known by its name in place of the one before; the caller holds its lock."""
    seen = observe(engine.config, container.id)
    if not seen.pid:
        return
    connector = connecting.of(engine, container)
    connector.rename()
    network_files.update(engine, container, connector.reach, before)


def _tell_monitor(engine: Engine, container: Container, connector: Connector) -> None:
    """Have the container's monitor look at its networks, and answer the names that are there."""
    directory = engine.config.monitor_dir(container.id)
    settings = connector.resolver()
    if settings is not None:
        temporary = f"{directory}/names.{posix.getpid()}"
        descriptor = posix.open(temporary, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, 0o600)
        try:
            posix.write(descriptor, marshal.dumps(settings.freeze(), _FORMAT))
        finally:
            posix.close(descriptor)
        posix.rename(temporary, f"{directory}/names")
    restart.poke(directory, restart.NETWORKS)


def _is_unfinished(engine: Engine, container: Container, seen: Status, network: str) -> bool:
    """Tell whether a command that was to connect a container which runs was killed before it had."""
    return bool(seen.pid) and not connecting.of(engine, container).is_connected(network)


def has_networks(container: Container) -> bool:
    """Tell whether a container is one that can be on networks."""
    return bool(container.config["namespaces"]["network"] == "bridge")


def check(container: Container) -> None:
    """Raise NetworkModeError for a container that cannot be on networks."""
    if not has_networks(container):
        raise NetworkModeError(container.config["namespaces"]["network"])


def _tell(engine: Engine, container: Container, network: str, status: str) -> None:
    events.record(engine.config, "network", status, id=container.id, name=container.name, fields={"Network": network})
