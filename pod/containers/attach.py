"""The way to a running container's monitor: its output and input, and the size of its terminal."""

from __future__ import annotations

import posix

from pod.errors import StateError
from runtime.monitor import listener

_CONTROL = posix.O_WRONLY | posix.O_NONBLOCK | posix.O_NOFOLLOW | posix.O_CLOEXEC


def connect(directory: str) -> int:
    """Become an attach client of the monitor that keeps its files in `directory`; return the connection's fd.

    Raises StateError if there is no monitor.
    """
    try:
        return listener.connect(directory)
    except OSError as error:
        raise StateError("you can only attach to running containers: container state improper") from error


def tell(directory: str, message: bytes) -> None:
    """Tell the monitor something by its fifo (see runtime.monitor.control); if it has ended, nothing happens."""
    try:
        control = posix.open(f"{directory}/ctl", _CONTROL)
    except OSError:
        return
    try:
        posix.write(control, message)
    except OSError:
        pass
    finally:
        posix.close(control)


def resize(directory: str, height: int, width: int) -> None:
    """Tell the monitor the size of the terminal; without one, or when it has just ended, nothing happens."""
    tell(directory, b"1 %d %d\n" % (height, width))
