"""The work on one container's networks, under the lock of all: devices, firewall, and the files that tell of it.

Each file is written before what it tells of is made, and goes after that: what a kill leaves is found by the file.
"""

from __future__ import annotations

import posix
from errno import ENOENT

from pod.networks import devices, firewall, standing
from runtime.monitor import names
from runtime.monitor.network import Network, Place, take_lock
from runtime.netlink import namespace, nftables, route
from runtime.netlink.message import NETFILTER, ROUTE, Netlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pod.networks.network import Attachment
    from runtime.netlink.nftables import Element


class Wiring:
    """A container's process, and what leads to its networks."""

    def __init__(
        self, directory: str, container: str, known_as: list[str], process: tuple[int, int], namespace: str
    ) -> None:
        """Open what is needed; `directory` is that of all networks, which is made.

        `process` is the container's, with its start time, `namespace` the path of its network namespace.
        """
        make_directory(directory)
        self._directory, self._container = directory, container
        self._known_as = known_as
        self._process = process
        self._inside = posix.open(namespace, posix.O_RDONLY | posix.O_CLOEXEC)
        self._links, self._firewall = Netlink.open(ROUTE), Netlink.open(NETFILTER)
        root, name = directory.encode("utf-8", "surrogateescape"), container.encode()
        self.network = Network(root, name, firewall.TABLE, self._links.fileno(), self._firewall.fileno())
        self.has_firewall = True
        self.added: dict[bytes, Place] = {}
        self._elements: list[Element] = []
        self._there: Netlink | None = None
        self._lock = -1

    def lock(self) -> None:
        """Wait until nobody else changes networks."""
        self._lock = take_lock(self.network.directory)

    def close(self) -> None:
        """Give back the lock and all but the sockets that the network has."""
        posix.close(self._inside)
        if self._lock >= 0:
            posix.close(self._lock)
        if self._there is not None:
            self._there.close()
        self._links.detach()
        self._firewall.detach()

    def path(self, place: Attachment) -> bytes:
        """Return the file that tells of the container on a network."""
        return standing.path(self._directory, place.network.name, self._container)

    def add(self, place: Attachment, published: list[Element], *, is_first: bool) -> None:
        """Connect the container to a network, for which its elements of published ports are given."""
        network, interface = place.network, place.place["interface"]
        made = standing.intended(network, interface, published, has_firewall=self.has_firewall)
        make_directory(f"{self._directory}/{place.network.name}")
        self.added[self.path(place)] = made
        self.tell(place, made)
        to = devices.bridge(self._links, network) if made.bridge else None
        self._clear(made)
        if to is not None:
            devices.join(self._links, to, self._inside, place)
        else:
            devices.add_sublink(self._links, self._socket(), self._inside, place)
        link = route.find(self._socket(), interface)
        if link is None:
            raise OSError(ENOENT, posix.strerror(ENOENT))
        devices.configure(self._socket(), link, place, is_first=is_first)
        made.links = [link.peer] if made.bridge else []
        if made.bridge:
            devices.settle_port(self._links, link.peer, network)
        self._elements += [*made.of_bridge, *published]
        self.tell(place, made)

    def has(self, place: Attachment, known: Place | None) -> bool:
        """Tell whether the container is connected to a network as the file tells, or but for the firewall."""
        if known is None or known.links is None:
            return False
        return self._find(known) is not None

    def cut(self, known: Place) -> None:
        """Delete the device by which the container was on a network: it leads there no more."""
        self._links.send([route.delete(index) for index in known.links or ()])

    def publish(self, wanted: Iterable[tuple[Attachment, list[Element]]], told: Mapping[bytes, Place]) -> None:
        """Let these elements be all that a container has of published ports."""
        changed = {element for _, elements in wanted for element in elements}
        stale = [element for known in told.values() for element in known.elements if element not in changed]
        for place, elements in wanted:
            known = told.get(self.path(place))
            if known is not None:
                self._elements += [*known.of_bridge, *elements]
                if known.elements != elements:
                    known.elements = elements
                    self.tell(place, known)
        nftables.remove(self._firewall, self.network.table, stale)

    def take_away(self, known: Place) -> None:
        """Remove the container's device; the rest goes when the network ends.

        At once, while the file still tells of it: whoever is killed between the two leaves a device that is found.
        """
        known.elements = []
        if known.links:
            self.cut(known)
            known.links = []
        else:
            self._clear(known)

    def pass_on(self) -> None:
        """Add to the firewall what has been added."""
        firewall.add(self._firewall, self._elements, lambda: standing.elements(self._directory))

    def tell(self, place: Attachment, known: Place) -> None:
        """Write the file by which others know of the container (see architecture.md)."""
        path = self.path(place)
        known_as = [*self._known_as, *place.place["aliases"]]
        names.write(path, names.Entry(*self._process, place.addresses, known_as, known.dump()))
        self.network.places[path] = known

    def _clear(self, known: Place) -> None:
        """Delete the device that somebody was about to make when he was killed; not one of the container's own."""
        link = self._find(known)
        if link is not None:
            for error in self._socket().send([route.delete(link.index)]).values():
                raise error

    def _find(self, known: Place) -> route.Link | None:
        """Return the container's device, if it leads to the network."""
        link = route.find(self._socket(), known.inside) if known.inside else None
        if link is None or not known.bridge:
            return link if link is not None and link.kind in ("macvlan", "ipvlan") else None
        bridge = route.find(self._links, known.bridge)
        ports = route.ports(self._links, bridge.index) if bridge is not None else []
        return link if any(port.index == link.peer for port in ports) else None

    def _socket(self) -> Netlink:
        """Return a socket in the container's network namespace."""
        if self._there is None:
            here = namespace.enter(self._inside)
            try:
                self._there = Netlink.open(ROUTE)
            finally:
                namespace.leave(here)
        return self._there


def make_directory(path: str) -> None:
    """Make a directory of the runroot, if it is missing."""
    try:
        posix.mkdir(path, 0o700)
    except FileExistsError:
        pass
