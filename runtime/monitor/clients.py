"""The attach clients of one container: SEQPACKET sockets that get its output and may feed its input.

The protocol is conmon's: to the client, packets of one byte (2 stdout, 3 stderr) and at most 8192 bytes of data; from
the client, plain input, ended by shutdown(SHUT_WR). While a client has not taken all of a read, nothing more is read
from the container: a client that reads loses nothing, and no queue grows. The command that started the container (the
primary client) may take as long as it likes, as its user's pipe may; any other is cut off after STALL seconds in which
it took nothing.
"""

from __future__ import annotations

import posix
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PACKET = 8192
STALL = 3.0
MAXIMUM = 256


class Client:
    """One end of an attach connection, with the output that it has yet to take."""

    __slots__ = ("deadline", "fd", "feeds", "pending", "primary", "readable")

    def __init__(self, fd: int, *, primary: bool = False, feeds: bool = False) -> None:
        self.fd = fd
        self.primary = primary
        self.feeds = feeds  # Its hang-up ends the container's input.
        self.readable = True  # It has not ended its input.
        self.pending: list[tuple[int, bytes]] = []
        self.deadline = 0.0

    def freeze(self) -> tuple[Any, ...]:
        """Return what `thaw` needs, as plain values."""
        return (self.fd, self.primary, self.feeds, self.readable, self.pending)

    @staticmethod
    def thaw(state: tuple[Any, ...]) -> Client:
        """Make the client again from what `freeze` returned."""
        client = Client(state[0], primary=state[1], feeds=state[2])
        client.readable = state[3]
        client.pending = state[4]
        client.deadline = time.monotonic() + STALL
        return client

    def send(self, stream: int, data: bytes) -> bool:
        """Send or queue output; False when the client has gone."""
        if self.pending:
            self.pending.append((stream, data))
            return True
        taken = self._push(stream, data)
        if 0 <= taken < len(data):
            self.pending.append((stream, data[taken:]))
            self.deadline = time.monotonic() + STALL
        return taken >= 0

    def flush(self) -> bool:
        """Send what is queued, as far as the client takes it; False when it has gone."""
        while self.pending:
            stream, data = self.pending[0]
            taken = self._push(stream, data)
            if taken < 0:
                return False
            if taken:
                self.deadline = time.monotonic() + STALL
            if taken < len(data):
                self.pending[0] = (stream, data[taken:])
                return True
            del self.pending[0]
        return True

    def stalled(self, now: float) -> bool:
        """Say whether the client has been taking nothing for too long."""
        return bool(self.pending) and not self.primary and now >= self.deadline

    def _push(self, stream: int, data: bytes) -> int:
        """Return how much of the data went out, or -1 when the client has gone."""
        head = bytes((stream,))
        view = memoryview(data)
        taken = 0
        try:
            while taken < len(view):
                taken += posix.writev(self.fd, (head, view[taken : taken + PACKET])) - 1
        except BlockingIOError:
            return taken
        except OSError:
            return -1
        return taken
