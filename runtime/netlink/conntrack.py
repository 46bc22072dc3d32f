"""Connections that the kernel tracks: those of a port that lead elsewhere than they should are forgotten.

Without that, a client that keeps sending datagrams is passed on to where its port led at first, for ever. See
linux/netfilter/nfnetlink_conntrack.h.
"""

from __future__ import annotations

import struct
from errno import ENOENT

from runtime.netlink import nftables
from runtime.netlink.message import NLM_F_ACK, NLM_F_DUMP, attribute, attributes, nested, number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.netlink.message import Netlink

_GET, _DELETE = 1 << 8 | 1, 1 << 8 | 2  # of the subsystem for connections
_ORIGINAL, _REPLY, _ID, _ZONE, _FILTER = 1, 2, 12, 18, 25
_TUPLE_IP, _TUPLE_PROTO = 1, 2
_IPV4_SOURCE, _IPV4_DESTINATION, _IPV6_SOURCE, _IPV6_DESTINATION = 1, 2, 3, 4
_PROTO_NUM, _PROTO_SOURCE, _PROTO_DESTINATION = 1, 2, 3
_FILTER_ORIGINAL, _FILTER_REPLY = 1, 2
_BY_PROTOCOL_AND_PORT = 1 << 3 | 1 << 5
_HEADER = 4  # struct nfgenmsg


def redirect(netlink: Netlink, family: int, protocol: int, address: bytes, port: int, target: tuple[bytes, int]) -> int:
    """Forget the connections to a port that do not lead to the target, an address and a port; return how many.

    `address` is the packed one to which they were made, empty for any. Raises OSError if the kernel cannot do so.
    """
    gone = 0
    for body in _connections(netlink, family, protocol, port):
        known = attributes(body[_HEADER:])
        asked, answered = _ends(known[_ORIGINAL]), _ends(known[_REPLY])
        if asked[0] != protocol or asked[2][1] != port or address not in (b"", asked[2][0]) or answered[1] == target:
            continue
        named = [attribute(kind, known[kind]) for kind in (_ORIGINAL, _ID, _ZONE) if kind in known]
        try:
            netlink.request(_DELETE, NLM_F_ACK, nftables.header(family) + b"".join(named))
            gone += 1
        except OSError as error:
            if error.errno != ENOENT:  # it has just expired
                raise
    return gone


def _connections(netlink: Netlink, family: int, protocol: int, port: int) -> list[bytes]:
    """Return what the kernel tells of the connections to a port; an old one, of all."""
    proto = attribute(_PROTO_NUM, bytes([protocol])) + attribute(_PROTO_DESTINATION, struct.pack("!H", port))
    wanted = nested(_FILTER, number(_FILTER_ORIGINAL, _BY_PROTOCOL_AND_PORT), number(_FILTER_REPLY, 0))
    body = nftables.header(family) + nested(_ORIGINAL, nested(_TUPLE_PROTO, proto)) + wanted
    return [content for _kind, content in netlink.request(_GET, NLM_F_DUMP, body)]


def _ends(content: bytes) -> tuple[int, tuple[bytes, int], tuple[bytes, int]]:
    """Return protocol, source and destination, packed address and port each, of one direction of a connection."""
    known = attributes(content)
    ip, proto = attributes(known[_TUPLE_IP]), attributes(known[_TUPLE_PROTO])

    def end(four: int, six: int, port: int) -> tuple[bytes, int]:
        return ip.get(four) or ip[six], int.from_bytes(proto.get(port, b""), "big")

    source = end(_IPV4_SOURCE, _IPV6_SOURCE, _PROTO_SOURCE)
    return proto[_PROTO_NUM][0], source, end(_IPV4_DESTINATION, _IPV6_DESTINATION, _PROTO_DESTINATION)
