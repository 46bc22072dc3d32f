"""Messages of netlink(7): packing and unpacking attributes, sockets, requests and their answers.

The kernel handles a request within the sendmsg(2) that brings it: all answers but those of dumps are there at once.
"""

from __future__ import annotations

import _socket
import posix
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

AF_NETLINK = 16
ROUTE, NETFILTER = 0, 12  # the families of netlink sockets
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 1, 4, 0x300
NLM_F_EXCL, NLM_F_CREATE = 0x200, 0x400
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_HEADER = 16
_NLA_TYPE_MASK = 0x3FFF
_NLA_F_NESTED = 0x8000
_CHUNK = 1 << 16  # more than the kernel puts into one answer, and not so much that memory is mapped for it
_SO_SNDBUFFORCE = 32
_LARGEST = 0xFFFF  # of an attribute: its length has two bytes


def attribute(kind: int, value: bytes) -> bytes:
    """Pack an attribute; ValueError if its value is too long for one."""
    if len(value) + 4 > _LARGEST:
        raise ValueError("too long for a netlink attribute")
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def nested(kind: int, *inner: bytes) -> bytes:
    """Pack an attribute that consists of attributes."""
    return attribute(kind | _NLA_F_NESTED, b"".join(inner))


def text(kind: int, value: str) -> bytes:
    """Pack a string, which the kernel wants terminated."""
    return attribute(kind, value.encode("utf-8", "surrogateescape") + b"\0")


def number(kind: int, value: int) -> bytes:
    """Pack a number of 32 bits in the machine's order."""
    return attribute(kind, struct.pack("=I", value))


def attributes(data: bytes) -> dict[int, bytes]:
    """Return the attributes of a message by their kind, without the flags of that; what is cut off is left out."""
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if length < 4 or length > len(data):
            break
        found[kind & _NLA_TYPE_MASK] = data[4:length]
        data = data[(length + 3) & ~3 :]
    return found


class Netlink:
    """Requests to the network namespace in which a socket was opened."""

    __slots__ = ("_end", "_sequence")

    def __init__(self, end: _socket.socket) -> None:
        self._end = end
        self._sequence = 0

    @staticmethod
    def open(family: int) -> Netlink:
        """Open a socket in the network namespace of this process."""
        return Netlink(_socket.socket(AF_NETLINK, _socket.SOCK_RAW | _socket.SOCK_CLOEXEC, family))

    @staticmethod
    def adopt(fd: int) -> Netlink:
        """Take over the descriptor of a netlink socket."""
        return Netlink(_socket.socket(AF_NETLINK, _socket.SOCK_RAW, fileno=fd))

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._end.fileno()

    def detach(self) -> int:
        """Return the descriptor, which is the caller's from now on."""
        return self._end.detach()

    def close(self) -> None:
        """Close the socket."""
        self._end.close()

    def request(self, kind: int, flags: int, body: bytes) -> list[tuple[int, bytes]]:
        """Send one message and return the answers, (kind, body) each; OSError for what the kernel refuses.

        It must be one that has an end: NLM_F_ACK, or NLM_F_DUMP.
        """
        self._end.sendall(self._pack(kind, flags, body))
        answers: list[tuple[int, bytes]] = []
        while True:
            for sequence, answer, content in _split(self._end.recv(_CHUNK)):
                if sequence != self._sequence:
                    continue
                if answer == _NLMSG_DONE:
                    return answers
                if answer == _NLMSG_ERROR:
                    _raise(content)
                    return answers
                answers.append((answer, content))

    def send(self, messages: Sequence[tuple[int, int, bytes]]) -> dict[int, OSError]:
        """Send messages (kind, flags, body) in one call; return the errors by the message's position.

        Whether the others have been carried out is a matter of the family: nftables takes all or nothing.
        """
        if not messages:
            return {}  # the kernel would take it for an error
        first = self._sequence + 1
        data = b"".join(self._pack(*message) for message in messages)
        self._make_room(len(data))
        self._end.sendall(data)
        errors: dict[int, OSError] = {}
        while True:
            try:
                answer = self._end.recv(_CHUNK, _socket.MSG_DONTWAIT)
            except BlockingIOError:
                return errors
            for sequence, kind, content in _split(answer):
                error = _error(content) if kind == _NLMSG_ERROR else None
                if error is not None and sequence >= first:
                    errors.setdefault(sequence - first, error)

    def _pack(self, kind: int, flags: int, body: bytes) -> bytes:
        self._sequence += 1
        return (
            struct.pack("=IHHII", _HEADER + len(body), kind, flags | NLM_F_REQUEST, self._sequence, 0)
            + body
            + (b"\0" * (-len(body) % 4))
        )

    def _make_room(self, size: int) -> None:
        if size > 1 << 16:
            try:
                self._end.setsockopt(_socket.SOL_SOCKET, _SO_SNDBUFFORCE, 2 * size + 65536)
            except OSError:
                pass  # then sending says what is wrong


def _split(data: bytes) -> list[tuple[int, int, bytes]]:
    """Return the messages of what was received: (sequence, kind, body)."""
    found = []
    while len(data) >= _HEADER:
        length, kind, _flags, sequence, _port = struct.unpack_from("=IHHII", data)
        if length < _HEADER:
            break
        found.append((sequence, kind, data[_HEADER:length]))
        data = data[(length + 3) & ~3 :]
    return found


def _error(content: bytes) -> OSError | None:
    code = -struct.unpack_from("=i", content)[0]
    return OSError(code, posix.strerror(code)) if code else None


def _raise(content: bytes) -> None:
    error = _error(content)
    if error is not None:
        raise error
