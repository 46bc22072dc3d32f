"""A container's connection by a pasta(1) of its own: what that is told, and what the container sees of it.

Source: podman-run(1), --network pasta; pasta(1). Since 2024 pasta can give the container an address that stands for the
host (`--map-guest-addr`). With one that cannot, the container has an address other than the host's, as it has with
slirp4netns: then the host's own address leads to the host, and not back to the container. Nor are its published ports
left to such a pasta: that of Debian 12 does not complete the handshake of a connection from outside before the client
has said something, so that no server may speak first.
"""

from __future__ import annotations

import posix
from errno import EEXIST

from pod.containers.inside import files
from pod.errors import PodError
from pod.networks import choice, reserving
from runtime.errors import OCIRuntimeError
from runtime.monitor import pasta

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pod.engine import Engine
    from pod.state import Container
    from runtime.publisher.process import Publisher

FORWARDER = "169.254.1.1"  # forwards questions for names to the host's DNS server
HOST = "169.254.1.2"  # stands for the host
OWN, _PREFIX, _GATEWAY = "10.0.2.100", "24", "10.0.2.2"
_MAP_HOST = "--map-guest-addr"
_ADDRESS = ("-a", "--address")
# Who says one of these has ideas of his own on the container's addresses.
_ADDRESSING = {*_ADDRESS, "-n", "--netmask", "-g", "--gateway", "-6", "--ipv6-only"}
_INTERFACE = {"-i", "--interface", "--outbound-if4"}
_PORTS = {"tcp": ("-t", "--tcp-ports"), "udp": ("-u", "--udp-ports")}
_NUMBERS = {"tcp": 6, "udp": 17}
_TABLE = 100
_OF_CONTAINER = (("-T", "--tcp-ns"), ("-U", "--udp-ns"))
_DUPLICATES = "net.ipv6.conf.default.accept_dad"
_LOUD = {"-d", "--debug", "--trace", "-l", "--log-file"}


class Connector:
    """What the monitor is to connect: a pasta's program, its options, and the ports that it is not to forward itself.

    `arguments` are what `arguments` returns for these options.
    """

    def __init__(
        self, program: str, options: list[str], arguments: list[str], ports: list[dict[str, Any]] | None = None
    ) -> None:
        self.program = program
        self.options = options
        self.arguments = arguments
        self.ports = ports or []

    @property
    def reach(self) -> files.Reach:
        """How the container is reached, for its files."""
        host = values(self.arguments, _MAP_HOST)
        here = files.host_address()
        addresses = values(self.arguments, *_ADDRESS) if here or _names(self.options) & {*_ADDRESS} else []
        if not addresses and not _names(self.options) & _INTERFACE:
            addresses = [here] if here else []
        if not host and here not in addresses:
            host = [here]
        addresses = [address.partition("/")[0] for address in addresses]
        forwarder = next(iter(values(self.arguments, "--dns-forward")), "")
        return files.Reach(addresses, [], host[0].replace("none", "") if host else "", forwarder=forwarder)

    def resolver(self) -> None:
        """Return what the container's resolver is to know: there is none."""

    def connect(self, pid: int, start_time: int, namespace: str) -> pasta.Pasta:
        """Connect the network namespace (a path) of a process, and return what is to be ended with it.

        Raises OCIRuntimeError; then nothing is left.
        """
        try:
            inside = posix.open(namespace, posix.O_RDONLY | posix.O_CLOEXEC)
            try:
                return self._connect(inside)
            finally:
                posix.close(inside)
        except OSError as error:
            raise OCIRuntimeError(f"network: {(error.strerror or str(error)).lower()}") from error

    def _connect(self, inside: int) -> pasta.Pasta:
        sockets = reserving.listen(self.ports) if self.ports else []
        try:
            connection = pasta.start(self.program, self.arguments, inside)
            try:
                if sockets:
                    connection.published = _publish(self.ports, sockets, inside)
                    sockets = []
            except BaseException:
                connection.end()
                raise
            return connection
        except OCIRuntimeError as error:
            raise OCIRuntimeError(str(error), hint=error.hint or _mend(str(error))) from error
        finally:
            for fd, _port in sockets:
                posix.close(fd)


def of(engine: Engine, container: Container) -> Connector:
    """Return what connects a container that is about to start. Raises PodError if there is no pasta (127)."""
    program = choice.program("pasta")
    if not program:
        raise PodError(
            choice.NO_PASTA,
            hint="install it (the package passt), or do without: --network none",
            code=127,
        )
    config = container.config
    options = [*map(str, engine.config.network.get("pasta_options") or []), *config["network"]["pasta"]]
    is_new = maps_host(program)
    told = arguments(options, config["ports"], maps_host=is_new, forwards=files.asks_itself())
    return Connector(program, options, told, [] if is_new else config["ports"])


def sysctls() -> dict[str, str]:
    """Return what is set in the namespace: its own IPv6 address serves at once, as nobody else is there to have it."""
    return {_DUPLICATES: "0"} if posix.access(f"/proc/sys/{_DUPLICATES.replace('.', '/')}", posix.F_OK) else {}


def arguments(options: list[str], ports: list[dict[str, Any]], *, maps_host: bool, forwards: bool) -> list[str]:
    """Return the command line that podman gives pasta, for these options of the user (pure); an old one gets no ports.

    `maps_host` tells whether this pasta can give the container an address that stands for the host, `forwards` whether
    questions for names are to be forwarded: not without need, for then the version of 2023 has answers of the host's
    first server come from FORWARDER, even to who has asked that server. Raises PodError for a protocol that pasta does
    not forward.
    """
    named = _names(options)
    found = ["--config-net", *(option for option in options if option != "--map-gw")]
    if not maps_host and not named & _ADDRESSING:
        found += ["--address", OWN, "--netmask", _PREFIX, "--gateway", _GATEWAY]
    published = [word for one in ports for word in _published(one)]
    if maps_host:
        found += published
    if forwards and "--dns-forward" not in named:
        found += ["--dns-forward", FORWARDER]
    there = _names(found)
    for short, long in (*_PORTS.values(), *_OF_CONTAINER):
        if short not in there and long not in there:
            found += [short, "none"]
    if "--map-gw" not in named:
        found.append("--no-map-gw")
    if not named & _LOUD:
        found.append("--quiet")
    if maps_host and _MAP_HOST not in named:
        found += [_MAP_HOST, HOST]
    return found


def _published(one: dict[str, Any]) -> list[str]:
    if one["protocol"] not in _PORTS:
        raise PodError(f"can't forward protocol: {one['protocol']}")
    address = f"{one['host_ip']}/" if one["host_ip"] else ""
    host, inside = (f"{first}-{first + one['range'] - 1}" for first in (one["host_port"], one["container_port"]))
    return [_PORTS[one["protocol"]][0], f"{address}{host}:{inside}"]


def _publish(ports: list[dict[str, Any]], sockets: list[tuple[int, int]], inside: int) -> Publisher:
    """Have a process pass on what comes to sockets (see reserving.listen), which are its own then. Raises OSError."""
    from runtime.netlink.namespace import carry_out
    from runtime.publisher import start

    addresses = carry_out(inside, lambda: _let_answers_return(ports))
    return start.start(sockets, (addresses, []), inside)


def _let_answers_return(ports: list[dict[str, Any]]) -> list[str]:
    """Have answers from published ports stay in this network namespace; return the addresses that it has.

    Who passes the questions on poses as the clients there, so that the container sees who asks.
    """
    from pod.networks import subnets
    from runtime.netlink import route
    from runtime.netlink.message import ROUTE, Netlink

    links = Netlink.open(ROUTE)
    try:
        loopback = route.find(links, "lo")
        assert loopback is not None
        found = route.addresses(links)
        for family, length in ((route.AF_INET, 4), (route.AF_INET6, 16)):
            # Without a source, answers of a socket that is bound to no address would come from whom they are for.
            source = next((packed for packed in found if len(packed) == length), b"")
            messages = [route.local_route(family, loopback.index, _TABLE, source)]
            for one in ports:
                last = one["container_port"] + one["range"] - 1
                number = _NUMBERS[one["protocol"]]
                messages.append(route.rule_of_ports(family, number, one["container_port"], last, _TABLE))
            errors = links.send(messages)
            # Two ports of the host may lead to one of the container; a kernel without IPv6 says so.
            wrong = [error for error in errors.values() if error.errno != EEXIST]
            if wrong and family == route.AF_INET:
                raise wrong[0]
        written = [subnets.written(len(packed) * 8, int.from_bytes(packed, "big")) for packed in found]
        return written or ["127.0.0.1"]
    finally:
        links.close()


def values(words: list[str], *names: str) -> list[str]:
    """Return the values that options of these names have on a command line: "NAME VALUE", or "NAME=VALUE"."""
    found = [words[number + 1] for number, word in enumerate(words[:-1]) if word in names]
    return found + [word.partition("=")[2] for word in words if "=" in word and word.partition("=")[0] in names]


def _names(words: list[str]) -> set[str]:
    return {word.partition("=")[0] for word in words}


def maps_host(program: str) -> bool:
    """Tell whether a pasta can give the container an address that stands for the host, as it can since August 2024.

    The program's help text tells it; not every build tells its version.
    """
    try:
        with open(program, "rb", buffering=0) as file:
            return _MAP_HOST[2:].encode() in file.read()
    except OSError:
        return False


def _mend(message: str) -> str:
    """Return what mends a failure of pasta, by what it said; empty if we do not know."""
    if "tun" in message:
        return f"every user must be able to open {choice.TUN}: {choice.tun_mend(choice.TUN)}"
    if "xternal interface" in message or "external routable" in message:
        return "the host has no default route; name an interface (--network pasta:-i,NAME), or say --network none"
    return ""
