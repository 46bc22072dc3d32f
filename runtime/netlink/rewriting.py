"""Rewriting the port of packets within one network namespace, by a small table of nftables that we write ourselves.

What is sent to one port of a loopback address goes to another one, and answers look as if they came from the first. The
kernel does so packet by packet, without tracking connections: what is not for that address pays for one comparison.
Connection tracking, if somebody in the namespace has it, sees the first port only. See linux/netfilter/nf_tables.h.
"""

from __future__ import annotations

import struct
from errno import EEXIST

from runtime.netlink import nftables
from runtime.netlink.message import NLM_F_CREATE, NLM_F_EXCL, attribute, nested, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.netlink.message import Netlink

_NFT_MSG_NEWTABLE, _NFT_MSG_DELTABLE, _NFT_MSG_NEWCHAIN, _NFT_MSG_NEWRULE = 0, 2, 3, 6
_NLM_F_APPEND = 0x800
_NFTA_TABLE_NAME = 1
_NFTA_CHAIN_TABLE, _NFTA_CHAIN_NAME, _NFTA_CHAIN_HOOK, _NFTA_CHAIN_TYPE = 1, 3, 4, 7
_NFTA_HOOK_HOOKNUM, _NFTA_HOOK_PRIORITY = 1, 2
_NFTA_RULE_TABLE, _NFTA_RULE_CHAIN, _NFTA_RULE_EXPRESSIONS = 1, 2, 4
_NFTA_LIST_ELEM = 1
_NFTA_EXPR_NAME, _NFTA_EXPR_DATA = 1, 2
_NFTA_META_DREG, _NFTA_META_KEY = 1, 2
_NFTA_CMP_SREG, _NFTA_CMP_OP, _NFTA_CMP_DATA = 1, 2, 3
_NFTA_IMMEDIATE_DREG, _NFTA_IMMEDIATE_DATA = 1, 2
_NFTA_PAYLOAD_DREG, _NFTA_PAYLOAD_BASE, _NFTA_PAYLOAD_OFFSET, _NFTA_PAYLOAD_LEN = 1, 2, 3, 4
_NFTA_PAYLOAD_SREG, _NFTA_PAYLOAD_CSUM_TYPE, _NFTA_PAYLOAD_CSUM_OFFSET = 5, 6, 7
_NFTA_DATA_VALUE = 1
_NF_INET_LOCAL_OUT = 3
_REGISTER = 1
_EQUAL = 0
_META_L4PROTO = 16
_NETWORK, _TRANSPORT = 1, 2  # headers
_CSUM_INET = 1
# Offsets: of addresses in an IPv4 header, of ports in both protocols' headers, of the checksum in each.
_SOURCE, _DESTINATION = (12, 0), (16, 2)
_PROTOCOLS = ((17, 6), (6, 16))
# Before connections are tracked (-200), and after.
_EARLY, _LATE = -300, 100


def rewrite(netlink: Netlink, table: str, address: bytes, port: int, actual: int) -> None:
    """Send UDP and TCP packets for a port of a local IPv4 address of this namespace to another port of it.

    A table of that name, from an earlier time, is replaced. Raises OSError if the kernel cannot do so; then nothing is
    changed.
    """
    named = nftables.header(nftables.NFPROTO_IPV4) + text(_NFTA_TABLE_NAME, table)
    changes = [(_NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, named), *_chains(named, address, port, actual)]
    errors = nftables.commit(netlink, changes)
    if any(error.errno == EEXIST for error in errors.values()):
        errors = nftables.commit(netlink, [(_NFT_MSG_DELTABLE, 0, named), *changes])
    for error in errors.values():
        raise error


def _chains(named: bytes, address: bytes, port: int, actual: int) -> list[tuple[int, int, bytes]]:
    changes = []
    for chain, priority, ends, old, new in (
        ("queries", _LATE, _DESTINATION, port, actual),
        ("answers", _EARLY, _SOURCE, actual, port),
    ):
        hook = nested(
            _NFTA_CHAIN_HOOK,
            attribute(_NFTA_HOOK_HOOKNUM, struct.pack("!I", _NF_INET_LOCAL_OUT)),
            attribute(_NFTA_HOOK_PRIORITY, struct.pack("!i", priority)),
        )
        body = named + text(_NFTA_CHAIN_NAME, chain) + hook + text(_NFTA_CHAIN_TYPE, "filter")
        changes.append((_NFT_MSG_NEWCHAIN, NLM_F_CREATE, body))
        for protocol, checksum in _PROTOCOLS:
            expressions = _rule(address, ends, protocol, checksum, old, new)
            body = named + text(_NFTA_RULE_CHAIN, chain) + nested(_NFTA_RULE_EXPRESSIONS, *expressions)
            changes.append((_NFT_MSG_NEWRULE, NLM_F_CREATE | _NLM_F_APPEND, body))
    return changes


def _rule(
    address: bytes, offsets: tuple[int, int], protocol: int, checksum: int, old: int, new: int
) -> tuple[bytes, ...]:
    return (
        *_is(_payload(_NETWORK, offsets[0], 4), address),
        *_is(_meta(_META_L4PROTO), bytes((protocol,))),
        *_is(_payload(_TRANSPORT, offsets[1], 2), old.to_bytes(2, "big")),
        _expression("immediate", _number(_NFTA_IMMEDIATE_DREG, _REGISTER), _data(_NFTA_IMMEDIATE_DATA, new)),
        _expression(
            "payload",
            _number(_NFTA_PAYLOAD_SREG, _REGISTER),
            *_place(_TRANSPORT, offsets[1], 2),
            _number(_NFTA_PAYLOAD_CSUM_TYPE, _CSUM_INET),
            _number(_NFTA_PAYLOAD_CSUM_OFFSET, checksum),
        ),
    )


def _is(loaded: bytes, value: bytes) -> tuple[bytes, bytes]:
    """Return what compares a loaded value with another one."""
    data = nested(_NFTA_CMP_DATA, attribute(_NFTA_DATA_VALUE, value))
    return loaded, _expression("cmp", _number(_NFTA_CMP_SREG, _REGISTER), _number(_NFTA_CMP_OP, _EQUAL), data)


def _meta(key: int) -> bytes:
    return _expression("meta", _number(_NFTA_META_DREG, _REGISTER), _number(_NFTA_META_KEY, key))


def _payload(base: int, offset: int, length: int) -> bytes:
    return _expression("payload", _number(_NFTA_PAYLOAD_DREG, _REGISTER), *_place(base, offset, length))


def _place(base: int, offset: int, length: int) -> tuple[bytes, ...]:
    words = ((_NFTA_PAYLOAD_BASE, base), (_NFTA_PAYLOAD_OFFSET, offset), (_NFTA_PAYLOAD_LEN, length))
    return tuple(_number(kind, value) for kind, value in words)


def _data(kind: int, port: int) -> bytes:
    return nested(kind, attribute(_NFTA_DATA_VALUE, port.to_bytes(2, "big")))


def _expression(name: str, *inner: bytes) -> bytes:
    return nested(_NFTA_LIST_ELEM, text(_NFTA_EXPR_NAME, name), nested(_NFTA_EXPR_DATA, *inner))


def _number(kind: int, value: int) -> bytes:
    """Pack a number as nftables has them: in the network's order."""
    return attribute(kind, struct.pack("!I", value))
