"""The devices of networks: the bridge of one, and a container's device on it, with its addresses and routes."""

from __future__ import annotations

import posix
from errno import EEXIST, ENODEV

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

# That of a device of the host's own network is lower: it is the better way there.
_METRIC = {"bridge": 100}
_METRIC_OF_SUBLINK = 99


def bridge(links: Netlink, network: Network) -> route.Link:
    """Return a network's bridge, made if it is missing."""
    link = route.find(links, network.interface)
    if link is None and not network.is_managed:
        raise OCIRuntimeError(
            f"in unmanaged mode, the bridge must already exist on the host: interface {network.interface}: no such"
            " device"
        )
    if link is not None and link.kind != "bridge":
        raise OCIRuntimeError(
            f"bridge interface {network.interface} already exists but is a {link.kind or 'physical'} interface"
        )
    gateways = [_prefixed(subnet["gateway"], subnet["subnet"]) for subnet in network.subnets if "gateway" in subnet]
    if link is None:
        own = mac_of(gateways[0][0] if gateways else network.id.encode()[:4])
        index = route.add_bridge(
            links, network.interface, own, mtu=_mtu(links, network), vlan="vlan" in network.options
        )
        if "vrf" in network.options:
            _put_into(links, index, network.options["vrf"])
        set_parameter(f"ipv6/conf/{network.interface}/accept_ra", "0")  # a container must not tell the host its routes
        # Until its own address was known to be nobody else's, it could not ask where containers are.
        set_parameter(f"ipv6/conf/{network.interface}/accept_dad", "0")
        set_parameter(f"ipv4/conf/{network.interface}/route_localnet", "1")  # for published ports at 127.0.0.1
        link = route.find(links, network.interface)
        if link is None:
            raise OSError(ENODEV, posix.strerror(ENODEV))
    if network.is_managed:
        # Also if it was there: whoever was about to make it may have been killed.
        addresses = [
            route.address(link.index, packed, prefix, _broadcast(packed, prefix)) for packed, prefix in gateways
        ]
        _all(links, addresses)
        if any(len(packed) == 16 for packed, _ in gateways):
            _all(links, [route.loopback_from(link.index)])  # for published ports at ::1
    if "vlan" in network.options:
        _all(links, [route.filter_vlans(link.index)])
    return link


def _mtu(links: Netlink, network: Network) -> int:
    """Return the MTU of a new bridge: as asked for, else that of the way out of the host."""
    if "mtu" in network.options:
        return int(network.options["mtu"])
    way = route.default_device(links)
    return way.mtu if way is not None else 0


def _put_into(links: Netlink, index: int, name: str) -> None:
    vrf = route.find(links, name)
    if vrf is None or vrf.kind != "vrf":
        raise OCIRuntimeError(f"vrf {name} does not exist" if vrf is None else f"interface {name} is no vrf")
    _all(links, [route.enslave(index, vrf.index)])


def join(links: Netlink, to: route.Link, inside: int, place: Attachment) -> None:
    """Give a container's network namespace (its fd) a device that leads to a bridge."""
    name = place.place["interface"]
    try:
        route.add_veth(links, to.index, inside, name, place.mac, mtu=int(place.network.options.get("mtu", to.mtu)))
    except OSError as error:
        if error.errno == EEXIST:
            raise OCIRuntimeError(
                f"create veth pair: interface {name} already exists on container namespace: file exists"
            ) from error
        raise


def settle_port(links: Netlink, port: int, network: Network) -> None:
    """Set what the host's end of a container's device (its number) is to have."""
    if "vlan" in network.options:
        route.tag_port(links, port, int(network.options["vlan"]))
    # A container may reach itself by its published port.
    _all(links, [route.let_turn_back(port)])


def add_sublink(links: Netlink, there: Netlink, inside: int, place: Attachment) -> None:
    """Give a container's network namespace (its fd, and a socket in it) a macvlan or ipvlan device of the host's."""
    network, name = place.network, place.place["interface"]
    parent = route.find(links, network.interface) if network.interface else route.default_device(links)
    if parent is None:
        raise OCIRuntimeError(
            f"parent interface {network.interface} does not exist"
            if network.interface
            else "failed to get default route interface: there is no default route"
        )
    try:
        try:
            _make_sublink(links, parent, inside, place, name)
        except OSError as error:
            if error.errno != EEXIST:
                raise
            # Most kernels make it on the host first, where the name may be in use.
            temporary = f"new{name}"[: route.LONGEST_NAME]
            _remove(there, temporary)
            _make_sublink(links, parent, inside, place, temporary)
            made = route.find(there, temporary)
            for refused in there.send([route.rename(made.index, name)] if made is not None else []).values():
                _remove(there, temporary)
                raise refused from None
    except OSError as error:
        reason = posix.strerror(error.errno or 0).lower()
        raise OCIRuntimeError(f"create {network.driver} interface: {reason}") from error


def _make_sublink(links: Netlink, parent: route.Link, inside: int, place: Attachment, name: str) -> None:
    options, kind = place.network.options, place.network.driver
    cutoff = int(options["bclim"]) if "bclim" in options else None
    route.add_sublink(
        *(links, kind, options.get("mode", ""), parent.index, inside, name, place.mac),
        mtu=int(options.get("mtu", 0)),
        cutoff=cutoff,
    )


def _remove(there: Netlink, name: str) -> None:
    link = route.find(there, name)
    if link is not None:
        there.send([route.delete(link.index)])


def configure(there: Netlink, link: route.Link, place: Attachment, *, is_first: bool) -> None:
    """Give a container's device its addresses and routes, and set it up."""
    subnets = place.network.subnets
    messages: list[Message] = []
    routes: list[Message] = []
    metric = int(place.network.options.get("metric", _METRIC.get(place.network.driver, _METRIC_OF_SUBLINK)))
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
