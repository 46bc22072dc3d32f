"""DNS messages: reading a query, writing its answer, and telling whether an answer is to what was asked (pure).

Source: RFC 1035 section 4 (format), RFC 2181 section 9 (truncation), RFC 6891 (EDNS), RFC 2308 (no data, no name).
"""

from __future__ import annotations

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

A, PTR, AAAA, OPT, IXFR, AXFR, ANY = 1, 12, 28, 41, 251, 252, 255
IN = 1
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, BADVERS = 0, 1, 2, 3, 4, 5, 16
# What a datagram holds for who does not say otherwise, and at most (RFC 1035 section 4.2.1; RFC 6891 section 6.2.5).
SMALLEST, LARGEST = 512, 4096
LONGEST = 65535  # of a message over TCP
_HEADER = struct.Struct("!HHHHHH")
_QR, _AA, _TC, _RD, _RA, _AD, _CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0020, 0x0010
_DO = 0x8000  # in an OPT record: DNSSEC records are wanted
_LONGEST_NAME, _LONGEST_LABEL = 255, 63
_MOST_ADDITIONAL = 8  # records: OPT, a signature; nobody sends more with a query
_QUESTION = b"\xc0\x0c"  # a pointer to the name in the question


class NotAQueryError(Exception):
    """The message is none that may be answered."""


class BadQueryError(Exception):
    """The query is answered by an error alone, which is `answer`."""

    def __init__(self, answer: bytes) -> None:
        super().__init__()
        self.answer = answer


class Query:
    """A question, and how its answer may look."""

    __slots__ = ("dnssec", "edns", "flags", "id", "kind", "name", "space", "wire")

    def __init__(self, id: int, flags: int, wire: bytes, kind: int, space: int) -> None:
        self.id = id
        self.flags = flags
        self.wire = wire  # the name as it was sent
        self.name = text(wire)
        self.kind = kind  # the type of the records that are asked for
        self.space = space  # their class
        self.edns = 0  # how much a datagram of the answer may hold; 0 if there was no OPT record
        self.dnssec = False

    def question(self) -> bytes:
        """Return the question section."""
        return self.wire + struct.pack("!HH", self.kind, self.space)

    def datagram(self) -> int:
        """Return the size of the largest datagram that the asker takes."""
        return min(max(self.edns, SMALLEST), LARGEST)


def text(wire: bytes) -> str:
    """Return a name in lower case and without its last dot; unusual characters as a number (RFC 1035 5.1)."""
    labels, offset = [], 0
    while wire[offset]:
        end = offset + 1 + wire[offset]
        labels.append(wire[offset + 1 : end].decode("latin-1"))
        offset = end
    return ".".join(labels).lower() if all(map(_is_plain, labels)) else ".".join(map(_escaped, labels))


def _is_plain(label: str) -> bool:
    return label.isascii() and label.replace("-", "").replace("_", "").isalnum()


def _escaped(label: str) -> str:
    return "".join(
        letter.lower() if _is_plain(letter) or letter in "-_" else f"\\{ord(letter):03d}" for letter in label
    )


def wire(name: str) -> bytes:
    """Return the wire format of a name; ValueError for what is none."""
    found = b""
    for label in name.rstrip(".").split(".") if name.rstrip(".") else []:
        encoded = label.encode("ascii")
        if not 0 < len(encoded) <= _LONGEST_LABEL:
            raise ValueError(f"not a domain name: {name}")
        found += bytes((len(encoded),)) + encoded
    if len(found) >= _LONGEST_NAME:
        raise ValueError(f"domain name too long: {name}")
    return found + b"\0"


def read_name(message: bytes, offset: int) -> tuple[bytes, int]:
    """Return the name at an offset, without compression, and the offset behind it; ValueError for what is none.

    A pointer goes back, before the name or pointer that it stands in: so there is an end.
    """
    found, behind, earliest = b"", 0, offset
    while True:
        if offset >= len(message):
            raise ValueError("name beyond the end")
        length = message[offset]
        if length >= 0xC0:
            if offset + 1 >= len(message):
                raise ValueError("pointer beyond the end")
            behind = behind or offset + 2
            offset = (length & 0x3F) << 8 | message[offset + 1]
            if not _HEADER.size <= offset < earliest:
                raise ValueError("pointer that does not go back")
            earliest = offset
            continue
        if length > _LONGEST_LABEL:
            raise ValueError("unknown kind of label")
        found += message[offset : offset + 1 + length]
        offset += 1 + length
        if len(found) > _LONGEST_NAME or offset > len(message):
            raise ValueError("name too long")
        if not length:
            return found, behind or offset


def parse_query(message: bytes) -> Query:
    """Return what is asked. Raises NotAQueryError, and BadQueryError for what is to be answered by an error."""
    if len(message) < _HEADER.size:
        raise NotAQueryError
    id, flags, questions, answers, authorities, additional = _HEADER.unpack_from(message)
    if flags & _QR:
        raise NotAQueryError
    if flags >> 11 & 0xF:
        raise BadQueryError(_error(id, flags, NOTIMP))
    try:
        if questions != 1 or answers or authorities or additional > _MOST_ADDITIONAL:
            raise ValueError("not one question alone")
        name, offset = read_name(message, _HEADER.size)
        kind, space = struct.unpack_from("!HH", message, offset)
        query = Query(id, flags, name, kind, space)
        version = _read_additional(message, offset + 4, additional, query)
    except (ValueError, struct.error):
        raise BadQueryError(_error(id, flags, FORMERR)) from None
    if version:
        raise BadQueryError(answer(query, BADVERS))
    return query


def _read_additional(message: bytes, offset: int, count: int, query: Query) -> int:
    """Note what the OPT record says, and return its version; ValueError, struct.error for what is no query."""
    options = version = 0
    for _ in range(count):
        name, offset = read_name(message, offset)
        kind, size, _rcode, ours, flags, length = struct.unpack_from("!HHBBHH", message, offset)
        offset += 10 + length
        if kind != OPT:
            continue
        options += 1
        if name != b"\0" or options > 1:
            raise ValueError("not one OPT record")
        query.edns, query.dnssec, version = max(size, SMALLEST), bool(flags & _DO), ours
    if offset != len(message):
        raise ValueError("not the end")
    return version


def _error(id: int, flags: int, code: int) -> bytes:
    return _HEADER.pack(id, _QR | flags & (0x7800 | _RD) | _RA | code, 0, 0, 0, 0)


def answer(
    query: Query,
    code: int = NOERROR,
    records: Sequence[tuple[int, bytes]] = (),
    *,
    limit: int = LONGEST,
    ttl: int = 0,
    ours: bool = False,
) -> bytes:
    """Return the answer to a query: records (type, data) of the name that was asked for, or none.

    What would make it longer than `limit` is left out, and that is told (TC). `ours`: we are who knows (AA).
    """
    options = _options(query, code >> 4, query.edns and LARGEST) if query.edns else b""
    question = query.question()
    left = limit - _HEADER.size - len(question) - len(options)
    body, count = [], 0
    for kind, data in records:
        record = _QUESTION + struct.pack("!HHIH", kind, IN, ttl, len(data)) + data
        left -= len(record)
        if left < 0:
            break
        body.append(record)
        count += 1
    flags = _QR | query.flags & (_RD | _CD) | _RA | code & 0xF
    flags |= (_AA if ours else 0) | (_TC if count < len(records) else 0)
    return _HEADER.pack(query.id, flags, 1, count, 0, int(bool(options))) + question + b"".join(body) + options


def _options(query: Query, code: int, size: int) -> bytes:
    return b"\0" + struct.pack("!HHBBHH", OPT, size, code, 0, _DO if query.dnssec else 0, 0)


def request(query: Query, id: int) -> bytes:
    """Return the query for another server: without what concerned only us, as the options of EDNS."""
    flags = query.flags & (_RD | _AD | _CD)
    options = _options(query, 0, query.datagram()) if query.edns else b""
    return _HEADER.pack(id, flags, 1, 0, 0, int(bool(options))) + query.question() + options


def answers(message: bytes, query: Query, id: int) -> bool:
    """Tell whether a message is the answer to `request(query, id)`: its id, and the very question."""
    if len(message) < _HEADER.size or len(message) > LONGEST:
        return False
    theirs, flags, questions, *_ = _HEADER.unpack_from(message)
    if theirs != id or not flags & _QR or flags >> 11 & 0xF or questions != 1:
        return False
    asked = query.question()
    end = _HEADER.size + len(asked)
    # The length of a label is no letter, so case is all that may differ in the name.
    given = message[_HEADER.size : end]
    return len(given) == len(asked) and given[-4:] == asked[-4:] and given[:-4].lower() == asked[:-4].lower()


def code(message: bytes) -> int:
    """Return the response code of a message, without what EDNS adds."""
    return message[3] & 0xF


def passed_on(message: bytes, query: Query, limit: int) -> bytes:
    """Return another server's answer as ours to a query; without its records, and TC, if it is longer than `limit`."""
    if len(message) > limit:
        head = answer(query, code(message))
        return head[:2] + bytes((head[2] | _TC >> 8,)) + head[3:]
    return struct.pack("!H", query.id) + message[2:]


def reversed_address(name: str) -> bytes | None:
    """Return the address (4 or 16 bytes) whose name is asked for by this one (RFC 1035 3.5, RFC 3596 2.5), if any."""
    try:
        if name.endswith(".in-addr.arpa"):
            address = bytes(int(label) for label in reversed(name.split(".")[:-2]))
            return address if len(address) == 4 else None
        if name.endswith(".ip6.arpa"):
            digits = name.split(".")[:-2]
            return bytes.fromhex("".join(reversed(digits))) if list(map(len, digits)) == [1] * 32 else None
    except ValueError:
        pass
    return None
