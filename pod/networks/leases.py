"""Which addresses containers have: leased in the transaction that creates them, theirs until they are removed.

Only if a range has no more, or another one asks for an address by name, a container that does not run loses its own; it
gets one again at its start. A network's default is made by its first container.

The lowest free address is taken, also one that was in use a moment ago: a device's address follows from its IP address
(devices.hardware) and answers of names live no second, so that nobody takes the new container for the old one.
"""

from __future__ import annotations

import time

from pod.errors import PodError
from pod.networks import rows, settings, subnets
from pod.networks.network import Attachment, Network
from runtime import jsontext
from storage import database

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3

    from pod.engine import Engine
    from pod.networks.network import Place


def attach(engine: Engine, container: str, networks: list[tuple[str, Place]]) -> None:
    """Put a new container on its networks, within a transaction of the caller; on the default one if none is named.

    Raises NoSuchNetworkError, and PodError for an address that it cannot have.
    """
    found: dict[str, tuple[Network, Place]] = {}
    for name, place in networks or [("", new_place())]:
        network = named(engine, name)
        found.setdefault(network.name, (network, place))
    used = {place["interface"] for _, place in found.values()}
    free = (name for number in range(len(found) + len(used)) if (name := f"eth{number}") not in used)
    for position, (network, place) in enumerate(found.values()):
        place = {**place, "interface": place["interface"] or next(free)}
        attachment = Attachment(container, network, place, choose(engine, network, container, place["addresses"]))
        rows.attach(engine.connection, attachment, position)


def add(engine: Engine, container: str, network: Network, place: Place) -> None:
    """Put a container on one more network, within a transaction of the caller. Raises PodError."""
    before = rows.attachments(engine.connection, container=container)
    used = {one.place["interface"] for one in before}
    free = next(name for number in range(len(used) + 1) if (name := f"eth{number}") not in used)
    place = {**place, "interface": place["interface"] or free}
    query = "SELECT coalesce(max(position) + 1, 0) FROM container_network WHERE container = ?"
    [position] = engine.connection.execute(query, (container,)).fetchone()
    attachment = Attachment(container, network, place, choose(engine, network, container, place["addresses"]))
    rows.attach(engine.connection, attachment, position)


def new_place() -> Place:
    """Return the place of a container that asks for nothing."""
    return {"interface": "", "aliases": [], "addresses": [], "mac": ""}


def networks_of(connection: sqlite3.Connection, container: str) -> list[tuple[str, Place]]:
    """Return on which networks a container is, for another one like it: without what only one can have."""
    return [
        (one.network.name, {**one.place, "addresses": [], "mac": ""})
        for one in rows.attachments(connection, container=container)
    ]


def renew(engine: Engine, container: str) -> list[Attachment]:
    """Return the places of a container that is to start; an address that it lost meanwhile is replaced, in a commit."""
    found = rows.attachments(engine.connection, container=container)
    if all(len(one.addresses) == len(one.network.subnets) for one in found):
        return found
    with database.transaction(engine.connection):
        for one in rows.attachments(engine.connection, container=container):
            if len(one.addresses) == len(one.network.subnets):
                continue
            name = one.network.name
            engine.connection.execute("DELETE FROM lease WHERE container = ? AND network = ?", (container, name))
            chosen = choose(engine, one.network, container, one.place["addresses"])
            leases = [(name, address, container) for address in chosen]
            engine.connection.executemany("INSERT INTO lease VALUES (?, ?, ?)", leases)
    return rows.attachments(engine.connection, container=container)


def named(engine: Engine, name: str) -> Network:
    """Return a network, the default one for an empty name; within a transaction of the caller.

    The default one is made at its first need. Raises NoSuchNetworkError.
    """
    default = default_name(engine)
    try:
        return rows.find(engine.connection, name or default)
    except rows.NoSuchNetworkError:
        if name not in ("", default):
            raise
    network = _new_default(engine, default)
    rows.insert(engine.connection, network)
    return network


def default_name(engine: Engine) -> str:
    """Return the name of the default network."""
    return settings.default_name(engine.config.network)


def default(engine: Engine) -> Network:
    """Return the default network, as it would be made now if it has not been needed yet."""
    try:
        return rows.find(engine.connection, default_name(engine))
    except rows.NoSuchNetworkError:
        return _new_default(engine, default_name(engine))


def _new_default(engine: Engine, name: str) -> Network:
    import hashlib  # once in the life of a store

    wanted = settings.default_subnet(engine.config.network)
    taken = taken_ranges(engine.connection)
    chosen: subnets.Range | None = wanted
    if any(wanted.overlaps(other) for other in taken):
        chosen = subnets.free(taken, settings.pools(engine.config.network))
    if chosen is None:
        raise PodError("could not find free subnet from subnet pools")
    document = {
        "driver": "bridge",
        "network_interface": free_interface(engine.connection),
        "subnets": [{"subnet": str(chosen), "gateway": subnets.written(chosen.width, chosen.first + 1)}],
        "ipv6_enabled": False,
        "internal": False,
        "dns_enabled": False,
        "ipam_options": {"driver": "host-local"},
    }
    return Network((name, hashlib.sha256(name.encode()).hexdigest(), time.time(), jsontext.dumps(document)))


def taken_ranges(connection: sqlite3.Connection) -> list[subnets.Range]:
    """Return the ranges that networks have, or that the host has routes to."""
    own = [subnets.parse(one["subnet"]) for network in rows.everything(connection) for one in network.subnets]
    return [*own, *subnets.routed()]


def free_interface(connection: sqlite3.Connection, first: int = 0) -> str:
    """Return a name for a bridge that neither a network nor the host has: pod0, pod1 and so on."""
    taken = {network.interface for network in rows.everything(connection)} | subnets.interfaces()
    return next(name for number in range(first, first + len(taken) + 1) if (name := f"pod{number}") not in taken)


def choose(engine: Engine, network: Network, container: str, wanted: list[str]) -> list[str]:
    """Return an address of each subnet, those that were asked for first; within a transaction of the caller."""
    if not network.subnets:
        return []
    for text in wanted:
        if not any(subnets.parse(one["subnet"]).contains(subnets.address(text)) for one in network.subnets):
            raise PodError(f"requested static ip {text} not in any subnet on network {network.name}")
    query = "SELECT address, container FROM lease WHERE network = ?"
    taken: dict[str, str] = dict(engine.connection.execute(query, (network.name,)).fetchall())
    found = []
    for subnet in network.subnets:
        whole = subnets.parse(subnet["subnet"])
        asked = next((text for text in wanted if whole.contains(subnets.address(text))), "")
        if asked:
            gateway = subnet.get("gateway", "")
            _check_free(engine, network, whole, asked, gateway, owner=taken.get(asked, ""), container=container)
        address = asked or next((one for one in subnets.candidates(subnet) if one not in taken), "")  # type: ignore[arg-type]
        found.append(address or _of_resting(engine, network, whole, taken))
    return found


def _check_free(
    engine: Engine,
    network: Network,
    whole: subnets.Range,
    address: str,
    gateway: str,
    *,
    owner: str,
    container: str,
) -> None:
    number = subnets.address(address)[1]
    for what, reserved in (
        ("gateway", address == gateway),
        ("own name", number == whole.first),
        ("broadcast address", whole.width == 32 and number == whole.last),
    ):
        if reserved:
            raise PodError(f"IPAM error: requested ip address {address} is the {what} of network {network.name}")
    if not owner or owner == container:
        return
    if not _take(engine, network, address, owner):
        raise PodError(f"IPAM error: requested ip address {address} is already allocated to container ID {owner}")


def _of_resting(engine: Engine, network: Network, whole: subnets.Range, taken: dict[str, str]) -> str:
    """Take the address of the container that has been at rest for the longest time."""
    from pod.containers.status import observe

    resting = []
    for address, owner in taken.items():
        if whole.contains(subnets.address(address)):
            seen = observe(engine.config, owner)
            if not seen.is_running and seen.state != "initialized":
                resting.append((seen.finished, address, owner))
    for _, address, owner in sorted(resting):
        if _take(engine, network, address, owner):
            return address
    raise PodError(
        f"IPAM error: failed to find free IP in range: {whole} of network {network.name}",
        hint="remove containers that are on it, or create a network with a larger --subnet",
    )


def _take(engine: Engine, network: Network, address: str, owner: str) -> bool:
    """End the lease of a container that does not run and that nobody is starting."""
    from pod.containers.status import observe
    from pod.lock import ContainerLock

    try:
        with ContainerLock(engine.config, owner, wait=False):
            seen = observe(engine.config, owner)
            if seen.is_running or seen.state == "initialized":
                return False
            query = "DELETE FROM lease WHERE network = ? AND address = ?"
            engine.connection.execute(query, (network.name, address))
            return True
    except BlockingIOError:
        return False
