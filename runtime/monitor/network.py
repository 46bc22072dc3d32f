"""What a monitor keeps of its container's networks, and how it gives them up.

What the container has on a network stands in the file that tells of it there (names.py): commands change it while the
container runs, and whoever finds that the container is no more takes it back by that file. The monitor's own state is
plain values and descriptors, so that it survives the re-exec. What takes the kernel long, the removal of devices, is
left to a process of its own: nobody waits for that.
"""

from __future__ import annotations

import fcntl
import marshal
import posix

from runtime.monitor import names
from runtime.monitor.shared import Shared
from runtime.netlink import nftables, route
from runtime.netlink.message import Netlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.netlink.nftables import Element
    from runtime.publisher.process import Publisher

LOCK = b"/.lock"  # in the directory of all networks: held while bridges come and go, and containers on them
_LAST_FD = 0x7FFFFFFF
# The newest version of this format that never changes: the reader may be of another Python.
_FORMAT = 2


class Place:
    """What a container has on one network of the host."""

    __slots__ = ("bridge", "elements", "inside", "links", "of_bridge", "stays")

    def __init__(
        self,
        inside: str,
        bridge: str = "",
        of_bridge: list[Element] | None = None,
        elements: list[Element] | None = None,
        links: list[int] | None = None,
        *,
        stays: bool = False,
    ) -> None:
        self.inside = inside  # the name of its device
        self.bridge = bridge  # the name of the bridge, which goes with its last port; empty if there is none
        self.stays = stays  # the bridge does: it is not ours
        self.of_bridge = of_bridge or []  # the elements that go with the bridge
        self.elements = elements or []  # its own in the firewall: published ports
        self.links = links  # the host's ends of its device; None as long as that is being made

    def dump(self) -> bytes:
        """Return what `parse` makes a place of."""
        state = (self.inside, self.bridge, self.of_bridge, self.elements, self.links, self.stays)
        return marshal.dumps(state, _FORMAT)

    @staticmethod
    def parse(content: bytes) -> Place:
        """Make it again. Raises ValueError for what no `dump` has written."""
        try:
            *state, stays = marshal.loads(content)
            return Place(*state, stays=stays)
        except (EOFError, TypeError) as error:
            raise ValueError("no place on a network") from error


class Network:
    """A container's part in networks of the host."""

    KIND = "network"
    __slots__ = ("container", "directory", "firewall", "places", "ports", "route", "shared", "table")

    def __init__(self, directory: bytes, container: bytes, table: str, route: int, firewall: int) -> None:
        self.directory = directory  # of all networks, in which each has one with a file for each container
        self.container = container  # the name of its files
        self.table = table
        self.route = route  # sockets of rtnetlink and of nftables in the network namespace of the bridges
        self.firewall = firewall
        self.places: dict[bytes, Place] = {}  # by the path of the file that tells of it
        self.ports: list[int] = []  # sockets that keep published ports from others
        self.shared: Shared | None = None  # where all this is, if not on the host

    def freeze(self) -> dict[str, Any]:
        """Return the state as values that marshal can write."""
        state: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        state["places"] = {path: place.dump() for path, place in self.places.items()}
        state["shared"] = self.shared and self.shared.freeze()
        return state

    @staticmethod
    def thaw(state: dict[str, Any]) -> Network:
        """Make it again from what `freeze` returned."""
        network = Network(state["directory"], state["container"], state["table"], state["route"], state["firewall"])
        network.places = {path: Place.parse(place) for path, place in state["places"].items()}
        network.ports = state["ports"]
        network.shared = Shared.thaw(state["shared"]) if state["shared"] else None
        return network

    def fds(self) -> list[int]:
        """Return the descriptors that must survive an exec."""
        return [self.route, self.firewall, *self.ports, *(self.shared.fds() if self.shared else ())]

    def waits_for(self) -> list[int]:
        """Return the descriptors that are readable when there is something to do: then `heard` is to be called."""
        return self.shared.waits_for() if self.shared else []

    def heard(self, fd: int) -> int:
        """Do what there is to do, for one of them is readable; return a descriptor that is to be closed."""
        assert self.shared is not None
        return self.shared.heard(fd)

    def publisher(self) -> Publisher | None:
        """Return the process that passes published ports on, if there is one."""
        return self.shared.publisher if self.shared else None

    def told(self) -> dict[bytes, Place]:
        """Return what the files tell now; those that cannot be read are left out."""
        found = {}
        for name in names.listed(self.directory):
            path = b"%s/%s/%s" % (self.directory, name, self.container)
            entry = names.read(path)
            if entry is not None and entry.elements:
                found[path] = Place.parse(entry.elements)
        return found

    def end(self, *, wait: bool = False, swept: bool = False) -> None:
        """Give up all of it, as far as it is still there; devices go a little later, unless the caller waits.

        `swept`: a killed monitor has left it, and somebody else may be giving it up at this moment.
        """
        links, firewall = Netlink.adopt(self.route), Netlink.adopt(self.firewall)
        gone: list[int] = []
        marks: dict[bytes, int] = {}
        try:
            gone, marks = self._withdraw(links, firewall, swept=swept)
        except (OSError, ValueError):
            pass  # the next command finds the file
        # Not before the firewall has forgotten them.
        for fd in self.ports:
            posix.close(fd)
        delete(links, gone, marks, wait=wait)
        links.close()
        firewall.close()
        if self.shared:
            self.shared.leave()

    def _withdraw(self, links: Netlink, firewall: Netlink, *, swept: bool) -> tuple[list[int], dict[bytes, int]]:
        """Stop all traffic; return the devices that are to be deleted, and the files that tell of bridges."""
        marks: dict[bytes, int] = {}
        lock = take_lock(self.directory) if swept else -1
        try:
            # A port that was given up may have been published by another container since.
            places = {path: place for path, place in self.places.items() if not swept or _is_left(path)}
            nftables.remove(firewall, self.table, [element for place in places.values() for element in place.elements])
            # A device that is down passes nothing, and is no port that keeps a bridge.
            gone = [index for place in places.values() for index in place.links or ()]
            links.send([route.set_down(index) for index in gone])
            lock = take_lock(self.directory) if lock < 0 else lock
            for path, place in places.items():
                if place.bridge and not place.stays and _is_last(links, path, place.bridge):
                    # The bridge goes last: by its name a sweep finds what is to be done.
                    nftables.remove(firewall, self.table, place.of_bridge)
                    self._doom(links, place.bridge, marks)
                try:
                    posix.unlink(path)
                except FileNotFoundError:
                    pass
        finally:
            if lock >= 0:
                posix.close(lock)
        return gone, marks

    def _doom(self, links: Netlink, name: str, marks: dict[bytes, int]) -> None:
        """Give a bridge a name under which it is in nobody's way, and can be deleted without the lock."""
        bridge = route.find(links, name)
        if bridge is None:
            return
        mark = b"%s/.%s" % (self.directory, doomed(bridge.index).encode())
        marks[mark] = posix.open(mark, posix.O_RDWR | posix.O_CREAT | posix.O_CLOEXEC, 0o600)
        fcntl.flock(marks[mark], fcntl.LOCK_EX)
        links.send([route.set_down(bridge.index), route.rename(bridge.index, doomed(bridge.index))])

    def look(self) -> None:
        """Take over what commands have changed.

        At the container's end nothing comes after this: a command looks whether the container lives while it has the
        lock, which we wait for.
        """
        try:
            lock = take_lock(self.directory)
        except OSError:
            return  # somebody emptied the runroot: what we know is what there is
        try:
            self.places |= self.told()
        except ValueError:
            pass
        finally:
            posix.close(lock)


def _is_left(path: bytes) -> bool:
    """Tell whether a file is still there, and of a container that is no more."""
    entry = names.read(path)
    if entry is not None:
        return not entry.is_alive()
    try:
        posix.stat(path)
    except OSError:
        return False
    return True


def take_lock(directory: bytes) -> int:
    """Wait for the lock of all networks, and make their directory if it is missing; closing the descriptor unlocks."""
    flags = posix.O_RDWR | posix.O_CREAT | posix.O_CLOEXEC
    try:
        lock = posix.open(directory + LOCK, flags, 0o600)
    except FileNotFoundError:  # somebody emptied the runroot
        posix.mkdir(directory, 0o700)
        lock = posix.open(directory + LOCK, flags, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def _is_last(links: Netlink, path: bytes, bridge: str) -> bool:
    """Tell whether nobody but the container of a file needs a bridge; the caller has the lock.

    The files tell, for a device of a container that was killed may live for a while.
    """
    directory, _, own = path.rpartition(b"/")
    there = names.whole(directory)
    if any(name != own for name in there):
        return False
    found = route.find(links, bridge)
    up = [port for port in route.ports(links, found.index) if port.is_up] if found else []
    # Somebody has added a port to it; or, if the runroot was emptied, containers are there that no file tells of.
    return not (
        up if not there else [port for port in up if not (port.kind == "veth" and port.name.startswith("veth"))]
    )


def doomed(index: int) -> str:
    """Return the name of a bridge that waits for its deletion; a file of this name, after a dot, tells of it."""
    return f"poddel{index}"


def delete(links: Netlink, indexes: list[int], marks: dict[bytes, int], *, wait: bool = False) -> None:
    """Delete devices, and the bridges that files tell of, and these files, in a process of its own.

    That holds nothing but the files' locks, by which it is known that it lives; their descriptors are closed here.
    """
    try:
        pid = posix.fork() if indexes or marks else -1
    except OSError:
        pid = -1
    if pid == 0:
        try:
            first = 0
            for fd in sorted([links.fileno(), *marks.values()]):
                posix.closerange(first, fd)
                first = fd + 1
            posix.closerange(first, _LAST_FD)
            bridges = [route.find(links, mark.rpartition(b"/.")[2].decode()) for mark in marks]
            found = [*indexes, *(bridge.index for bridge in bridges if bridge is not None)]
            links.send([route.delete(index) for index in found])
            for mark in marks:
                try:
                    posix.unlink(mark)
                except FileNotFoundError:
                    pass  # somebody else was at it, too
        finally:
            posix._exit(0)
    for fd in marks.values():
        posix.close(fd)
    if wait and pid > 0:
        posix.waitpid(pid, 0)
