"""Elements of nftables' sets and maps: batches of nfnetlink, which the kernel carries out as a whole or not at all.

A set is named by its table (family inet) and its name; the table itself is the work of nft(8). See
linux/netfilter/nf_tables.h.
"""

from __future__ import annotations

import struct
from errno import ENOENT

from runtime.netlink.message import NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, attribute, attributes, nested, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.netlink.message import Netlink

    # Name of the set, key, and what a map has for that (else empty), packed as the set's type wants them.
    Element = tuple[str, bytes, bytes]

_NFNL_MSG_BATCH_BEGIN, _NFNL_MSG_BATCH_END = 16, 17
_NFNL_SUBSYS_NFTABLES = 10
_NFT_MSG_GETTABLE, _NFT_MSG_DELTABLE, _NFT_MSG_GETSET = 1, 2, 10
_NFT_MSG_NEWSETELEM, _NFT_MSG_GETSETELEM, _NFT_MSG_DELSETELEM, _NFT_MSG_GETGEN = 12, 13, 14, 16
NFPROTO_INET, NFPROTO_IPV4 = 1, 2
_NFNL_BATCH_GENID = 1
_NFTA_TABLE_NAME = 1
_NFTA_SET_TABLE, _NFTA_SET_NAME = 1, 2
_NFTA_GEN_ID = 1
_NFTA_SET_ELEM_LIST_TABLE, _NFTA_SET_ELEM_LIST_SET, _NFTA_SET_ELEM_LIST_ELEMENTS = 1, 2, 3
_NFTA_LIST_ELEM = 1
_NFTA_SET_ELEM_KEY, _NFTA_SET_ELEM_DATA = 1, 2
_NFTA_DATA_VALUE = 1
_IFNAMSIZ = 16
_TRIES = 10


def field(value: bytes) -> bytes:
    """Pack one part of a concatenated key or value: each takes whole words of 4 bytes."""
    return value + b"\0" * (-len(value) % 4)


def interface(name: str) -> bytes:
    """Pack the name of a device (type ifname)."""
    return name.encode("utf-8", "surrogateescape").ljust(_IFNAMSIZ, b"\0")


def has_table(netlink: Netlink, table: str) -> bool:
    """Tell whether there is a table."""
    kind = _NFNL_SUBSYS_NFTABLES << 8 | _NFT_MSG_GETTABLE
    try:
        netlink.request(kind, NLM_F_ACK, header() + text(_NFTA_TABLE_NAME, table))
    except OSError as error:
        if error.errno == ENOENT:
            return False
        raise
    return True


def remove_unused(netlink: Netlink, table: str) -> bool:
    """Remove a table whose sets and maps have no element; tell whether it was there and was removed.

    Never one to which somebody adds an element meanwhile; of rules that change all the time it is left where it is.
    """
    change = (_NFT_MSG_DELTABLE, 0, header() + text(_NFTA_TABLE_NAME, table))
    for _ in range(_TRIES):
        seen = _generation(netlink)
        if not has_table(netlink, table) or any(_has_elements(netlink, table, name) for name in _sets(netlink, table)):
            return False
        if not commit(netlink, [change], generation=seen):
            return True
    return False


def _generation(netlink: Netlink) -> bytes:
    """Return the number that changes with every change of the rules."""
    [(_, body)] = netlink.request(_NFNL_SUBSYS_NFTABLES << 8 | _NFT_MSG_GETGEN, NLM_F_ACK, header(0))
    return attributes(body[4:])[_NFTA_GEN_ID]


def _sets(netlink: Netlink, table: str) -> list[bytes]:
    kind, wanted = _NFNL_SUBSYS_NFTABLES << 8 | _NFT_MSG_GETSET, header() + text(_NFTA_SET_TABLE, table)
    return [attributes(body[4:])[_NFTA_SET_NAME] for _, body in netlink.request(kind, NLM_F_DUMP, wanted)]


def _has_elements(netlink: Netlink, table: str, name: bytes) -> bool:
    wanted = header() + text(_NFTA_SET_ELEM_LIST_TABLE, table) + attribute(_NFTA_SET_ELEM_LIST_SET, name)
    answers = netlink.request(_NFNL_SUBSYS_NFTABLES << 8 | _NFT_MSG_GETSETELEM, NLM_F_DUMP, wanted)
    return any(attributes(body[4:]).get(_NFTA_SET_ELEM_LIST_ELEMENTS) for _, body in answers)


def add(netlink: Netlink, table: str, elements: Sequence[Element]) -> None:
    """Add elements; those that are there already, with the same value, are no error.

    Raises FileNotFoundError if there is no such table or set, OSError with EBUSY or EEXIST if an element has another
    value.
    """
    errors = _send(netlink, _NFT_MSG_NEWSETELEM, NLM_F_CREATE, table, elements)
    for error in errors.values():
        raise error


def remove(netlink: Netlink, table: str, elements: Sequence[Element]) -> None:
    """Remove elements, as far as they are there."""
    left = list(elements)
    while left:
        errors = _send(netlink, _NFT_MSG_DELSETELEM, 0, table, left)
        if not errors:
            return
        other = [error for error in errors.values() if error.errno != ENOENT]
        if other:
            raise other[0]
        left = [element for number, element in enumerate(left) if number not in errors]


def _send(netlink: Netlink, kind: int, flags: int, table: str, elements: Sequence[Element]) -> dict[int, OSError]:
    """Return the errors by the number of the element."""
    return commit(netlink, [(kind, flags, _body(table, element)) for element in elements]) if elements else {}


def commit(
    netlink: Netlink, changes: Sequence[tuple[int, int, bytes]], *, generation: bytes = b""
) -> dict[int, OSError]:
    """Have changes (NFT_MSG_*, flags, body) made in one step, all or none; return the errors by the change's number.

    With `generation`, only if the rules are still those: ERESTART, under the number -1.
    """
    mark = struct.pack("=BBH", 0, 0, _NFNL_SUBSYS_NFTABLES << 8)  # the subsystem, in the network's order
    begin = mark + (attribute(_NFNL_BATCH_GENID, generation) if generation else b"")
    middle = [(_NFNL_SUBSYS_NFTABLES << 8 | kind, flags, body) for kind, flags, body in changes]
    messages = [(_NFNL_MSG_BATCH_BEGIN, 0, begin), *middle, (_NFNL_MSG_BATCH_END, 0, mark)]
    return {number - 1: error for number, error in netlink.send(messages).items()}


def _body(table: str, element: Element) -> bytes:
    name, key, value = element
    inner = nested(_NFTA_SET_ELEM_KEY, attribute(_NFTA_DATA_VALUE, key))
    if value:
        inner += nested(_NFTA_SET_ELEM_DATA, attribute(_NFTA_DATA_VALUE, value))
    listed = nested(_NFTA_SET_ELEM_LIST_ELEMENTS, nested(_NFTA_LIST_ELEM, inner))
    return header() + text(_NFTA_SET_ELEM_LIST_TABLE, table) + text(_NFTA_SET_ELEM_LIST_SET, name) + listed


def header(family: int = NFPROTO_INET) -> bytes:
    """Return a struct nfgenmsg."""
    return struct.pack("=BBH", family, 0, 0)
