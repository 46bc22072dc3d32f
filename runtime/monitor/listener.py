"""The attach socket in a container's directory, which may lie deeper than a socket's address can be long."""

from __future__ import annotations

import posix
from _socket import AF_UNIX, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_SEQPACKET, socket

_DIRECTORY = posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC
_NAME = "attach"


def listen(directory: bytes) -> int:
    """Make the socket `attach` in the directory; return its fd, which does not block."""
    directory_fd = posix.open(directory, _DIRECTORY)
    try:
        listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK)
        listener.bind(f"/proc/self/fd/{directory_fd}/{_NAME}")
        listener.listen(64)
    finally:
        posix.close(directory_fd)
    return listener.detach()


def connect(directory: str | bytes) -> int:
    """Connect to the socket `attach` in the directory; return the connection's fd."""
    directory_fd = posix.open(directory, _DIRECTORY)
    try:
        connection = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC)
        try:
            connection.connect(f"/proc/self/fd/{directory_fd}/{_NAME}")
        except BaseException:
            connection.close()
            raise
    finally:
        posix.close(directory_fd)
    return connection.detach()
