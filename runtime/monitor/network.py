"""What a monitor keeps of its container's networks, and how it gives them up.

All of it is plain values and descriptors, so that it survives the re-exec. What takes the kernel long, the removal of
devices, is left to a process of its own: nobody waits for that.
"""

from __future__ import annotations

import fcntl
import posix

from runtime.netlink import nftables, route
from runtime.netlink.message import Netlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.netlink.nftables import Element

_LAST_FD = 0x7FFFFFFF


class Bridge:
    """A bridge that goes with its last port: its number, and its elements in the firewall."""

    __slots__ = ("elements", "index")

    def __init__(self, index: int, elements: list[Element]) -> None:
        self.index = index
        self.elements = elements


class Network:
    """A container's part in networks of the host."""

    __slots__ = ("bridges", "elements", "files", "firewall", "links", "lock", "ports", "route", "table")

    def __init__(self, lock: bytes, table: str, route: int, firewall: int) -> None:
        self.lock = lock  # the path of the lock under which bridges come and go
        self.table = table
        self.route = route  # sockets of rtnetlink and of nftables in the network namespace of the host
        self.firewall = firewall
        self.elements: list[Element] = []
        self.links: list[int] = []  # the host's ends of the container's devices
        self.bridges: list[Bridge] = []
        self.files: list[bytes] = []  # that tell of the container
        self.ports: list[int] = []  # sockets that keep published ports from others

    def freeze(self) -> dict[str, Any]:
        """Return the state as values that marshal can write."""
        state: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        state["bridges"] = [(bridge.index, bridge.elements) for bridge in self.bridges]
        return state

    @staticmethod
    def thaw(state: dict[str, Any]) -> Network:
        """Make it again from what `freeze` returned."""
        network = Network(state["lock"], state["table"], state["route"], state["firewall"])
        for name in ("elements", "links", "files", "ports"):
            setattr(network, name, state[name])
        network.bridges = [Bridge(*values) for values in state["bridges"]]
        return network

    def fds(self) -> list[int]:
        """Return the descriptors that must survive an exec."""
        return [self.route, self.firewall, *self.ports]

    def end(self) -> None:
        """Give up all of it, as far as it is still there; devices go a little later."""
        for fd in self.ports:
            posix.close(fd)
        links, firewall = Netlink.adopt(self.route), Netlink.adopt(self.firewall)
        try:
            gone = self._withdraw(links, firewall)
            if gone and posix.fork() == 0:
                _delete(links.fileno(), gone)
        except OSError:
            pass
        finally:
            links.close()
            firewall.close()

    def _withdraw(self, links: Netlink, firewall: Netlink) -> list[int]:
        """Stop all traffic, and return the devices that are to be deleted."""
        nftables.remove(firewall, self.table, self.elements)
        # A device that is down passes nothing, and is no port that keeps a bridge.
        links.send([route.set_down(index) for index in self.links])
        gone = list(self.links)
        lock = posix.open(self.lock, posix.O_RDWR | posix.O_CREAT | posix.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for bridge in self.bridges:
                if not any(port.is_up for port in route.ports(links, bridge.index)):
                    # Under another name it is in nobody's way, and can be deleted without the lock.
                    name = f"poddel{bridge.index}"
                    links.send([route.set_down(bridge.index), route.rename(bridge.index, name)])
                    nftables.remove(firewall, self.table, bridge.elements)
                    gone.append(bridge.index)
        finally:
            posix.close(lock)
        for path in self.files:
            posix.unlink(path)
        return gone


def _delete(links: int, indexes: list[int]) -> None:
    """Delete devices, in a process of its own that holds nothing else."""
    try:
        posix.closerange(0, links)
        posix.closerange(links + 1, _LAST_FD)
        Netlink.adopt(links).send([route.delete(index) for index in indexes])
    finally:
        posix._exit(0)
