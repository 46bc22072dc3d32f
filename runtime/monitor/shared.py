"""The network namespace that the containers of a rootless user have in common, as their monitors have it.

Every monitor whose container is on a bridge is a member: it holds the namespace by a descriptor, and a file says so. A
namespace lives as long as somebody holds it; with the last member goes the pasta that joins it to the world. In the
directory `.shared` of the networks:

    lock            held by who joins or leaves
    pasta           PID and start time of pasta
    CONTAINER       a member: PID and start time of the monitor, and its descriptor of the namespace
"""

from __future__ import annotations

import fcntl
import posix
import select

from runtime import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from typing import Any
else:
    import _signal

LOCK, PASTA = b"lock", b"pasta"
_KILL = 9
_PATIENCE = 5.0


class Shared:
    """A container's part in the namespace; plain values."""

    __slots__ = ("container", "directory", "namespace", "publisher")

    def __init__(
        self, directory: bytes, container: bytes, namespace: int, publisher: tuple[int, int] | None = None
    ) -> None:
        self.directory = directory
        self.container = container
        self.namespace = namespace  # the descriptor that holds it
        self.publisher = publisher  # the process that passes published ports on: PID and pidfd

    def freeze(self) -> tuple[Any, ...]:
        """Return what makes it again."""
        return self.directory, self.container, self.namespace, self.publisher

    def fds(self) -> list[int]:
        """Return the descriptors that must survive an exec."""
        return [self.namespace, *([self.publisher[1]] if self.publisher else ())]

    def leave(self) -> None:
        """Be no member any more; the last one ends pasta. The namespace goes with its last descriptor."""
        if self.publisher:
            _end_publisher(*self.publisher)
            self.publisher = None
        try:
            held = lock(self.directory)
        except OSError:  # somebody emptied the runroot
            posix.close(self.namespace)
            return
        try:
            # In this order: who joins finds the namespace by our descriptor.
            remove(self.directory, self.container)
            posix.close(self.namespace)
            settle(self.directory)
        finally:
            posix.close(held)


def _end_publisher(pid: int, pidfd: int) -> None:
    try:
        _signal.pidfd_send_signal(pidfd, _KILL)
        posix.waitpid(pid, 0)
    except OSError:
        pass  # it has been reaped
    posix.close(pidfd)


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
            remove(directory, name)
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
    return [name for name in posix.listdir(directory) if name not in (LOCK, PASTA)]


def _is_alive(known: list[int]) -> bool:
    """Tell whether a member lives, by the numbers of its file."""
    return len(known) == 3 and process.is_alive(known[0], known[1])


def has_pasta(directory: bytes) -> bool:
    """Tell whether the namespace's pasta runs."""
    known = read(directory, PASTA)
    return len(known) == 2 and process.is_alive(known[0], known[1])


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


def remove(directory: bytes, name: bytes) -> None:
    """Remove a file, if it is there."""
    try:
        posix.unlink(directory + b"/" + name)
    except FileNotFoundError:
        pass
