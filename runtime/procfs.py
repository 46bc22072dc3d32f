"""Writes to procfs that arrive where they are meant to: below a root that was checked, crossing no other mount.

Whoever can mount something over parts of /proc, or put something else there, would have our writes go to a file of his
choice (CVE-2019-16884, CVE-2019-19921, CVE-2025-52881). So the root is opened while /proc is the host's, before
anything of the container is entered, and each file by openat2 below it.
"""

from __future__ import annotations

import posix
from errno import EXDEV

from runtime import syscalls
from runtime.errors import OCIRuntimeError
from runtime.kernel import PROC_SUPER_MAGIC, RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_XDEV

_ROOT_INODE = 1  # PROC_ROOT_INO
_RESOLVE = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS


def open_root(path: str = "/proc") -> int:
    """Open /proc; OCIRuntimeError if that is not the root of a procfs."""
    fd = syscalls.open_directory(path)
    if syscalls.filesystem_type(fd) != PROC_SUPER_MAGIC or posix.fstat(fd).st_ino != _ROOT_INODE:
        posix.close(fd)
        raise OCIRuntimeError(f"{path} is not a procfs")
    return fd


def write(root: int, path: str, content: bytes) -> None:
    """Write a file of procfs at once; OSError EXDEV if something is mounted over it."""
    try:
        fd = syscalls.openat2(root, path, posix.O_WRONLY, resolve=_RESOLVE)
    except OSError as error:
        if error.errno == EXDEV:
            raise OSError(EXDEV, "something is mounted over it", f"/proc/{path}") from None
        raise
    try:
        posix.write(fd, content)
    finally:
        posix.close(fd)
