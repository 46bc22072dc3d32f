"""The sockets in a container's directory, which may lie deeper than a socket's address can be long.

`attach` takes clients as long as the container lives; `start`, while it waits for a command to start it, that command.
"""

from __future__ import annotations

import posix
from _socket import AF_UNIX, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_SEQPACKET, socket

_DIRECTORY = posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC
ATTACH = "attach"
START = "start"


def listen(directory: bytes, name: str = ATTACH) -> int:
    """Make a socket in the directory; return its fd, which does not block."""
    directory_fd = posix.open(directory, _DIRECTORY)
    try:
        listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK)
        listener.bind(f"/proc/self/fd/{directory_fd}/{name}")
        listener.listen(64)
    finally:
        posix.close(directory_fd)
    return listener.detach()


def connect(directory: str | bytes, name: str = ATTACH) -> int:
    """Connect to a socket in the directory; return the connection's fd."""
    directory_fd = posix.open(directory, _DIRECTORY)
    try:
        connection = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC)
        try:
            connection.connect(f"/proc/self/fd/{directory_fd}/{name}")
        except BaseException:
            connection.close()
            raise
    finally:
        posix.close(directory_fd)
    return connection.detach()


def accept(listener_fd: int) -> int:
    """Take the next connection; return its fd, which blocks. Raises BlockingIOError if there is none."""
    listener = socket(fileno=listener_fd)
    try:
        descriptor, _ = listener._accept()  # type: ignore[attr-defined]
    finally:
        listener.detach()
    posix.set_blocking(descriptor, True)
    return int(descriptor)
