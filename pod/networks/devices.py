"""The devices of a bridge network: the bridge, and a container's device that leads there, with its addresses."""

from __future__ import annotations

import posix
from errno import EEXIST

from pod.networks.firewall import pack
from pod.networks.network import mac_of
from runtime.errors import OCIRuntimeError
from runtime.netlink import route

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pod.networks.network import Attachment, Network
    from runtime.netlink.message import Netlink
    from runtime.netlink.route import Message

_METRIC = 100


def bridge(links: Netlink, network: Network) -> int:
    """Return the number of a network's bridge, made if it is missing."""
    link = route.find(links, network.interface)
    if link is not None:
        if link.kind != "bridge":
            raise OCIRuntimeError(
                f"bridge interface {network.interface} already exists but is a {link.kind or 'physical'} interface"
            )
        index = link.index
    gateways = [_prefixed(subnet["gateway"], subnet["subnet"]) for subnet in network.subnets if "gateway" in subnet]
    if link is None:
        own = mac_of(gateways[0][0] if gateways else network.id.encode()[:4])
        index = route.add_bridge(links, network.interface, own, mtu=int(network.options.get("mtu", 0)))
        set_parameter(f"ipv6/conf/{network.interface}/accept_ra", "0")  # a container must not tell the host its routes
        set_parameter(f"ipv4/conf/{network.interface}/route_localnet", "1")  # for published ports at 127.0.0.1
    # Also if it is there: whoever was about to make it may have been killed.
    _all(links, [route.address(index, packed, prefix, _broadcast(packed, prefix)) for packed, prefix in gateways])
    return index


def join(links: Netlink, index: int, inside: int, place: Attachment) -> None:
    """Give a container's network namespace (its fd) a device that leads to a bridge (its number)."""
    name = place.place["interface"]
    try:
        route.add_veth(links, index, inside, name, place.mac, mtu=int(place.network.options.get("mtu", 0)))
    except OSError as error:
        if error.errno == EEXIST:
            raise OCIRuntimeError(
                f"create veth pair: interface {name} already exists on container namespace: file exists"
            ) from error
        raise


def configure(there: Netlink, link: route.Link, place: Attachment, *, is_first: bool) -> None:
    """Give a container's device its addresses and routes, and set it up."""
    subnets = place.network.subnets
    messages: list[Message] = []
    routes: list[Message] = []
    metric = int(place.network.options.get("metric", _METRIC))
    for address in place.addresses:
        subnet = next(subnet for subnet in subnets if (":" in subnet["subnet"]) == (":" in address))
        packed, prefix = _prefixed(address, subnet["subnet"])
        messages.append(route.address(link.index, packed, prefix, _broadcast(packed, prefix)))
        if (
            "gateway" in subnet
            and not place.network.internal
            and place.network.options.get("no_default_route") != "true"
        ):
            order = metric if is_first else metric + link.index
            routes.append(route.route(link.index, pack(subnet["gateway"]), metric=order))
    for each in place.network.document.get("routes") or []:
        destination, prefix = _prefixed(each["destination"].partition("/")[0], each["destination"])
        routes.append(route.route(link.index, pack(each["gateway"]), destination, prefix, each.get("metric") or metric))
    _all(there, [*messages, route.set_up(link.index), *routes])


def _all(netlink: Netlink, messages: Iterable[Message]) -> None:
    """Send messages; that what they ask for is there already is no error."""
    for error in netlink.send([*messages]).values():
        if error.errno != EEXIST:
            raise error


def _prefixed(address: str, subnet: str) -> tuple[bytes, int]:
    return pack(address), int(subnet.rpartition("/")[2])


def _broadcast(packed: bytes, prefix: int) -> bytes:
    if len(packed) == 16 or prefix > 30:
        return b""
    return (int.from_bytes(packed, "big") | (1 << (32 - prefix)) - 1).to_bytes(4, "big")


def set_parameter(name: str, value: str) -> None:
    """Set a parameter of the kernel's network; a kernel without IPv6 has none of its."""
    try:
        fd = posix.open(f"/proc/sys/net/{name}", posix.O_WRONLY | posix.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        posix.write(fd, value.encode())
    finally:
        posix.close(fd)
