"""The loop of the process that passes published ports on; it runs in a bare interpreter, until its monitor ends it."""

from __future__ import annotations

import select
import time
from _socket import SO_TYPE, SOCK_STREAM, SOL_SOCKET, socket
from errno import EMFILE, ENFILE, ENOBUFS, ENOMEM

from runtime.publisher import datagrams, streams
from runtime.publisher.target import Place, Target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from runtime.publisher.target import Known

    Handler = Callable[[int, int], None]
    Port = tuple[int, int]  # the descriptor of a socket on the host, and the port of the container

_TIDY_SECONDS = 15.0
_FULL = (EMFILE, ENFILE, ENOBUFS, ENOMEM)
_AT_ONCE = 256


class Events:
    """What is waited for, and who is told."""

    def __init__(self) -> None:
        self._poller = select.epoll()
        self._waiting: dict[int, tuple[int, Handler]] = {}
        self._shut: list[int] = []  # listeners that have to wait until a connection ends
        self._tidying: list[Callable[[float], None]] = []

    def watch(self, fd: int, wanted: int, handler: Handler | None = None) -> None:
        """Wait for events of a descriptor from now on; for none of it if nothing is wanted."""
        known = self._waiting.get(fd)
        if not wanted or handler is None:
            if known and known[0]:
                self._poller.unregister(fd)
            self._waiting.pop(fd, None)
        elif known is None:
            self._poller.register(fd, wanted)
            self._waiting[fd] = (wanted, handler)
        elif known[0] != wanted:
            self._poller.modify(fd, wanted)
            self._waiting[fd] = (wanted, handler)

    def at_times(self, action: Callable[[float], None]) -> None:
        """Have something done every now and then; it is told the moment (monotonic)."""
        self._tidying.append(action)

    def refused(self, listener: int, error: OSError) -> None:
        """Let no client in for a while if there is no room; a client that has gone meanwhile is no reason."""
        if error.errno in _FULL:
            self._shut.append(listener)
            self._poller.modify(listener, 0)

    def let_in(self) -> None:
        """Let clients in again: a connection has ended."""
        for fd in self._shut:
            self._poller.modify(fd, select.EPOLLIN)
        self._shut = []

    def serve(self) -> NoReturn:
        """Go on for ever."""
        tidied = time.monotonic()
        while True:
            for fd, event in self._poller.poll(_TIDY_SECONDS if self._tidying else -1, _AT_ONCE):
                known = self._waiting.get(fd)
                if known is not None:
                    known[1](fd, event)
            now = time.monotonic()
            if now - tidied >= _TIDY_SECONDS:
                tidied = now
                self.let_in()
                for action in self._tidying:
                    action(now)


def main(state: tuple[list[Port], bytes | Known]) -> NoReturn:
    """Pass ports on to a container; where it is comes with them (see Place)."""
    events, pipes, place = Events(), streams.Pipes(), Place(state[1])
    for fd, port in state[0]:
        end = socket(fileno=fd)
        end.setblocking(False)
        target = Target(place, port)
        if end.getsockopt(SOL_SOCKET, SO_TYPE) == SOCK_STREAM:
            streams.Listener(events, end, target, pipes)
        else:
            datagrams.Listener(events, end, target)
    events.serve()
