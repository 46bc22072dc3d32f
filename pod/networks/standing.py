"""Who is on the networks, as the files in the runroot tell that resolvers read (runtime.monitor.names)."""

from __future__ import annotations

from pod.networks import firewall
from runtime.monitor import names
from runtime.monitor.network import Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pod.networks.network import Network
    from runtime.netlink.nftables import Element


def path(directory: str, network: str, container: str) -> bytes:
    """Return the file that tells of a container on a network; `directory` is that of all networks."""
    return f"{directory}/{network}/{container}".encode("utf-8", "surrogateescape")


def entries(directory: str) -> Iterator[tuple[bytes, names.Entry | None]]:
    """Return the files of all containers on all networks, and what they tell; None for one that is not whole.

    `directory` is that of all networks.
    """
    root = directory.encode("utf-8", "surrogateescape")
    for network in names.whole(root):
        for name in names.whole(root + b"/" + network):
            found = b"%s/%s/%s" % (root, network, name)
            yield found, names.read(found)


def place(entry: names.Entry) -> Place | None:
    """Return what a container has on a network; None if that cannot be read."""
    try:
        return Place.parse(entry.elements)
    except ValueError:
        return None


def intended(network: Network, interface: str, published: list[Element], *, has_firewall: bool) -> Place:
    """Return what a container is to have on a network, with a device of this name inside."""
    of_bridge = firewall.of_network(network) if has_firewall and network.is_managed else []
    bridge = network.interface if network.driver == "bridge" else ""
    return Place(interface, bridge, of_bridge, published, stays=not network.is_managed)


def elements(directory: str) -> list[Element]:
    """Return all that the containers which run have in the firewall."""
    found: list[Element] = []
    for _, entry in entries(directory):
        known = place(entry) if entry is not None and entry.is_alive() else None
        if known is not None:
            found += [*known.of_bridge, *known.elements]
    return list(dict.fromkeys(found))
