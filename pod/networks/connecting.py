"""Connecting a container to its bridge networks: its interfaces, their addresses and routes, its published ports.

It happens in the container's monitor, once the container's network namespace is there and before its program runs.
What fails leaves nothing: the container's end of a pair of devices dies with the namespace, and the other end with it.
"""

from __future__ import annotations

import posix

from pod.containers.inside import hosts, resolv_conf
from pod.containers.inside.files import Reach, asks_itself, host_address
from pod.networks import firewall, forwarding, reserving, rows, standing, sweeping
from pod.networks.wiring import Wiring
from runtime import process
from runtime.errors import OCIRuntimeError
from runtime.monitor import names
from runtime.monitor.network import Network, take_lock
from runtime.netlink.namespace import carry_out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pod.engine import Engine
    from pod.networks.network import Attachment
    from pod.state import Container
    from runtime.monitor.network import Place
    from runtime.monitor.resolver import Settings
    from runtime.netlink.nftables import Element


def of(engine: Engine, container: Container, places: list[Attachment] | None = None) -> Connector:
    """Return what connects a container to its networks, or to some of them; it has its addresses."""
    config = container.config
    names = list(dict.fromkeys([container.name, config["hostname"], container.id[:12]]))
    if places is None:
        places = rows.attachments(engine.connection, container=container.id)
    connector = Connector(engine.config.runroot, container.id, names, places, config["ports"])
    connector.servers = resolv_conf.asked(config["network"], engine.config.containers).servers
    connector.host = hosts.internal_address(engine.config.containers)
    connector.shared = engine.config.rootless
    table = engine.config.network
    if table:
        from pod.networks import settings

        connector.port = settings.bind_port(table)
        connector.has_firewall = settings.has_firewall(table)
    return connector


class Connector:
    """What the monitor is to connect: the container's places on networks, in their order, and its published ports."""

    def __init__(
        self,
        runroot: str,
        container: str,
        names: list[str],
        places: list[Attachment],
        ports: list[dict[str, Any]],
    ) -> None:
        self.directory = f"{runroot}/networks"
        self.container = container
        self.names = names
        self.places = places
        self.ports = ports
        # What flags and containers.conf say beside:
        self.servers: list[str] = []  # that the resolver asks, in place of the host's
        self.host: str | None = None  # the address of the host, empty for none
        self.port = 0  # where the resolver listens beside port 53; 0 for the usual one
        self.has_firewall = True
        self.shared = False  # bridges are in the user's shared network namespace, not on the host

    @property
    def reach(self) -> Reach:
        """How the container is reached, for its files."""
        addresses = [address for place in self.places for address in place.addresses]
        names = [alias for place in self.places for alias in place.place["aliases"]]
        return Reach(addresses, names, self._host(), names_answered=self._answers_names(), forwarder=self._forwarder())

    def _host(self) -> str:
        """Return the address by which the container reaches the host; empty if it cannot."""
        if self.host is not None:
            return self.host
        if self.shared:
            return host_address() if self._way_out() else ""
        bridges = [place.network for place in self.places if place.network.is_managed]
        subnets = [subnet for network in bridges for subnet in network.subnets]
        return next((subnet["gateway"] for subnet in subnets if "gateway" in subnet), "")

    def _forwarder(self) -> str:
        """Return the address that leads to a DNS server on the host's loopback; empty for none."""
        if not self.shared or self._way_out() is None or not asks_itself():
            return ""
        from pod.networks.pasta import FORWARDER

        return FORWARDER

    def _answers_names(self) -> bool:
        return any(place.network.has_names for place in self.places)

    def resolver(self) -> Settings | None:
        """Return what the container's resolver is to know; None if none of its networks has names."""
        if not self._answers_names():
            return None
        from runtime.monitor.resolver import OWN_PORT, Settings

        named = [place.network for place in self.places if place.network.has_names]
        host = self._host()
        servers = [server for network in named for server in network.document.get("network_dns_servers") or []]
        closed = all(place.network.internal for place in self.places)
        return Settings(
            [f"{self.directory}/{network.name}".encode("utf-8", "surrogateescape") for network in named],
            hosts={name: [host] for name in hosts.HOST_NAMES} if host else {},
            servers=[] if closed else self.servers or servers,
            resolv_conf=b"" if closed else b"/etc/resolv.conf",
            port=self.port or OWN_PORT,
        )

    def connect(self, pid: int, start_time: int, namespace: str) -> Network:
        """Connect the network namespace (a path) of a process, and return what is to be given up at its end.

        Raises OCIRuntimeError; then nothing is left.
        """
        if self.shared:
            return self._connect_shared(pid, start_time, namespace)
        return self._connect_here(pid, start_time, namespace)

    def _connect_shared(self, pid: int, start_time: int, namespace: str) -> Network:
        """Do the same in the user's shared network namespace; a process of its own passes the published ports on."""
        from pod.networks import shared

        sockets = reserving.listen(self.ports)
        try:
            member = shared.join(self.directory, self.container, world=self._way_out() is not None)
            try:
                state = carry_out(member.namespace, lambda: self._connect_here(pid, start_time, namespace).freeze())
            except BaseException:
                member.leave()
                raise
            network = Network.thaw(state)
            network.shared = member
            try:
                if sockets:
                    self._tell()
                    shared.publish(member, sockets)
                    sockets = []
            except BaseException:
                network.end()
                raise
            return network
        except OSError as error:
            raise _translated(error) from error
        finally:
            for fd, _port in sockets:
                posix.close(fd)

    def _tell(self) -> None:
        """Tell where the published ports lead."""
        from pod.networks import shared

        place = self._way_out()
        ranges = [subnet["subnet"] for each in self.places for subnet in each.network.subnets]
        shared.tell(self.directory, self.container, place.addresses if place else [], ranges)

    def _way_out(self) -> Attachment | None:
        """Return the place on the first network that leads outwards, which has the published ports."""
        outward = (place for place in self.places if place.network.is_managed and not place.network.internal)
        return next(outward, None)

    def _connect_here(self, pid: int, start_time: int, namespace: str) -> Network:
        """Connect it to bridges in the network namespace of this process."""
        sweeping.sweep(self.directory, shared=False)  # who had our ports may have been killed since this command began
        wiring = self._wiring(pid, start_time, namespace)
        try:
            if not self.shared:
                wiring.network.ports = reserving.reserve(self.ports)
            wiring.lock()
            for number, (place, published) in enumerate(self._published()):
                wiring.add(place, published, is_first=number == 0)
            wiring.pass_on()
            forwarding.switch_on(self.places)
        except BaseException as error:
            wiring.close()
            wiring.network.end()
            raise _translated(error) from error
        wiring.close()
        return wiring.network

    def adjust(self, pid: int, start_time: int, monitor: int) -> None:
        """Have a container that runs connected to its places and to no others; what is as it should be stays.

        `monitor` is the process of that. To be called by who holds the container's lock. Nothing happens if the
        container's process has ended meanwhile. Raises OCIRuntimeError; then what was to be added is not.
        """
        if not self.shared:
            self._adjust_here(pid, start_time, monitor)
            return
        from pod.networks import shared

        world = self._way_out() is not None
        try:
            # If there is no namespace, everybody has just ended.
            done = shared.inside(self.directory, lambda: self._adjust_here(pid, start_time, monitor), world=world)
            if done and self.ports:
                self._tell()
        except OSError as error:
            raise _translated(error) from error

    def _adjust_here(self, pid: int, start_time: int, monitor: int) -> None:
        wiring = self._wiring(pid, start_time, _namespace(pid, monitor))
        ended: dict[bytes, Place] = {}
        try:
            wiring.lock()
            if process.is_alive(pid, start_time):
                ended = self._adjust(wiring)
                forwarding.switch_on(self.places)
        except BaseException as error:
            ended = wiring.added
            raise _translated(error) from error
        finally:
            wiring.close()
            wiring.network.places = ended
            wiring.network.end(wait=True)

    def rename(self) -> None:
        """Have a container that runs found on its networks by its names of now; the caller holds its lock."""
        held = take_lock(self.directory.encode("utf-8", "surrogateescape"))
        try:
            for place in self.places:
                path = standing.path(self.directory, place.network.name, self.container)
                entry = names.read(path)
                if entry is not None and entry.is_alive():
                    entry.names = [*self.names, *place.place["aliases"]]
                    names.write(path, entry)
        finally:
            posix.close(held)

    def _wiring(self, pid: int, start_time: int, namespace: str) -> Wiring:
        wiring = Wiring(self.directory, self.container, self.names, (pid, start_time), namespace)
        wiring.has_firewall = self.has_firewall
        return wiring

    def is_connected(self, network: str) -> bool:
        """Tell whether a container that runs is on a network, as its file tells."""
        entry = names.read(standing.path(self.directory, network, self.container))
        known = standing.place(entry) if entry is not None and entry.is_alive() else None
        return known is not None and known.links is not None

    def _adjust(self, wiring: Wiring) -> dict[bytes, Place]:
        """Do the work of `adjust`, and return the places that are still to be given up."""
        told = wiring.network.told()
        wanted = self._published()
        paths = [wiring.path(place) for place, _ in wanted]
        there = {path for path, (place, _) in zip(paths, wanted, strict=True) if wiring.has(place, told.get(path))}
        wiring.publish([one for path, one in zip(paths, wanted, strict=True) if path in there], told)
        for number, (path, (place, published)) in enumerate(zip(paths, wanted, strict=True)):
            if path not in there:
                if path in told:
                    wiring.cut(told[path])
                wiring.add(place, published, is_first=number == 0)
        wiring.pass_on()
        left = {path: known for path, known in told.items() if path not in paths}
        for known in left.values():
            wiring.take_away(known)
        return left

    def made(self) -> dict[bytes, Place]:
        """Return what the container has on its networks, by the paths of the files that tell of it."""
        found = {}
        for place, published in self._published():
            path = standing.path(self.directory, place.network.name, self.container)
            inside = place.place["interface"]
            found[path] = standing.intended(place.network, inside, published, has_firewall=self.has_firewall)
        return found

    def _published(self) -> list[tuple[Attachment, list[Element]]]:
        """Return each place with its elements of published ports: the first network that leads outwards has them."""
        first = self._way_out() if self.has_firewall else None
        return [
            (place, firewall.of_ports(self.ports, map(firewall.pack, place.addresses)) if place is first else [])
            for place in self.places
        ]


def _namespace(pid: int, monitor: int) -> str:
    """Return the path of the network namespace of a container's process.

    An ordinary user's process that waits to be started lets nobody at it: the monitor has the namespace until then.
    """
    path = f"/proc/{pid}/ns/net"
    try:
        posix.stat(path)
    except PermissionError:
        here = posix.stat("/proc/self/ns/net")  # that of the bridges, which the monitor has as well
        held = f"/proc/{monitor}/fd"
        for fd in posix.listdir(held):
            if posix.readlink(f"{held}/{fd}").startswith("net:"):
                there = posix.stat(f"{held}/{fd}")
                if (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino):
                    return f"{held}/{fd}"
    return path


def _translated(error: BaseException) -> BaseException:
    if isinstance(error, OSError):
        return OCIRuntimeError(f"network: {(error.strerror or str(error)).lower()}")
    return error
