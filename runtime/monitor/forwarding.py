"""Questions that are passed on to the servers of the host, over UDP, or over TCP if they came so.

Each try has a socket, a random port and a random ID of its own.
"""

from __future__ import annotations

import posix
from _socket import (
    AF_INET,
    AF_INET6,
    SOCK_CLOEXEC,
    SOCK_DGRAM,
    SOCK_NONBLOCK,
    SOCK_STREAM,
    if_nametoindex,
    inet_pton,
    socket,
)

from runtime import dns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Asker = tuple[str, int] | int  # the address of a datagram, or the fd of a TCP client

PORT = 53
PATIENCE = 4.0  # until a question is given up
_STEP = 1.0  # until another server, or the same one, is asked as well
_MOST_TRIES = 4
_FAILURES = (dns.FORMERR, dns.SERVFAIL, dns.NOTIMP, dns.REFUSED)


class Try:
    """A question on its way to one server."""

    __slots__ = ("data", "id", "out", "server")

    def __init__(self, id: int, server: str, out: bytes = b"", data: bytes = b"") -> None:
        self.id = id
        self.server = server
        self.out = out  # still to be sent, over TCP
        self.data = data  # received over TCP


class Forward:
    """A question that was passed on."""

    __slots__ = ("asked", "asker", "deadline", "failure", "message", "next", "query", "servers", "stream", "tries")

    def __init__(self, message: bytes, query: dns.Query, asker: Asker, servers: list[str], now: float) -> None:
        self.message = message
        self.query = query
        self.asker = asker
        self.stream = not isinstance(asker, tuple)
        self.servers = servers
        self.asked = 0  # how often we have
        self.tries: dict[int, Try] = {}  # by fd
        self.failure = b""  # the answer of a server that did not know
        self.deadline = now + PATIENCE
        self.next = now + _STEP

    def moment(self) -> float:
        """Return when there is something to do if no answer comes."""
        return min(self.next, self.deadline) if self.asked < _MOST_TRIES else self.deadline

    def ask(self, now: float) -> bool:
        """Ask the next server; False if none can be asked, and none that was may still answer."""
        self.next = now + _STEP
        while self.servers and self.asked < _MOST_TRIES:
            server = self.servers[self.asked % len(self.servers)]
            self.asked += 1
            if self._send(server):
                return True
            if self.asked >= len(self.servers):
                break
        return bool(self.tries)

    def _send(self, server: str) -> bool:
        id = int.from_bytes(posix.urandom(2), "big")
        message = dns.request(self.query, id)
        fd = _connect(server, stream=self.stream)
        if fd < 0:
            return False
        if self.stream:
            self.tries[fd] = Try(id, server, len(message).to_bytes(2, "big") + message)
            return True
        try:
            posix.write(fd, message)
        except OSError:
            posix.close(fd)
            return False
        self.tries[fd] = Try(id, server)
        return True

    def hear(self, fd: int) -> bytes | None:
        """Take what a server says: its answer, empty if it has none, None if there is nothing yet."""
        one = self.tries[fd]
        try:
            message = _exchange(fd, one) if self.stream else posix.read(fd, dns.LONGEST)
        except BlockingIOError:
            return None
        except OSError:
            return b""
        if message is not None and not dns.answers(message, self.query, one.id):
            return b"" if self.stream else None  # a datagram of somebody else's, or to something else
        if message and dns.code(message) in _FAILURES:
            self.failure = message
            return b""
        return message

    def freeze(self) -> tuple[Any, ...]:
        """Return what makes the question again."""
        tries = [(fd, one.id, one.server, one.out, one.data) for fd, one in self.tries.items()]
        return (self.message, self.asker, self.servers, self.asked, tries, self.failure, self.deadline, self.next)

    @staticmethod
    def thaw(state: tuple[Any, ...]) -> Forward:
        """Make the question again."""
        message, asker, servers, asked, tries, failure, deadline, moment = state
        forward = Forward(message, dns.parse_query(message), asker, servers, 0.0)
        forward.asked, forward.failure, forward.deadline, forward.next = asked, failure, deadline, moment
        forward.tries = {fd: Try(*rest) for fd, *rest in tries}
        return forward


def packed(address: str) -> bytes:
    """Return the 4 or 16 bytes of an address; nothing for what is none."""
    try:
        return inet_pton(AF_INET6 if ":" in address else AF_INET, address)
    except OSError:
        return b""


def _connect(server: str, *, stream: bool) -> int:
    """Return a socket that is connected to a server, or about to be, from a random port; -1 if that cannot be."""
    host, _, zone = server.partition("%")
    family = AF_INET6 if ":" in host else AF_INET
    if not packed(host):
        return -1
    try:
        end = socket(family, (SOCK_STREAM if stream else SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC)
    except OSError:
        return -1
    try:
        scope = (int(zone) if zone.isdigit() else if_nametoindex(zone)) if zone else 0
        end.connect((host, PORT, 0, scope) if family == AF_INET6 else (host, PORT))
    except BlockingIOError:
        pass
    except (OSError, ValueError):
        end.close()
        return -1
    return end.detach()


def _exchange(fd: int, one: Try) -> bytes | None:
    """Go on with a question over TCP; return the answer once it is whole, nothing if the server has gone."""
    if one.out:
        one.out = one.out[posix.write(fd, one.out) :]
        return None
    data = posix.read(fd, 2 + dns.LONGEST)
    one.data += data
    length = int.from_bytes(one.data[:2], "big")
    if len(one.data) >= 2 + length and len(one.data) >= 2:
        return one.data[2 : 2 + length]
    return None if data else b""


def read_servers(path: bytes) -> list[str]:
    """Return the nameservers of a resolv.conf(5); OSError if it cannot be read."""
    fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK)
    try:
        lines = [line.split() for line in posix.read(fd, 65536).decode("utf-8", "replace").splitlines()]
    finally:
        posix.close(fd)
    return [words[1] for words in lines if words[:1] == ["nameserver"] and len(words) > 1]
