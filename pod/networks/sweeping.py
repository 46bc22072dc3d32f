"""What a killed monitor leaves of its container on a network: found by the file that tells of it, and given up.

Devices die with the container's namespace, sooner or later. Its elements in the firewall, the file, and perhaps the
bridge stay, until a container with networks starts or the dead one is found out.
"""

from __future__ import annotations

import posix

from pod.networks import firewall, standing
from runtime.monitor.network import Network, Place, delete
from runtime.netlink.message import NETFILTER, ROUTE, Netlink


def give_up(directory: str, *, shared: bool) -> None:
    """Do what `sweep` does on the host, or where the containers of a rootless user are."""
    if not shared:
        sweep(directory)
        return
    from pod.networks import shared as namespaces
    from runtime.netlink import namespace

    found = namespaces.find(directory)
    if found < 0:
        # It is gone with all that was in it: where nothing is, only files are left to remove.
        namespace.make(lambda: sweep(directory))
        return
    try:
        namespace.carry_out(found, lambda: sweep(directory))
    finally:
        posix.close(found)


def sweep(directory: str) -> None:
    """Give up what is left of containers on networks that are no more; `directory` is that of all networks.

    The caller does not hold the lock of the networks.
    """
    for path, entry in standing.entries(directory):
        if entry is None or not entry.is_alive():
            place = standing.place(entry) if entry is not None else None
            root, _, container = path.rpartition(b"/")
            links, elements = Netlink.open(ROUTE), Netlink.open(NETFILTER)
            left = Network(root.rpartition(b"/")[0], container, firewall.TABLE, links.detach(), elements.detach())
            left.places = {path: place or Place("")}
            left.end(swept=True)
    marks = standing.doomed(directory)
    if marks:  # most of them are gone by now, or about to go
        links = Netlink.open(ROUTE)
        delete(links, [], marks)
        links.close()
