"""Who is on the networks, as the files in the runroot tell that resolvers read (runtime.monitor.names)."""

from __future__ import annotations

import posix

from pod.networks import firewall
from runtime.monitor import names
from runtime.monitor.network import Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pod.networks.network import Network
    from runtime.netlink.nftables import Element


def entries(directory: str) -> Iterator[tuple[bytes, names.Entry | None]]:
    """Return the files of all containers on all networks, and what they tell; None for one that is not whole.

    `directory` is that of all networks.
    """
    root = directory.encode("utf-8", "surrogateescape")
    for network in _names(root):
        for name in _names(root + b"/" + network):
            path = b"%s/%s/%s" % (root, network, name)
            yield path, names.read(path)


def _names(directory: bytes) -> list[bytes]:
    """Return the names in a directory, without what is only being written."""
    try:
        return [name for name in posix.listdir(directory) if not name.startswith(b".")]
    except OSError:
        return []


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
