"""The network namespace that the containers of a rootless user have in common, as their monitors have it.

Every monitor whose container is on a bridge is a member: it holds the namespace by a descriptor, and a file says so. A
namespace lives as long as somebody holds it; with the last member goes the pasta that joins it to the world. In the
directory `.shared` of the networks:

    lock            held by who joins or leaves
    pasta           PID and start time of pasta
    CONTAINER       a member: PID and start time of the monitor, and its descriptor of the namespace
    .CONTAINER      where its published ports lead (see runtime.publisher.target)
"""

from __future__ import annotations

import fcntl
import posix
import select
import time

from runtime import process
from runtime.monitor import pasta

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from typing import Any

    from runtime.publisher.process import Publisher
else:
    import _signal

LOCK, PASTA = b"lock", b"pasta"
TOLD = b"."
_KILL = 9
_PATIENCE = 5.0
_STEADY_SECONDS = 10.0


class Shared:
    """A container's part in the namespace; plain values."""

    __slots__ = ("_started", "_watched", "command", "container", "directory", "namespace", "publisher")

    def __init__(self, directory: bytes, container: bytes, namespace: int) -> None:
        self.directory = directory
        self.container = container
        self.namespace = namespace  # the descriptor that holds it
        self.publisher: Publisher | None = None  # the process that passes published ports on
        self.command: tuple[str, list[str]] | None = None  # pasta's program and options, if it is needed
        self._watched = -1  # pasta's pidfd
        self._started = 0.0  # when we started it anew

    def freeze(self) -> dict[str, Any]:
        """Return what `thaw` needs."""
        state = {name: getattr(self, name) for name in self.__slots__}
        return {**state, "publisher": self.publisher and self.publisher.freeze()}

    @staticmethod
    def thaw(state: dict[str, Any]) -> Shared:
        """Make it again from what `freeze` returned."""
        shared = Shared(state["directory"], state["container"], state["namespace"])
        for name, value in state.items():
            setattr(shared, name, value)
        if state["publisher"]:
            from runtime.publisher.process import Publisher

            shared.publisher = Publisher.thaw(state["publisher"])
        return shared

    def fds(self) -> list[int]:
        """Return the descriptors that must survive an exec."""
        return [self.namespace, *self._pasta(), *(self.publisher.fds() if self.publisher else ())]

    def connect(self, command: tuple[str, list[str]]) -> None:
        """See that pasta joins the namespace to the world from now on; the caller holds the lock.

        Raises OCIRuntimeError.
        """
        self.command = command
        if not has_pasta(self.directory):
            start_pasta(self.directory, self.namespace, command)
        self._watch()

    def waits_for(self) -> list[int]:
        """Return the descriptors that are readable when there is something to do."""
        return [*self._pasta(), *(self.publisher.waits_for() if self.publisher else ())]

    def _pasta(self) -> list[int]:
        return [self._watched] if self._watched >= 0 else []

    def heard(self, fd: int) -> int:
        """Start anew what has ended, and return a descriptor that is to be closed."""
        if self.publisher and fd in self.publisher.waits_for():
            return self.publisher.ended()
        return self._replace_pasta()

    def _replace_pasta(self) -> int:
        """Start pasta anew, unless another member has.

        It may have been in the control group of a container that has ended. If it ends again and again, it is left to
        who joins next.
        """
        ended, self._watched = self._watched, -1
        now = time.monotonic()
        if self.command is None or (self._started and now - self._started < _STEADY_SECONDS):
            return ended
        try:
            held = lock(self.directory)
            try:
                if not has_pasta(self.directory):
                    self._started = now
                    start_pasta(self.directory, self.namespace, self.command)
                self._watch()
            finally:
                posix.close(held)
        except Exception:
            pass  # there is no way to the world now
        return ended

    def _watch(self) -> None:
        known = read(self.directory, PASTA)
        try:
            self._watched = posix.pidfd_open(known[0])
        except (OSError, IndexError):
            self._watched = -1

    def leave(self) -> None:
        """Be no member any more; the last one ends pasta. The namespace goes with its last descriptor."""
        if self.publisher:
            self.publisher.end()
            self.publisher = None
        for fd in self._pasta():
            posix.close(fd)
        try:
            held = lock(self.directory)
        except OSError:  # somebody emptied the runroot
            posix.close(self.namespace)
            return
        try:
            # In this order: who joins finds the namespace by our descriptor.
            forget(self.directory, self.container)
            posix.close(self.namespace)
            settle(self.directory)
        finally:
            posix.close(held)


def lock(directory: bytes, *, wait: bool = True) -> int:
    """Take the lock and return the descriptor whose closing gives it up; OSError."""
    fd = posix.open(directory + b"/" + LOCK, posix.O_RDWR | posix.O_CREAT | posix.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BaseException:
        posix.close(fd)
        raise
    return fd


def settle(directory: bytes) -> list[tuple[int, int]]:
    """Forget members that are no more, and end pasta with the last one; the caller holds the lock.

    Return the living ones: PID and descriptor each.
    """
    living = []
    for name in _members(directory):
        known = read(directory, name)
        if _is_alive(known):
            living.append((known[0], known[2]))
        else:
            forget(directory, name)
    if not living:
        _end_pasta(directory)
    return living


def tidy(directory: bytes) -> None:
    """End what members that were killed have left, if none lives; whoever has the lock sees to it himself. OSError."""
    names = posix.listdir(directory)
    if names in ([], [LOCK]) or any(_is_alive(read(directory, name)) for name in _members(directory)):
        return
    try:
        held = lock(directory, wait=False)
    except BlockingIOError:
        return
    try:
        settle(directory)
    finally:
        posix.close(held)


def _members(directory: bytes) -> list[bytes]:
    names = [name.removeprefix(TOLD) for name in posix.listdir(directory) if name not in (LOCK, PASTA)]
    return list(dict.fromkeys(names))


def _is_alive(known: list[int]) -> bool:
    """Tell whether a member lives, by the numbers of its file."""
    return len(known) == 3 and process.is_alive(known[0], known[1])


def has_pasta(directory: bytes) -> bool:
    """Tell whether the namespace's pasta runs."""
    known = read(directory, PASTA)
    return len(known) == 2 and process.is_alive(known[0], known[1])


def start_pasta(directory: bytes, namespace: int, command: tuple[str, list[str]]) -> None:
    """Start the namespace's pasta; the caller holds the lock. Raises OCIRuntimeError, and then there is none."""

    def note() -> None:
        pid = posix.getpid()
        write(directory, PASTA, pid, process.start_time(pid) or 0)

    posix.close(pasta.start(*command, namespace, note).pidfd)


def _end_pasta(directory: bytes) -> None:
    known = read(directory, PASTA)
    if len(known) == 2:
        try:
            pidfd = posix.pidfd_open(known[0])
        except OSError:  # it has ended
            pidfd = -1
        if pidfd >= 0:
            try:
                if process.is_alive(known[0], known[1]):  # only now is it certain whose descriptor that is
                    _signal.pidfd_send_signal(pidfd, _KILL)
                    select.select([pidfd], [], [], _PATIENCE)
            finally:
                posix.close(pidfd)
    remove(directory, PASTA)


def read(directory: bytes, name: bytes) -> list[int]:
    """Return the numbers of a file; none if it is not there, or is not whole."""
    try:
        fd = posix.open(directory + b"/" + name, posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return []
    try:
        content = posix.read(fd, 256)
        return [int(word) for word in content.split()] if content.endswith(b"\n") else []
    except (OSError, ValueError):
        return []
    finally:
        posix.close(fd)


def write(directory: bytes, name: bytes, *numbers: int) -> None:
    """Write a file; the caller holds the lock, or is the only one who knows of it yet. OSError."""
    fd = posix.open(directory + b"/" + name, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, 0o600)
    try:
        posix.write(fd, b" ".join(b"%d" % number for number in numbers) + b"\n")
    finally:
        posix.close(fd)


def forget(directory: bytes, container: bytes) -> None:
    """Remove what tells of a member."""
    remove(directory, container)
    remove(directory, TOLD + container)


def remove(directory: bytes, name: bytes) -> None:
    """Remove a file, if it is there."""
    try:
        posix.unlink(directory + b"/" + name)
    except FileNotFoundError:
        pass
