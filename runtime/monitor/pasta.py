"""pasta(1), which joins a network namespace to the world without privileges: started, awaited, and ended.

It stays a child of the process that starts it, and dies with that, unless it is to live on. Namespace and readiness go
by its standard streams: newer versions close all other descriptors that they inherit, and profiles of AppArmor deny
most paths but not these.
"""

from __future__ import annotations

import posix
import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Callable
    from typing import Any, NoReturn

    from runtime.publisher.process import Publisher
else:
    import _signal

_PATIENCE = 30.0
_KILL = 9
_LARGEST = 1 << 16
_OWN = (b"--foreground", b"--no-netns-quit", b"--pid", b"/proc/self/fd/1", b"--netns", b"/proc/self/fd/0")


class Pasta:
    """A pasta at work; plain values, which survive the re-exec of a monitor."""

    KIND = "pasta"
    __slots__ = ("pid", "pidfd", "published")

    def __init__(self, pid: int, pidfd: int, published: Publisher | None = None) -> None:
        self.pid = pid
        self.pidfd = pidfd
        self.published = published  # the process that passes published ports on in its place

    def freeze(self) -> dict[str, Any]:
        """Return the state as values that marshal can write."""
        return {"pid": self.pid, "pidfd": self.pidfd, "published": self.published and self.published.freeze()}

    @staticmethod
    def thaw(state: dict[str, Any]) -> Pasta:
        """Make it again from what `freeze` returned."""
        pasta = Pasta(state["pid"], state["pidfd"])
        if state["published"]:
            from runtime.publisher.process import Publisher

            pasta.published = Publisher.thaw(state["published"])
        return pasta

    def fds(self) -> list[int]:
        """Return the descriptors that must survive an exec."""
        return [self.pidfd, *(self.published.fds() if self.published else ())]

    def waits_for(self) -> list[int]:
        """Return the descriptors that are readable when there is something to do."""
        return self.published.waits_for() if self.published else []

    def heard(self, fd: int) -> int:
        """Do it, and return a descriptor that is to be closed."""
        assert self.published is not None
        return self.published.ended()

    def publisher(self) -> Publisher | None:
        """Return the process that passes published ports on, if there is one."""
        return self.published

    def look(self) -> None:
        """See where the container is now: nobody connects it elsewhere while it runs."""

    def end(self) -> int:
        """End it, wait for that, and return its wait status; 0 if somebody else has asked for that before."""
        if self.published:
            self.published.end()
        return end_child(self.pid, self.pidfd)


def end_child(pid: int, pidfd: int) -> int:
    """Kill a child, wait for its end, and return its wait status; 0 if it has been reaped. Its pidfd is closed."""
    try:
        _signal.pidfd_send_signal(pidfd, _KILL)
    except OSError:
        pass  # it has ended before
    posix.close(pidfd)
    try:
        return posix.waitpid(pid, 0)[1]
    except OSError:
        return 0


def start(program: str, options: list[str], namespace: int, lives_on: Callable[[], None] | None = None) -> Pasta:
    """Start a pasta for a network namespace (its fd), and return when that is connected.

    With `lives_on` it outlives this process; that is called, before anything else, in the process that becomes pasta.

    `options` tell addresses and ports, not the namespace. The process has one thread, standard streams, and
    CAP_SYS_ADMIN in the user namespaces of itself and of `namespace`. Raises OCIRuntimeError with what pasta said; then
    nothing is left of it.
    """
    from runtime.errors import OCIRuntimeError

    ready, told = posix.pipe2(posix.O_CLOEXEC)
    messages, stderr = posix.pipe2(posix.O_CLOEXEC)
    argv = [b"pasta", *(option.encode("utf-8", "surrogateescape") for option in options), *_OWN]
    parent = posix.getpid()
    pid = posix.fork()
    if pid == 0:
        _become(program, argv, (namespace, told, stderr), parent, lives_on)
    pasta = Pasta(pid, posix.pidfd_open(pid))
    posix.close(told)
    posix.close(stderr)
    try:
        if _hears(ready) and posix.read(ready, 64):
            return pasta
        over = _hears(pasta.pidfd)  # which takes a moment longer than the end of its descriptors
        status = pasta.end()
        said = _read(messages) if over else f"no connection within {_PATIENCE:.0f} s"
        code = posix.waitstatus_to_exitcode(status) if over else -_KILL
        raise OCIRuntimeError(f"pasta failed with exit code {code}:\n{said}")
    finally:
        posix.close(ready)
        posix.close(messages)


def _become(
    program: str, argv: list[bytes], streams: tuple[int, ...], parent: int, lives_on: Callable[[], None] | None
) -> NoReturn:
    """Be pasta, with these standard streams."""
    try:
        if lives_on is not None:
            lives_on()
            posix.setsid()
        else:
            from runtime import syscalls

            syscalls.prctl(syscalls.PR_SET_PDEATHSIG, _KILL)
        if lives_on is not None or posix.getppid() == parent:  # else nobody would tell us any more
            # The version of 2023 takes an ignored SIGPIPE for a failure to ignore it.
            _signal.signal(_signal.SIGPIPE, _signal.SIG_DFL)
            _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
            for number, fd in enumerate(streams):
                posix.dup2(fd, number)
            posix.execve(program, argv, posix.environ)
    except OSError as error:
        posix.write(2, f"{program}: {posix.strerror(error.errno or 0).lower()}\n".encode())
    finally:
        posix._exit(127)


def _hears(fd: int) -> bool:
    """Wait until a descriptor has something to tell; False if that takes too long."""
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    return bool(poller.poll(_PATIENCE * 1000))


def _read(messages: int) -> str:
    """Return what pasta said on its standard error, without complaints of a missing system logger."""
    text = posix.read(messages, _LARGEST).decode("utf-8", "replace")
    return "\n".join(line for line in text.splitlines() if not line.endswith("bytes to syslog"))
