"""TCP connections to published ports, passed on by splice(2): their bytes never come into this process.

A connection that is idle has two descriptors; it has a pipe only while that holds bytes.
"""

from __future__ import annotations

import fcntl
import posix
import select
import struct
from _socket import (
    IPPROTO_TCP,
    SHUT_WR,
    SO_ERROR,
    SO_KEEPALIVE,
    SO_LINGER,
    SOCK_STREAM,
    SOL_SOCKET,
    TCP_NODELAY,
    socket,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.publisher.serve import Events
    from runtime.publisher.target import Target

_F_SETPIPE_SZ = 1031
_PIPE_SIZE = 1 << 18
_SPARE_PIPES = 16
_SPLICE = 1 | 2  # SPLICE_F_MOVE, SPLICE_F_NONBLOCK
_AT_ONCE = 16  # pieces of one connection, or connections, before others have their turn
_BROKEN = struct.pack("=ii", 1, 0)  # SO_LINGER: closing resets the connection
_IN, _OUT = select.EPOLLIN, select.EPOLLOUT


class Pipes:
    """Empty pipes."""

    def __init__(self) -> None:
        self._spare: list[tuple[int, int]] = []

    def take(self) -> tuple[int, int]:
        """Return a pipe. Raises OSError."""
        if self._spare:
            return self._spare.pop()
        pipe = posix.pipe2(posix.O_CLOEXEC | posix.O_NONBLOCK)
        try:
            fcntl.fcntl(pipe[0], _F_SETPIPE_SZ, _PIPE_SIZE)
        except OSError:
            pass  # the user has too many: it stays small
        return pipe

    def give(self, pipe: tuple[int, int]) -> None:
        """Take an empty pipe back."""
        if len(self._spare) < _SPARE_PIPES:
            self._spare.append(pipe)
        else:
            discard(pipe)


def discard(pipe: tuple[int, int]) -> None:
    """Close a pipe with all that it holds."""
    for fd in pipe:
        posix.close(fd)


class Way:
    """One direction of a connection."""

    __slots__ = ("ended", "held", "pipe", "source", "target")

    def __init__(self, source: socket, target: socket) -> None:
        self.source = source
        self.target = target
        self.pipe: tuple[int, int] | None = None
        self.held = 0  # bytes in the pipe
        self.ended = False  # the source has said that it sends no more, and the target has been told

    def move(self, pipes: Pipes) -> None:
        """Pass on what there is. Raises OSError when the connection is broken."""
        for _ in range(_AT_ONCE):
            if self.ended or not (self.held or self._fill(pipes)) or not self._drain(pipes):
                return

    def _fill(self, pipes: Pipes) -> bool:
        self.pipe = pipes.take()
        try:
            self.held = posix.splice(self.source.fileno(), self.pipe[1], _PIPE_SIZE, flags=_SPLICE)
            if not self.held:
                self.ended = True
                self.target.shutdown(SHUT_WR)
        except BlockingIOError:
            pass
        finally:
            if not self.held:
                pipes.give(self.pipe)
                self.pipe = None
        return bool(self.held)

    def _drain(self, pipes: Pipes) -> bool:
        assert self.pipe is not None
        try:
            self.held -= posix.splice(self.pipe[0], self.target.fileno(), self.held, flags=_SPLICE)
        except BlockingIOError:
            return False
        if not self.held:
            pipes.give(self.pipe)
            self.pipe = None
        return True


class Stream:
    """A connection: the client's half of it, and the container's."""

    __slots__ = ("_answer", "_client", "_connected", "_container", "_listener", "_request")

    def __init__(self, listener: Listener, client: socket, container: socket) -> None:
        self._listener = listener
        self._client = client
        self._container = container
        self._connected = False
        self._request = Way(client, container)
        self._answer = Way(container, client)
        for end in (client, container):
            end.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
            end.setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1)
        self._wait()

    def heard(self, fd: int, event: int) -> None:
        """Act on an event of one of the two."""
        try:
            if not self._connected:
                self._connect()
            else:
                for way in (self._request, self._answer):
                    way.move(self._listener.pipes)
        except OSError:
            self._close(broken=True)
            return
        if self._request.ended and self._answer.ended:
            self._close()
        else:
            self._wait()

    def _connect(self) -> None:
        error = self._container.getsockopt(SOL_SOCKET, SO_ERROR)
        if error:
            raise OSError(error, posix.strerror(error))
        self._connected = True

    def _wait(self) -> None:
        """Wait for what brings the connection on; an end without that is not polled, for it may have hung up."""
        events = self._listener.events
        if not self._connected:
            events.watch(self._container.fileno(), _OUT, self.heard)
            return
        for end, out, back in (
            (self._client, self._request, self._answer),
            (self._container, self._answer, self._request),
        ):
            wanted = 0 if out.ended or out.held else _IN
            events.watch(end.fileno(), wanted | (_OUT if back.held else 0), self.heard)

    def _close(self, *, broken: bool = False) -> None:
        for end in (self._client, self._container):
            self._listener.events.watch(end.fileno(), 0)
            if broken:
                end.setsockopt(SOL_SOCKET, SO_LINGER, _BROKEN)
            end.close()
        for way in (self._request, self._answer):
            if way.pipe is not None:
                discard(way.pipe)
        self._listener.events.let_in()


class Listener:
    """A published TCP port."""

    def __init__(self, events: Events, end: socket, target: Target, pipes: Pipes) -> None:
        self.events = events
        self.pipes = pipes
        self._end = end
        self._target = target
        events.watch(end.fileno(), _IN, self.heard)

    def heard(self, fd: int, event: int) -> None:
        """Take the clients that have come."""
        for _ in range(_AT_ONCE):
            try:
                accepted, address = self._end._accept()  # type: ignore[attr-defined]
            except BlockingIOError:
                return
            except OSError as error:
                self.events.refused(self._end.fileno(), error)
                return
            client = socket(fileno=accepted)
            client.setblocking(False)
            try:
                container = self._target.reach(SOCK_STREAM, address)
            except OSError:
                client.setsockopt(SOL_SOCKET, SO_LINGER, _BROKEN)
                client.close()
                continue
            Stream(self, client, container)
