"""What a killed monitor leaves of its container on a network: found by the file that tells of it, and given up.

Devices die with the container's namespace, sooner or later. Its elements in the firewall, the file, and perhaps the
bridge stay, until a container of the network starts or the dead one is found out.
"""

from __future__ import annotations

import marshal
import posix

from pod.networks import firewall
from runtime.monitor import names
from runtime.monitor.network import Bridge, Network
from runtime.netlink import route
from runtime.netlink.message import NETFILTER, ROUTE, Netlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.networks.network import Network as Described


def sweep(directory: str, network: Described) -> None:
    """Give up what is left of containers on a network that are no more; `directory` is that of all networks.

    The caller does not hold the lock of the networks.
    """
    try:
        found = posix.listdir(f"{directory}/{network.name}")
    except FileNotFoundError:
        return
    for name in found:
        path = f"{directory}/{network.name}/{name}".encode("utf-8", "surrogateescape")
        entry = names.read(path)
        # One that is being written begins with a dot.
        if name.startswith(".") or (entry is not None and entry.is_alive()):
            continue
        _left_by(directory, network, path, entry).end()


def _left_by(directory: str, network: Described, path: bytes, entry: names.Entry | None) -> Network:
    links, elements = Netlink.open(ROUTE), Netlink.open(NETFILTER)
    lock = f"{directory}/.lock".encode("utf-8", "surrogateescape")
    left = Network(lock, firewall.TABLE, links.fileno(), elements.fileno())
    left.files = [path]
    bridge = route.find(links, network.interface)
    if bridge is not None:
        left.bridges = [Bridge(bridge.index, firewall.of_network(network))]
    if entry is not None and entry.elements:
        left.elements, left.links = marshal.loads(entry.elements)
    links.detach()
    elements.detach()
    return left
