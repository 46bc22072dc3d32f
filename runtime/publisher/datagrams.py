"""UDP to published ports: a socket for each client, which gets its answers from the address that it wrote to.

Who has been silent for a while is forgotten, as podman does it after 90 seconds. If the container moves to another
network, the next datagram goes there.
"""

from __future__ import annotations

import select
import struct
import time
from _socket import AF_INET, IPPROTO_IP, IPPROTO_IPV6, SOCK_DGRAM, socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.publisher.serve import Events
    from runtime.publisher.target import Known, Target

    # A control message that says to, or from, which address of the host a datagram goes (ip(7), ipv6(7)).
    Local = tuple[int, int, bytes]

IDLE_SECONDS = 90.0
_LARGEST = 65535
_ROOM = 128  # for control messages
_IP_PKTINFO = 8
_IPV6_RECVPKTINFO, _IPV6_PKTINFO = 49, 50
_LINK_LOCAL = b"\xfe\x80"
_MOST = 4096
_AT_ONCE = 64


class Session:
    """A client's socket to the container."""

    __slots__ = ("client", "end", "heard_at", "known", "local")

    def __init__(self, client: tuple[Any, ...], local: list[Local], known: Known, end: socket) -> None:
        self.client = client
        self.local = local
        self.known = known  # where the container was when this was made
        self.end = end
        self.heard_at = time.monotonic()


class Listener:
    """A published UDP port."""

    def __init__(self, events: Events, end: socket, target: Target) -> None:
        self._events = events
        self._end = end
        self._target = target
        self._sessions: dict[tuple[Any, ...], Session] = {}  # by client and local address
        self._by_fd: dict[int, tuple[Any, ...]] = {}
        if end.family == AF_INET:
            end.setsockopt(IPPROTO_IP, _IP_PKTINFO, 1)
        else:
            end.setsockopt(IPPROTO_IPV6, _IPV6_RECVPKTINFO, 1)
        events.watch(end.fileno(), select.EPOLLIN, self._receive)
        events.at_times(self._tidy)

    def _receive(self, fd: int, event: int) -> None:
        for _ in range(_AT_ONCE):
            try:
                data, control, _flags, client = self._end.recvmsg(_LARGEST, _ROOM)
            except OSError:
                return
            local = [answer for message in control if (answer := _answer_from(*message)) is not None]
            try:
                self._session(client, local).end.send(data)
            except OSError:
                continue  # nobody listens in there, or too much comes at once

    def _session(self, client: tuple[Any, ...], local: list[Local]) -> Session:
        key = (client, *local)
        known = self._target.known()
        session = self._sessions.get(key)
        if session is not None and session.known is not known:
            self._end_session(key)
            session = None
        if session is None:
            if len(self._sessions) >= _MOST:
                self._end_session(min(self._sessions, key=lambda one: self._sessions[one].heard_at))
            session = Session(client, local, known, self._target.reach(SOCK_DGRAM, client))
            self._sessions[key] = session
            self._by_fd[session.end.fileno()] = key
            self._events.watch(session.end.fileno(), select.EPOLLIN, self._answer)
        session.heard_at = time.monotonic()
        return session

    def _answer(self, fd: int, event: int) -> None:
        session = self._sessions[self._by_fd[fd]]
        for _ in range(_AT_ONCE):
            try:
                data = session.end.recv(_LARGEST)
            except BlockingIOError:
                return
            except OSError:
                continue  # what the kernel had to say of a datagram before: nobody listens
            session.heard_at = time.monotonic()
            try:
                self._end.sendmsg([data], session.local, 0, session.client)
            except OSError:
                continue  # the client is not to be reached, or takes no more

    def _tidy(self, now: float) -> None:
        for key in [key for key, session in self._sessions.items() if now - session.heard_at > IDLE_SECONDS]:
            self._end_session(key)

    def _end_session(self, key: tuple[Any, ...]) -> None:
        session = self._sessions.pop(key)
        del self._by_fd[session.end.fileno()]
        self._events.watch(session.end.fileno(), 0)
        session.end.close()


def _answer_from(level: int, kind: int, content: bytes) -> Local | None:
    """Return the control message that sends an answer from where the one that tells of the question came to."""
    if (level, kind) == (IPPROTO_IP, _IP_PKTINFO):
        _index, local, _destination = struct.unpack("=i4s4s", content)
        return level, kind, struct.pack("=i4s4s", 0, local, b"\0" * 4)
    if (level, kind) == (IPPROTO_IPV6, _IPV6_PKTINFO):
        address, index = struct.unpack("=16si", content)
        return level, kind, struct.pack("=16si", address, index if address[:2] == _LINK_LOCAL else 0)
    return None
