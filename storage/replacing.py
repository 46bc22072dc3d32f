"""Changing a file that is read while it is changed: what is new takes the place of what was there in one step."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def locked(path: str) -> Iterator[None]:
    """Hold a lock on the directory of a file, so that of two who change it at once neither loses the other's change.

    The directory is made if it is missing. Raises OSError.
    """
    directory = os.path.dirname(os.path.realpath(path))
    os.makedirs(directory, mode=0o700, exist_ok=True)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def replace(path: str, data: bytes, mode: int) -> None:
    """Write a file anew, also across a power cut; a symbolic link stays one. The caller holds a lock on the file.

    Raises OSError, and leaves nothing.
    """
    target = os.path.realpath(path)
    temporary = f"{target}.new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)  # of one who died here: we hold the lock
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(temporary, flags, mode), "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
