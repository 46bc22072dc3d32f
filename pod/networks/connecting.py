"""Connecting a container to its bridge networks: its interfaces, their addresses and routes, its published ports.

It happens in the container's monitor, once the container's network namespace is there and before its program runs.
What fails leaves nothing: the container's end of a pair of devices dies with the namespace, and the other end with it.
"""

from __future__ import annotations

import _socket
import fcntl
import marshal
import posix
from errno import EEXIST, ENOENT

from pod.containers import hosts, resolv_conf
from pod.containers.files import Reach
from pod.networks import firewall, rows, sweeping
from runtime.errors import OCIRuntimeError
from runtime.monitor import names
from runtime.monitor.network import Bridge, Network
from runtime.netlink import namespace, route
from runtime.netlink.message import NETFILTER, ROUTE, Netlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pod.engine import Engine
    from pod.networks.network import Attachment
    from pod.networks.network import Network as Described
    from pod.state import Container
    from runtime.monitor.resolver import Settings
    from runtime.netlink.nftables import Element
    from runtime.netlink.route import Message

_METRIC = 100
_IPPROTO_SCTP = 132
_IPV6_V6ONLY = 26


def of(engine: Engine, container: Container) -> Connector:
    """Return what connects a container that is about to start to its networks; it has its addresses."""
    config = container.config
    names = list(dict.fromkeys([container.name, config["hostname"], container.id[:12]]))
    places = rows.attachments(engine.connection, container=container.id)
    connector = Connector(engine.config.runroot, container.id, names, places, config["ports"])
    connector.servers = resolv_conf.asked(config["network"], engine.config.containers).servers
    connector.host = hosts.internal_address(engine.config.containers)
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

    @property
    def reach(self) -> Reach:
        """How the container is reached, for its files."""
        addresses = [address for place in self.places for address in place.addresses]
        names = [alias for place in self.places for alias in place.place["aliases"]]
        return Reach(addresses, names, self._host(), names_answered=self._answers_names())

    def _host(self) -> str:
        """Return the address by which the container reaches the host; empty if it cannot."""
        if self.host is not None:
            return self.host
        subnets = [subnet for place in self.places for subnet in place.network.subnets]
        return next((subnet["gateway"] for subnet in subnets if "gateway" in subnet), "")

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
        make_directory(self.directory)
        for place in self.places:
            sweeping.sweep(self.directory, place.network)
        links, elements = Netlink.open(ROUTE), Netlink.open(NETFILTER)
        lock = f"{self.directory}/.lock".encode("utf-8", "surrogateescape")
        network = Network(lock, firewall.TABLE, links.fileno(), elements.fileno())
        inside = posix.open(namespace, posix.O_RDONLY | posix.O_CLOEXEC)
        try:
            network.ports = _reserve(self.ports)
            self._connect(network, links, elements, inside)
            for place in self.places:
                self._tell(network, place, pid, start_time)
            forward(self.places)
        except BaseException as error:
            network.end()
            links.detach()
            elements.detach()
            if isinstance(error, OSError):
                raise OCIRuntimeError(f"network: {(error.strerror or str(error)).lower()}") from error
            raise
        finally:
            posix.close(inside)
        links.detach()
        elements.detach()
        return network

    def _connect(self, network: Network, links: Netlink, elements: Netlink, inside: int) -> None:
        lock = posix.open(network.lock, posix.O_RDWR | posix.O_CREAT | posix.O_CLOEXEC, 0o600)
        there = None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            added: list[Element] = []
            for place in self.places:
                index = _bridge(links, place.network)
                of_network = firewall.of_network(place.network) if self.has_firewall else []
                network.bridges.append(Bridge(index, of_network))
                added += of_network
                mac = place.place["mac"].replace(":", "").replace("-", "")
                address = bytes.fromhex(mac) if mac else _mac(firewall.pack(place.addresses[0]))
                mtu = int(place.network.options.get("mtu", 0))
                route.add_veth(links, index, inside, place.place["interface"], address, mtu=mtu)
            there = _socket_inside(inside)
            for number, place in enumerate(self.places):
                network.links.append(_configure(there, place, is_first=number == 0))
            # A container may reach itself by its published port.
            for error in links.send([route.let_turn_back(index) for index in network.links]).values():
                raise error
            network.elements = self._published()
            if self.has_firewall:
                firewall.add(elements, added + network.elements)
        finally:
            posix.close(lock)
            if there is not None:
                there.close()

    def _published(self) -> list[Element]:
        """Return the elements of the published ports: the first network that leads outwards has them."""
        for place in self.places if self.has_firewall else ():
            if not place.network.internal:
                return firewall.of_ports(self.ports, [firewall.pack(address) for address in place.addresses])
        return []

    def _tell(self, network: Network, place: Attachment, pid: int, start_time: int) -> None:
        """Write the file by which others know of the container (see architecture.md)."""
        directory = f"{self.directory}/{place.network.name}"
        make_directory(directory)
        path = f"{directory}/{self.container}".encode("utf-8", "surrogateescape")
        known_as = [*self.names, *place.place["aliases"]]
        entry = names.Entry(
            pid, start_time, place.addresses, known_as, marshal.dumps((network.elements, network.links))
        )
        names.write(path, entry)
        network.files.append(path)


def make_directory(path: str) -> None:
    """Make a directory of the runroot, if it is missing."""
    try:
        posix.mkdir(path, 0o700)
    except FileExistsError:
        pass


def _bridge(links: Netlink, network: Described) -> int:
    """Return the number of a network's bridge, made if it is missing."""
    link = route.find(links, network.interface)
    if link is not None:
        if link.kind != "bridge":
            raise OCIRuntimeError(f"network {network.name}: interface {network.interface} is no bridge")
        return link.index
    gateways = [_prefixed(subnet["gateway"], subnet["subnet"]) for subnet in network.subnets if "gateway" in subnet]
    own = _mac(gateways[0][0] if gateways else network.id.encode()[:4])
    index = route.add_bridge(links, network.interface, own, mtu=int(network.options.get("mtu", 0)))
    _set(f"ipv6/conf/{network.interface}/accept_ra", "0")  # a container must not tell the host its routes
    _set(f"ipv4/conf/{network.interface}/route_localnet", "1")  # for published ports at 127.0.0.1
    messages = [route.address(index, packed, prefix, _broadcast(packed, prefix)) for packed, prefix in gateways]
    for error in links.send(messages).values():
        raise error
    return index


def _socket_inside(inside: int) -> Netlink:
    here = namespace.enter(inside)
    try:
        return Netlink.open(ROUTE)
    finally:
        namespace.leave(here)


def _configure(there: Netlink, place: Attachment, *, is_first: bool) -> int:
    """Give an interface its addresses and routes; return the number of its other end."""
    link = route.find(there, place.place["interface"])
    if link is None:
        raise OSError(ENOENT, posix.strerror(ENOENT))
    subnets = place.network.subnets
    messages: list[Message] = []
    routes: list[Message] = []
    metric = int(place.network.options.get("metric", _METRIC))
    for address in place.addresses:
        subnet = next(subnet for subnet in subnets if (":" in subnet["subnet"]) == (":" in address))
        packed, prefix = _prefixed(address, subnet["subnet"])
        messages.append(route.address(link.index, packed, prefix, _broadcast(packed, prefix)))
        if "gateway" in subnet and not place.network.internal and "no_default_route" not in place.network.options:
            order = metric if is_first else metric + link.index
            routes.append(route.route(link.index, firewall.pack(subnet["gateway"]), metric=order))
    for each in place.network.document.get("routes") or []:
        destination, prefix = _prefixed(each["destination"].partition("/")[0], each["destination"])
        gateway = firewall.pack(each["gateway"])
        routes.append(route.route(link.index, gateway, destination, prefix, each.get("metric") or metric))
    for error in there.send([*messages, route.set_up(link.index), *routes]).values():
        if error.errno != EEXIST:
            raise error
    return link.peer


def _prefixed(address: str, subnet: str) -> tuple[bytes, int]:
    return firewall.pack(address), int(subnet.rpartition("/")[2])


def _mac(packed: bytes) -> bytes:
    """Return a locally administered address of an IP address, always the same: no neighbour keeps a stale one."""
    return b"\x6a\x70" + packed[-4:]


def _broadcast(packed: bytes, prefix: int) -> bytes:
    if len(packed) == 16 or prefix > 30:
        return b""
    return (int.from_bytes(packed, "big") | (1 << (32 - prefix)) - 1).to_bytes(4, "big")


def _set(name: str, value: str) -> None:
    """Set a parameter of the kernel's network; a kernel without IPv6 has none of its."""
    try:
        fd = posix.open(f"/proc/sys/net/{name}", posix.O_WRONLY | posix.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        posix.write(fd, value.encode())
    finally:
        posix.close(fd)


def forward(places: list[Attachment]) -> list[str]:
    """Let the host pass packets on, if these networks lead outwards; return what was switched on."""
    done = []
    subnets = [subnet["subnet"] for place in places if not place.network.internal for subnet in place.network.subnets]
    for name, wanted in (
        ("ipv4/ip_forward", any(":" not in subnet for subnet in subnets)),
        ("ipv6/conf/all/forwarding", any(":" in subnet for subnet in subnets)),
    ):
        if not wanted:
            continue
        try:
            with open(f"/proc/sys/net/{name}", encoding="ascii") as file:
                if file.read().strip() != "0":
                    continue
        except FileNotFoundError:
            continue
        _set(name, "1")
        done.append("net." + name.replace("/", "."))
    return done


def _reserve(mappings: list[dict[str, Any]]) -> list[int]:
    """Bind the published ports, so that nobody else gets them, and return the sockets' descriptors."""
    found: list[int] = []
    try:
        for mapping in mappings:
            for protocol in mapping["protocol"].split(","):
                for offset in range(mapping["range"]):
                    found += _bind(mapping["host_ip"], mapping["host_port"] + offset, protocol)
    except BaseException:
        for fd in found:
            posix.close(fd)
        raise
    return found


def _bind(host: str, port: int, protocol: str) -> list[int]:
    address = host or "::"
    family = _socket.AF_INET6 if ":" in address else _socket.AF_INET
    kind = _socket.SOCK_DGRAM if protocol == "udp" else _socket.SOCK_STREAM
    try:
        end = _socket.socket(family, kind | _socket.SOCK_CLOEXEC, _IPPROTO_SCTP if protocol == "sctp" else 0)
    except OSError:  # a kernel without that
        return _bind("0.0.0.0", port, protocol) if not host else []
    try:
        if family == _socket.AF_INET6:
            end.setsockopt(_socket.IPPROTO_IPV6, _IPV6_V6ONLY, 1 if host else 0)
        if protocol == "tcp":
            end.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        end.bind((address, port))
        if protocol == "tcp":
            # A port that nobody listened on is given to all who say SO_REUSEADDR, and most do.
            end.listen(0)
            end.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 0)
            end.shutdown(_socket.SHUT_RDWR)  # what comes while our rules are flushed is refused, and hangs not
    except OSError as error:
        end.close()
        shown = f"[{address}]" if ":" in address and host else host or "0.0.0.0"
        reason = (error.strerror or "").lower()
        raise OCIRuntimeError(
            f"cannot listen on the {protocol.upper()} port: {shown}:{port}: bind: {reason}"
        ) from error
    return [end.detach()]
