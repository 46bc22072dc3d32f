"""Waiting for a container in the foreground (`pod-runtime run` and `exec`): signals to it, its terminal to ours."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import fcntl
import posix
import select

from runtime.kernel import TIOCSWINSZ

_TIOCGWINSZ = 0x5413
_FORWARDED = (1, 2, 3, 10, 12, 15)
_SIGWINCH = 28
_CHUNK = 65536


def wait(pid: int, console: int | None) -> int:
    """Wait for a child; return its exit status, 128 + n if signal n killed it."""
    old = {number: _signal.signal(number, lambda signal, _frame: _send(pid, signal)) for number in _FORWARDED}
    try:
        if console is not None:
            _pump(console)
        return _reap(pid)
    finally:
        for number, handler in old.items():
            _signal.signal(number, handler if handler is not None else _signal.SIG_DFL)


def _send(pid: int, signal: int) -> None:
    try:
        posix.kill(pid, signal)
    except ProcessLookupError:
        pass


def _reap(pid: int) -> int:
    ended = 0
    while ended != pid:
        # Orphans of a container come to us if we are a subreaper.
        ended, status = posix.waitpid(-1, 0)
    code = posix.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _pump(console: int) -> None:
    """Copy between our standard streams and the container's terminal until that is closed on its side."""
    saved = None
    if posix.isatty(0):
        import termios
        import tty

        saved = termios.tcgetattr(0)
        # What was typed before belongs to the container: do not flush it.
        tty.setraw(0, termios.TCSANOW)
        _copy_size(console)
        _signal.signal(_SIGWINCH, lambda _signal_number, _frame: _copy_size(console))
    poll = select.poll()
    poll.register(console, select.POLLIN)
    poll.register(0, select.POLLIN)
    try:
        while True:
            for fd, _events in poll.poll():
                if fd == console and not _copy(console, 1):
                    return
                if fd == 0 and not _copy(0, console):
                    poll.unregister(0)
    finally:
        posix.close(console)
        if saved is not None:
            termios.tcsetattr(0, termios.TCSADRAIN, saved)


def _copy(source: int, target: int) -> bool:
    try:
        data = posix.read(source, _CHUNK)
    except OSError:
        # EIO: the last one who had the terminal open has gone.
        return False
    try:
        while data:
            data = data[posix.write(target, data) :]
            if not data:
                return True
    except OSError:
        # Nobody reads on.
        pass
    return False


def _copy_size(console: int) -> None:
    fcntl.ioctl(console, TIOCSWINSZ, fcntl.ioctl(0, _TIOCGWINSZ, bytes(8)))
