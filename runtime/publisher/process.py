"""The process that passes a container's published ports on, as its monitor has it: begun, begun anew if killed, ended.

The monitor keeps the listening sockets: clients that come while there is no such process wait for the next one. Plain
values, and a file of memory with all that the process is made of, so that also a monitor in its bare interpreter can
begin it, which has none of that code.
"""

from __future__ import annotations

import marshal
import posix
import sys
import time

from runtime.monitor.pasta import end_child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# One that was begun anew and ends sooner than that would do so again.
_STEADY_SECONDS = 1.0


class Publisher:
    """The process; `begin` makes it."""

    __slots__ = ("_again", "memory", "namespace", "pid", "pidfd", "sockets")

    def __init__(self, sockets: list[int], memory: int, namespace: int) -> None:
        self.sockets = sockets  # listening ones, on the host
        self.memory = memory  # what `runtime.publisher.start` has packaged
        self.namespace = namespace  # the network namespace in which it connects
        self.pid = 0
        self.pidfd = -1
        self._again = 0.0  # when it was begun anew

    def freeze(self) -> dict[str, Any]:
        """Return the state as values that marshal can write."""
        return {name: getattr(self, name) for name in self.__slots__}

    @staticmethod
    def thaw(state: dict[str, Any]) -> Publisher:
        """Make it again from what `freeze` returned."""
        publisher = Publisher(state["sockets"], state["memory"], state["namespace"])
        for name, value in state.items():
            setattr(publisher, name, value)
        return publisher

    def fds(self) -> list[int]:
        """Return the descriptors that must survive an exec."""
        return [self.memory, self.namespace, *self.waits_for(), *self.sockets]

    def waits_for(self) -> list[int]:
        """Return the descriptor that is readable when the process has ended, if there is one."""
        return [self.pidfd] if self.pidfd >= 0 else []

    def begin(self) -> None:
        """Start the process, which dies with this one, its parent. Raises OSError."""
        parent = posix.getpid()
        self.pid = posix.fork()
        if self.pid == 0:
            try:
                _load(self.memory)
                from runtime.publisher import start

                start.become(self.memory, self.sockets, self.namespace, parent)
            finally:
                posix._exit(1)
        self.pidfd = posix.pidfd_open(self.pid)

    def ended(self) -> int:
        """Begin it anew, for it has ended, and return the descriptor by which that was heard, which is to be closed.

        If that will not do, clients are refused from now on.
        """
        heard, self.pidfd = self.pidfd, -1
        now = time.monotonic()
        try:
            if not self._again or now - self._again >= _STEADY_SECONDS:
                self._again = now
                self.begin()
                return heard
        except OSError:
            pass
        self._close_sockets()
        return heard

    def end(self) -> None:
        """End the process and wait for that; the ports are free then."""
        if self.pidfd >= 0:
            end_child(self.pid, self.pidfd)
            self.pidfd = -1
        self._close_sockets()
        posix.close(self.memory)
        posix.close(self.namespace)

    def _close_sockets(self) -> None:
        for fd in self.sockets:
            posix.close(fd)
        self.sockets = []


def _load(memory: int) -> None:
    """Load the modules that begin the process, as far as they are not there (see runtime.monitor.bare)."""
    packed: bytes = marshal.loads(posix.pread(memory, posix.fstat(memory).st_size, 0))[4]
    for name, code in marshal.loads(packed):
        if name not in sys.modules:
            sys.modules[name] = type(sys)(name)
            exec(code, sys.modules[name].__dict__)
