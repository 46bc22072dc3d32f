"""Sleeping: a monitor that has nothing to do gives up the interpreter's memory, too.

It becomes a tiny program (sleeping_program.py) that waits for what the loop would wait for, and becomes the interpreter
again when anything comes. What Python knows lies meanwhile in a memfd, as when the monitor first moved into a bare
interpreter (reexec.py); children, descriptors and blocked signals survive.
"""

from __future__ import annotations

import marshal
import posix
import select
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal

    from runtime.monitor.loop import Loop
else:
    import _signal

_QUIET_MILLISECONDS = 2000
_SIGNALS = (_signal.SIGTERM, _signal.SIGCHLD)
# What sleeping_program.py has behind its code, and how much of that.
_DATA, _FDS, _PATH = 4096, 256, 48 + 8 * 256
_NAME = b"pod-monitor"
_MFD_CLOEXEC, _MFD_EXEC = 1, 0x10


class Poller:
    """What waits for a loop's descriptors: poll(2), and sleep once nothing has come for a while."""

    def __init__(self, loop: Loop) -> None:
        self._poll = select.poll()
        self._loop = loop
        self.register = self._poll.register
        self.unregister = self._poll.unregister

    def poll(self, timeout: int | None) -> list[tuple[int, int]]:
        """Return what has come; without a time by which something is to be done, sleep until then."""
        loop = self._loop
        if timeout is not None or loop.clients or loop.sync >= 0 or loop.unsent or loop.status is not None:
            return self._poll.poll(timeout)
        events = self._poll.poll(_QUIET_MILLISECONDS)
        if not events:
            # Where a signal has come, the loop looks what that means.
            events = [] if sleep(loop) else self._poll.poll(None)
        return events


def sleep(loop: Loop) -> bool:
    """Become the tiny program; return only if that is not possible (False), or if a signal has come meanwhile."""
    main = sys.modules["__main__"].__dict__["m"]  # what bare.py was started with
    program = _program(loop)
    if not program:
        return False
    # From here on a signal waits for the interpreter that comes next, which unblocks it when it can handle it.
    _signal.pthread_sigmask(_signal.SIG_BLOCK, _SIGNALS)
    loop.take_signals()
    has_come = loop.status is not None or loop.poked or loop.terminated or bool(loop.kill_at)
    if not has_come:
        memory = _file("pod-monitor", marshal.dumps((main[0], main[1], main[2], loop.freeze(), main[4])))
        _become(memory, program, loop.fds())
        posix.close(memory)
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, _SIGNALS)
    return has_come


def _become(memory: int, program: bytes, fds: list[int]) -> None:
    size = posix.fstat(memory).st_size
    start = f"import marshal,posix;m=marshal.loads(posix.pread({memory},{size},0));posix.close({memory});exec(m[0])"
    arguments = [*sys.orig_argv]
    arguments[arguments.index("-c") + 1] = start
    executable = _file("pod-sleep", program, executable=True)
    inherited = [memory, *fds]
    for fd in inherited:
        posix.set_inheritable(fd, True)
    try:
        posix.execve(executable, arguments, posix.environ)
    except OSError:
        for fd in inherited:
            posix.set_inheritable(fd, False)
        posix.close(executable)


def _program(loop: Loop) -> bytes:
    """Return the program with what it is to wait for; nothing if that is too much for it."""
    # One that was replaced by an upgrade has its successor in the same place.
    path = posix.readlink(b"/proc/self/exe").removesuffix(b" (deleted)")
    waits_for = [(fd, mask) for fd, mask in loop.masks.items() if fd != loop.wake]
    if len(waits_for) >= _FDS or len(path) >= _DATA - _PATH:
        return b""
    number = (1 << (_signal.SIGTERM - 1)) | (1 << (_signal.SIGCHLD - 1))
    polled = [(-1, select.POLLIN), *waits_for]
    data = (len(polled)).to_bytes(8, "little") + number.to_bytes(8, "little") + _NAME.ljust(16, b"\0")
    data += (1).to_bytes(8, "little") + bytes(8)
    data += b"".join(fd.to_bytes(4, "little", signed=True) + mask.to_bytes(4, "little") for fd, mask in polled)
    return loop.sleeper[:-_DATA] + data.ljust(_PATH, b"\0") + path.ljust(_DATA - _PATH, b"\0")


def _file(name: str, content: bytes, *, executable: bool = False) -> int:
    """Return a file of memory with this content."""
    try:
        fd = posix.memfd_create(name, _MFD_CLOEXEC | (_MFD_EXEC if executable else 0))
    except OSError:
        fd = posix.memfd_create(name, _MFD_CLOEXEC)  # before Linux 6.3 every memfd was executable
    view = memoryview(content)
    while view:
        view = view[posix.write(fd, view) :]
    return fd
