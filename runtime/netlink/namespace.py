"""Going to another network namespace and back, to open sockets that stay there."""

from __future__ import annotations

import posix

from runtime import syscalls
from runtime.kernel import CLONE_NEWNET


def enter(namespace: int) -> int:
    """Take this process to another network namespace (its fd), and return a descriptor of the one that it leaves.

    To be used in a process of one thread that has CAP_SYS_ADMIN in the user namespaces of both: `leave` brings it back.
    """
    here = posix.open("/proc/self/ns/net", posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        syscalls.setns(namespace, CLONE_NEWNET)
    except OSError:
        posix.close(here)
        raise
    return here


def leave(here: int) -> None:
    """Go back to where `enter` came from."""
    try:
        syscalls.setns(here, CLONE_NEWNET)
    finally:
        posix.close(here)
