"""Links, addresses and routes by rtnetlink(7): what a bridge network of containers needs of them."""

from __future__ import annotations

import posix
import struct
import sys
from errno import ENODEV

from runtime.netlink.message import (
    NLM_F_ACK,
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_EXCL,
    attribute,
    attributes,
    nested,
    number,
    text,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.netlink.message import Netlink

    Message = tuple[int, int, bytes]

AF_INET, AF_INET6, AF_BRIDGE = 2, 10, 7
IFF_UP = 1
RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK, RTM_SETLINK = 16, 17, 18, 19
RTM_NEWADDR, RTM_GETADDR, RTM_NEWROUTE, RTM_GETROUTE = 20, 22, 24, 26
RTM_NEWRULE = 32
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_LINK, IFLA_MASTER, IFLA_LINKINFO, IFLA_NET_NS_FD = 1, 3, 4, 5, 10, 18, 28
IFLA_AF_SPEC = 26
IFLA_INFO_KIND, IFLA_INFO_DATA = 1, 2
_VETH_INFO_PEER = 1
_IFLA_PROTINFO, _IFLA_BRPORT_MODE = 12, 4
_IFLA_BR_VLAN_FILTERING = 7
_IFLA_BRIDGE_VLAN_INFO = 2
_VLAN_PVID_UNTAGGED = 2 | 4
_IFLA_MACVLAN_MODE, _IFLA_MACVLAN_BC_CUTOFF = 1, 9
_IFLA_IPVLAN_MODE = 1
MACVLAN_MODES = {"private": 1, "vepa": 2, "bridge": 4, "passthru": 8}
IPVLAN_MODES = {"l2": 0, "l3": 1, "l3s": 2}
_IFA_ADDRESS, _IFA_LOCAL, _IFA_BROADCAST, _IFA_FLAGS = 1, 2, 4, 8
_IFA_F_NODAD = 2
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_PREFSRC, _RTA_TABLE = 1, 4, 5, 6, 7, 15
_FRA_FWMARK, _FRA_TABLE, _FRA_FWMASK, _FR_ACT_TO_TBL = 10, 15, 16, 1
_FRA_IP_PROTO, _FRA_SPORT_RANGE = 22, 23
_RT_TABLE_UNSPEC, _RT_TABLE_MAIN, _RT_TABLE_LOCAL, _RTPROT_STATIC = 0, 254, 255, 4
_RTN_UNICAST, _RTN_LOCAL, _RTN_BLACKHOLE = 1, 2, 6
_RT_SCOPE_UNIVERSE, _RT_SCOPE_LINK, _RT_SCOPE_HOST = 0, 253, 254
_LAST = 2048  # a metric
LONGEST_NAME = 15  # of a device: IFNAMSIZ - 1


class Link:
    """A network device as the kernel tells of it."""

    __slots__ = ("address", "flags", "index", "kind", "master", "mtu", "name", "peer")

    def __init__(self, body: bytes) -> None:
        self.index: int
        self.flags: int
        self.index, self.flags = struct.unpack_from("=BxHiI", body)[2:4]
        found = attributes(body[16:])
        self.name = found.get(IFLA_IFNAME, b"").rstrip(b"\0").decode("utf-8", "surrogateescape")
        self.address = found.get(IFLA_ADDRESS, b"")
        self.mtu = _int(found.get(IFLA_MTU))
        self.master = _int(found.get(IFLA_MASTER))
        self.peer = _int(found.get(IFLA_LINK))  # of a veth its other end, of others what is below, as numbered there
        self.kind = attributes(found.get(IFLA_LINKINFO, b"")).get(IFLA_INFO_KIND, b"").rstrip(b"\0").decode()

    @property
    def is_up(self) -> bool:
        """Tell whether somebody has set it up."""
        return bool(self.flags & IFF_UP)


def _int(value: bytes | None) -> int:
    return int.from_bytes(value or b"", sys.byteorder)


def header(index: int = 0, *, flags: int = 0, change: int = 0, family: int = 0) -> bytes:
    """Return a struct ifinfomsg."""
    return struct.pack("=BxHiII", family, 0, index, flags, change)


def find(netlink: Netlink, name: str) -> Link | None:
    """Return the device of a name, or None."""
    try:
        answers = netlink.request(RTM_GETLINK, NLM_F_ACK, header() + text(IFLA_IFNAME, name))
    except OSError as error:
        if error.errno == ENODEV:
            return None
        raise
    return Link(answers[0][1])


def links(netlink: Netlink) -> list[Link]:
    """Return all devices."""
    return [Link(body) for kind, body in netlink.request(RTM_GETLINK, NLM_F_DUMP, header()) if kind == RTM_NEWLINK]


def ports(netlink: Netlink, bridge: int) -> list[Link]:
    """Return the devices that are ports of a bridge."""
    body = header() + number(IFLA_MASTER, bridge)
    found = [Link(body) for kind, body in netlink.request(RTM_GETLINK, NLM_F_DUMP, body) if kind == RTM_NEWLINK]
    return [link for link in found if link.master == bridge]  # an old kernel takes no notice of the wish


def add_bridge(netlink: Netlink, name: str, address: bytes, *, mtu: int = 0, vlan: bool = False) -> int:
    """Make a bridge that is up, and return its number.

    With an address of its own it keeps that, whatever ports come and go.
    """
    kind = [text(IFLA_INFO_KIND, "bridge")]
    if vlan:
        kind.append(nested(IFLA_INFO_DATA, attribute(_IFLA_BR_VLAN_FILTERING, b"\1")))
    body = header(flags=IFF_UP, change=IFF_UP) + text(IFLA_IFNAME, name) + attribute(IFLA_ADDRESS, address)
    body += _mtu(mtu) + nested(IFLA_LINKINFO, *kind)
    netlink.request(RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, body)
    link = find(netlink, name)
    if link is None:
        raise OSError(ENODEV, posix.strerror(ENODEV))
    return link.index


def add_veth(netlink: Netlink, bridge: int, namespace: int, name: str, address: bytes, *, mtu: int = 0) -> None:
    """Make a pair of devices: a port of the bridge that is up, and `name` in another network namespace (its fd), down.

    The name of the first is the kernel's choice.
    """
    peer = header() + text(IFLA_IFNAME, name) + number(IFLA_NET_NS_FD, namespace)
    peer += attribute(IFLA_ADDRESS, address) if address else b""
    kind = (text(IFLA_INFO_KIND, "veth"), nested(IFLA_INFO_DATA, nested(_VETH_INFO_PEER, peer + _mtu(mtu))))
    body = header(flags=IFF_UP, change=IFF_UP) + text(IFLA_IFNAME, "veth%d") + number(IFLA_MASTER, bridge)
    body += _mtu(mtu) + nested(IFLA_LINKINFO, *kind)
    netlink.request(RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, body)


def add_sublink(
    netlink: Netlink,
    kind: str,
    mode: str,
    parent: int,
    namespace: int,
    name: str,
    address: bytes = b"",
    mtu: int = 0,
    cutoff: int | None = None,
) -> None:
    """Make a macvlan or ipvlan device of `parent` in another network namespace (its fd); ValueError for no mode.

    `cutoff`: for how many receivers a macvlan delivers broadcasts at once, without a queue; -1 for any number.
    """
    if kind == "macvlan":
        data = number(_IFLA_MACVLAN_MODE, _mode(MACVLAN_MODES, kind, mode or "bridge"))
        if cutoff is not None:
            data += attribute(_IFLA_MACVLAN_BC_CUTOFF, struct.pack("=i", cutoff))
    else:
        data = attribute(_IFLA_IPVLAN_MODE, struct.pack("=H", _mode(IPVLAN_MODES, kind, mode or "l2")))
    body = header() + text(IFLA_IFNAME, name) + number(IFLA_LINK, parent) + number(IFLA_NET_NS_FD, namespace)
    body += (attribute(IFLA_ADDRESS, address) if address else b"") + _mtu(mtu)
    body += nested(IFLA_LINKINFO, text(IFLA_INFO_KIND, kind), nested(IFLA_INFO_DATA, data))
    netlink.request(RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, body)


def _mode(modes: dict[str, int], kind: str, mode: str) -> int:
    if mode not in modes:
        raise ValueError(f"unsupported {kind} mode {mode}")
    return modes[mode]


def _mtu(mtu: int) -> bytes:
    return number(IFLA_MTU, mtu) if mtu else b""


def tag_port(netlink: Netlink, index: int, vlan: int) -> None:
    """Put a port of a bridge that filters by VLAN into one: what comes in without a tag belongs to it."""
    info = struct.pack("=HH", _VLAN_PVID_UNTAGGED, vlan)
    body = header(index, family=AF_BRIDGE) + nested(IFLA_AF_SPEC, attribute(_IFLA_BRIDGE_VLAN_INFO, info))
    netlink.request(RTM_SETLINK, NLM_F_ACK, body)


def filter_vlans(index: int) -> Message:
    """Return the message that has a bridge tell VLANs apart."""
    data = nested(IFLA_INFO_DATA, attribute(_IFLA_BR_VLAN_FILTERING, b"\1"))
    return RTM_NEWLINK, NLM_F_ACK, header(index) + nested(IFLA_LINKINFO, text(IFLA_INFO_KIND, "bridge"), data)


def enslave(index: int, master: int) -> Message:
    """Return the message that puts a device below another one: a bridge, or a VRF."""
    return RTM_NEWLINK, NLM_F_ACK, header(index) + number(IFLA_MASTER, master)


def set_up(index: int) -> Message:
    """Return the message that sets a device up."""
    return RTM_NEWLINK, NLM_F_ACK, header(index, flags=IFF_UP, change=IFF_UP)


def set_down(index: int) -> Message:
    """Return the message that sets a device down: from then on nothing passes it."""
    return RTM_NEWLINK, NLM_F_ACK, header(index, change=IFF_UP)


def let_turn_back(index: int) -> Message:
    """Return the message that lets a port of a bridge send back what came in by it ("hairpin mode")."""
    port = nested(_IFLA_PROTINFO, attribute(_IFLA_BRPORT_MODE, b"\1"))
    return RTM_SETLINK, NLM_F_ACK, header(index, family=AF_BRIDGE) + port


def rename(index: int, name: str) -> Message:
    """Return the message that gives a device, which should be down, another name."""
    return RTM_NEWLINK, NLM_F_ACK, header(index) + text(IFLA_IFNAME, name)


def delete(index: int) -> Message:
    """Return the message that deletes a device; the kernel takes tens of milliseconds for it."""
    return RTM_DELLINK, NLM_F_ACK, header(index)


def address(index: int, packed: bytes, prefix: int, broadcast: bytes = b"") -> Message:
    """Return the message that gives a device an address, which is used at once (no duplicate address detection)."""
    family = AF_INET if len(packed) == 4 else AF_INET6
    body = struct.pack("=BBBBi", family, prefix, 0, _RT_SCOPE_UNIVERSE, index)
    body += attribute(_IFA_LOCAL, packed) + attribute(_IFA_ADDRESS, packed)
    if broadcast:
        body += attribute(_IFA_BROADCAST, broadcast)
    if family == AF_INET6:
        body += number(_IFA_FLAGS, _IFA_F_NODAD)
    return RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE, body


def route(index: int, gateway: bytes, destination: bytes = b"", prefix: int = 0, metric: int = 0) -> Message:
    """Return the message that adds a route by a gateway, or by the device alone: the default one if no destination."""
    family = AF_INET if len(gateway or destination) == 4 else AF_INET6
    scope = _RT_SCOPE_UNIVERSE if gateway or family == AF_INET6 else _RT_SCOPE_LINK
    body = struct.pack("=BBBBBBBBI", family, prefix, 0, 0, _RT_TABLE_MAIN, _RTPROT_STATIC, scope, _RTN_UNICAST, 0)
    if destination:
        body += attribute(_RTA_DST, destination)
    if gateway:
        body += attribute(_RTA_GATEWAY, gateway)
    body += number(_RTA_OIF, index)
    if metric:
        body += number(_RTA_PRIORITY, metric)
    return RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, body


def default_device(netlink: Netlink) -> Link | None:
    """Return the device of the default route, of IPv4 if there is one; None without."""
    found = []
    for family in (AF_INET, AF_INET6):
        body = struct.pack("=BBBBBBBBI", family, 0, 0, 0, 0, 0, 0, 0, 0)
        for kind, answer in netlink.request(RTM_GETROUTE, NLM_F_DUMP, body):
            prefix, table, route_type = answer[1], answer[4], answer[7]
            said = attributes(answer[12:])
            if kind == RTM_NEWROUTE and table == _RT_TABLE_MAIN and not prefix and route_type == _RTN_UNICAST:
                found.append((family, _int(said.get(_RTA_PRIORITY)), _int(said.get(_RTA_OIF))))
    index = min(found)[2] if found else 0
    return next((link for link in links(netlink) if link.index == index), None) if index else None


def addresses(netlink: Netlink) -> list[bytes]:
    """Return the addresses of all devices, packed, that are of use beyond their own network."""
    found = []
    for kind, answer in netlink.request(RTM_GETADDR, NLM_F_DUMP, struct.pack("=BBBBi", 0, 0, 0, 0, 0)):
        values = attributes(answer[8:])
        packed = values.get(_IFA_LOCAL) or values.get(_IFA_ADDRESS)
        if kind == RTM_NEWADDR and answer[3] == _RT_SCOPE_UNIVERSE and packed:
            found.append(packed)
    return found


def routes(netlink: Netlink, family: int) -> list[tuple[bytes, int]]:
    """Return the destinations of the main table, (address, length of the prefix) each, without the default route."""
    body = struct.pack("=BBBBBBBBI", family, 0, 0, 0, 0, 0, 0, 0, 0)
    found = []
    for kind, answer in netlink.request(RTM_GETROUTE, NLM_F_DUMP, body):
        prefix, table, route_type = answer[1], answer[4], answer[7]
        wanted = kind == RTM_NEWROUTE and table == _RT_TABLE_MAIN and prefix and route_type <= _RTN_BLACKHOLE
        destination = attributes(answer[12:]).get(_RTA_DST)
        if wanted and destination:
            found.append((destination, prefix))
    return found


def rule(family: int, mark: int, table: int) -> Message:
    """Return the message that has packets with a mark (a bit of it) routed by a table, see ip-rule(8)."""
    body = struct.pack("=BBBBBBBBI", family, 0, 0, 0, _RT_TABLE_UNSPEC, 0, 0, _FR_ACT_TO_TBL, 0)
    body += number(_FRA_FWMARK, mark) + number(_FRA_FWMASK, mark) + number(_FRA_TABLE, table)
    return RTM_NEWRULE, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, body


def rule_of_ports(family: int, protocol: int, first: int, last: int, table: int) -> Message:
    """Return the message that has packets of a protocol (IPPROTO_…) from source ports routed by a table."""
    body = struct.pack("=BBBBBBBBI", family, 0, 0, 0, _RT_TABLE_UNSPEC, 0, 0, _FR_ACT_TO_TBL, 0)
    body += attribute(_FRA_IP_PROTO, bytes((protocol,))) + attribute(_FRA_SPORT_RANGE, struct.pack("=HH", first, last))
    return RTM_NEWRULE, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, body + number(_FRA_TABLE, table)


def local_route(family: int, index: int, table: int, source: bytes = b"") -> Message:
    """Return the message that makes every destination in a table one of this host, asked from `source` (packed)."""
    body = struct.pack("=BBBBBBBBI", family, 0, 0, 0, _RT_TABLE_UNSPEC, _RTPROT_STATIC, _RT_SCOPE_HOST, _RTN_LOCAL, 0)
    body += number(_RTA_TABLE, table) + number(_RTA_OIF, index)
    body += attribute(_RTA_PREFSRC, source) if source else b""
    return RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, body


def loopback_from(index: int) -> Message:
    """Return the message that has answers to ::1 taken from a device, after connection tracking made them that.

    IPv6 has no route_localnet: who comes from a device with a loopback address as destination is looked for on that
    device alone. What has such an address on the wire is dropped all the same. The host's own way to ::1 comes first.
    """
    body = struct.pack(
        "=BBBBBBBBI", AF_INET6, 128, 0, 0, _RT_TABLE_LOCAL, _RTPROT_STATIC, _RT_SCOPE_UNIVERSE, _RTN_LOCAL, 0
    )
    body += attribute(_RTA_DST, b"\0" * 15 + b"\1") + number(_RTA_OIF, index) + number(_RTA_PRIORITY, _LAST)
    return RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, body
