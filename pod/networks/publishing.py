"""What --publish, --publish-all and --expose say, as the configuration's `ports` has it; ports of the host's choice.

Source: podman-run(1); the words of mistakes are podman's.
"""

from __future__ import annotations

from pod.errors import PodError
from pod.networks import subnets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    Mapping = dict[str, Any]

PROTOCOLS = ("tcp", "udp", "sctp")
_TRIES = 100


def parse(text: str) -> Mapping:
    """Return the mapping of [[IP:][HOSTPORT]:]PORT[/PROTOCOL]; host_port 0 is for one of the host's choice."""
    words, protocol = _without_protocol(text)
    host_ip, host, container = _split(words)
    first, count = _range(container, "container")
    mapping = {"host_ip": _address(host_ip), "container_port": first, "host_port": 0, "range": count}
    if host:
        mapping["host_port"], length = _range(host, "host")
        if length != count:
            raise PodError(f"host and container port ranges have different lengths: {length} vs {count}")
    return {**mapping, "protocol": protocol}


def _without_protocol(text: str) -> tuple[str, str]:
    words, *protocols = text.split("/")
    if len(protocols) > 1:
        raise PodError("invalid port format - protocol can only be specified once")
    protocol = protocols[0].lower() if protocols else "tcp"
    if not protocol:
        raise PodError("must provide a non-empty protocol to publish")
    if any(one not in PROTOCOLS for one in protocol.split(",")):
        raise PodError(f'unrecognized protocol "{protocol}" in port mapping')
    return words, protocol


def _split(text: str) -> tuple[str, str, str]:
    """Return address, port of the host, and port of the container."""
    head, bracket, rest = text.partition("]")
    if bracket:
        if not head.startswith("["):
            raise PodError("invalid port format - IPv6 addresses must be enclosed by []")
        if not rest.startswith(":"):
            raise PodError("invalid port format - IPv6 address must be followed by a colon (':')")
        parts = rest[1:].split(":")
        if len(parts) < 2:
            raise PodError("invalid port format - must provide host and destination port if specifying an IP")
        if len(parts) > 2:
            raise PodError("invalid port format - when v6 address specified, must be [ipv6]:hostPort:ctrPort")
        return head[1:], parts[0], parts[1]
    parts = text.split(":")
    if len(parts) > 3:
        raise PodError("invalid port format - format is [[hostIP:]hostPort:]containerPort")
    if len(parts) == 3 and not parts[0]:
        raise PodError("must provide a non-empty container host IP to publish")
    host_ip, host, container = [""] * (3 - len(parts)) + parts
    return host_ip, host, container


def _address(text: str) -> str:
    if not text or text == "0.0.0.0":
        return ""
    try:
        return subnets.normal(text)
    except ValueError:
        raise PodError(f'cannot parse "{text}" as an IP address') from None


def _range(text: str, what: str) -> tuple[int, int]:
    if not text:
        raise PodError("must provide a non-empty container port to publish")
    first, dash, last = text.partition("-")
    if "-" in last:
        raise PodError(f"parsing {what} port: invalid port format - port ranges are formatted as startPort-stopPort")
    if not first:
        raise PodError(f"parsing {what} port: port numbers cannot be negative")
    if dash and not last:
        raise PodError(f"parsing {what} port: must provide ending number for port range")
    start = _number(first, what)
    if not dash:
        return start, 1
    end = _number(last, what)
    if end <= start:
        raise PodError(
            f"parsing {what} port: the end port of a range must be higher than the start port -"
            f" {end} is not higher than {start}"
        )
    return start, end - start + 1


def _number(text: str, what: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise PodError(f'parsing {what} port: invalid port number: strconv.Atoi: parsing "{text}": invalid syntax')
    if not 0 < int(text) <= 0xFFFF:
        raise PodError(f"parsing {what} port: port numbers must be between 1 and 65535 (inclusive), got {int(text)}")
    return int(text)


def exposed(text: str) -> tuple[int, int, str]:
    """Return first port, how many, and protocol of PORT[-PORT][/PROTOCOL] (--expose, EXPOSE)."""
    words, _, protocol = text.partition("/")
    protocol = protocol.lower() or "tcp"
    first, dash, last = words.partition("-")
    for number in (first, last) if dash else (first,):
        if not (number.isascii() and number.isdecimal()) or int(number) > 0xFFFF:
            problem = "value out of range" if number.isdecimal() else "invalid syntax"
            raise PodError(
                f'invalid range format for --expose: {words}: strconv.ParseUint: parsing "{number}": {problem}'
            )
    start, end = int(first), int(last or first)
    if end < start:
        raise PodError(f"invalid range format for --expose: {words}: Invalid range specified for the Port: {words}")
    if protocol not in PROTOCOLS:
        raise PodError(
            f'validating protocols for exposed port {start}: unrecognized protocol "{protocol}" in port mapping'
        )
    return start, end - start + 1, protocol


def settle(ports: list[Mapping], expose: Iterable[tuple[int, int, str]], *, publish_all: bool) -> list[Mapping]:
    """Return all mappings, each of one protocol and with a port of the host. Raises PodError for two that collide."""
    found = [{**one, "protocol": protocol} for one in ports for protocol in dict.fromkeys(one["protocol"].split(","))]
    if publish_all:
        there = {(one["container_port"] + number, one["protocol"]) for one in found for number in range(one["range"])}
        for first, count, protocol in expose:
            for port in range(first, first + count):
                if (port, protocol) not in there:
                    there.add((port, protocol))
                    free = {"host_ip": "", "container_port": port, "host_port": 0, "range": 1, "protocol": protocol}
                    found.append(free)
    unique = list({tuple(one.items()): one for one in found}.values())
    _check(unique)
    for one in unique:
        if not one["host_port"]:
            one["host_port"] = _random(one, unique)
    return _joined(unique)


def _joined(ports: list[Mapping]) -> list[Mapping]:
    """Return mappings of which those that go on, or overlap, are one: 8080->80 and 8081->81 are 8080-8081->80-81."""
    groups: dict[tuple[str, str], list[Mapping]] = {}
    for one in ports:
        groups.setdefault((one["host_ip"], one["protocol"]), []).append(one)
    found: list[Mapping] = []
    for group in groups.values():
        last = None
        for one in sorted(group, key=lambda one: (one["container_port"], one["host_port"])):
            if last and _goes_on(last, one):
                end = one["container_port"] + one["range"]
                last["range"] = max(last["range"], end - last["container_port"])
            else:
                last = {**one}
                found.append(last)
    return found


def _goes_on(first: Mapping, second: Mapping) -> bool:
    distance: int = second["container_port"] - first["container_port"]
    return bool(distance <= first["range"] and second["host_port"] - first["host_port"] == distance)


def _check(ports: list[Mapping]) -> None:
    """Raise PodError if one port of the host is to lead to two of the container."""
    there: dict[tuple[str, int, str], int] = {}
    for one in ports:
        for number in range(one["range"] if one["host_port"] else 0):
            host, container = one["host_port"] + number, one["container_port"] + number
            if there.setdefault((one["host_ip"], host, one["protocol"]), container) != container:
                raise PodError(f"conflicting port mappings for host port {host} (protocol {one['protocol']})")


def _random(mapping: Mapping, others: list[Mapping]) -> int:
    """Return the first of as many ports of the host as the mapping wants, which nobody has now."""
    for _ in range(_TRIES):
        first = is_free(mapping["host_ip"], 0, mapping["protocol"])
        wanted = range(first, first + mapping["range"])
        if not first or wanted[-1] > 0xFFFF or any(_meets(wanted, other) for other in others):
            continue
        if all(is_free(mapping["host_ip"], port, mapping["protocol"]) for port in wanted):
            return first
    raise PodError(
        "failed to find an open port to expose container port "
        f"{mapping['container_port']} with range {mapping['range']} on the host"
    )


def _meets(ports: range, other: Mapping) -> bool:
    first = other["host_port"]
    return bool(first) and ports[0] < first + other["range"] and first <= ports[-1]


def is_free(host_ip: str, port: int, protocol: str) -> int:
    """Return a port of the host that nobody listens on: this one, or any for 0; 0 if somebody does."""
    try:
        return bind(host_ip, port, protocol)
    except OSError:
        return 0


def bind(host_ip: str, port: int, protocol: str) -> int:
    """Bind a socket to a port of the host, any for 0, give it back, and return its number. Raises OSError."""
    from _socket import (
        AF_INET,
        AF_INET6,
        IPPROTO_SCTP,
        SO_REUSEADDR,
        SOCK_CLOEXEC,
        SOCK_DGRAM,
        SOCK_STREAM,
        SOL_SOCKET,
        socket,
    )

    family = AF_INET6 if ":" in host_ip else AF_INET
    kind = SOCK_DGRAM if protocol == "udp" else SOCK_STREAM
    try:
        end = socket(family, kind | SOCK_CLOEXEC, IPPROTO_SCTP if protocol == "sctp" else 0)
    except OSError:
        return port or 49152  # the kernel has no such protocol yet: nobody can have the port
    try:
        if protocol != "udp":
            end.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)  # connections that linger are no listener
        end.bind((host_ip, port))
        return int(end.getsockname()[1])
    finally:
        end.close()
