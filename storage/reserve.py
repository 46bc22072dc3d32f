"""A little space kept back, so that what frees space works on a full disk: to delete a row is to write, too."""

from __future__ import annotations

import posix
from fcntl import LOCK_EX, flock

from storage.errors import NoSpaceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from storage.store import Store

    T = TypeVar("T")

_SIZE = 256 << 10
# The size of the shared memory of a WAL, which is what a database that is opened on a full disk takes of the reserve.
_STEP = 32 << 10
_AMPLE = 64 << 20
# With less than this nothing new is begun: what fails half-way may not find the space to undo it.
_LEAST = 1 << 20


def keep(store: Store) -> None:
    """Make the reserve if it is missing, or whole if it is not, and there is ample space. Best effort."""
    path = _path(store)
    try:
        if posix.stat(path).st_size >= _SIZE:
            return
    except OSError:
        pass  # missing
    if _free(store.root) >= _AMPLE:
        _make(path)


def is_full(place: str | int) -> bool:
    """Tell whether the disk of a path or an open file has too little space to begin something new."""
    return _free(place) < _LEAST


def check(store: Store, attempt: str) -> None:
    """Raise NoSpaceError if there is too little space to begin something new."""
    if is_full(store.root):
        raise NoSpaceError(f"{attempt}: no space left on device")


def removing(store: Store, action: Callable[[], T]) -> T:
    """Do what removes something; if the disk is full for even that, once more with the reserve given up."""
    try:
        return action()
    except NoSpaceError:
        fd = give_up(store.root)
        if fd >= 0:
            posix.close(fd)
        return action()


def give_up(root: str) -> int:
    """Give up what there is of the reserve of the store there; return its file, for `take_back`, or -1.

    Who else opens a database with it at this moment is waited for: in between there may be neither reserve nor room.
    """
    try:
        fd = posix.open(f"{root}/reserve", posix.O_WRONLY | posix.O_CREAT | posix.O_CLOEXEC, 0o600)
    except OSError:
        return -1
    flock(fd, LOCK_EX)
    posix.ftruncate(fd, 0)
    return fd


def take_back(root: str, fd: int) -> None:
    """Make what is left of a reserve that was given up one again, and close its file. Best effort."""
    if fd >= 0:
        most = min(_SIZE * 3 // 4, _free(root) // _STEP * _STEP)
        any(_allocate(fd, size) for size in range(most, 0, -_STEP))
        posix.close(fd)


def _make(path: str) -> None:
    try:
        fd = posix.open(path, posix.O_WRONLY | posix.O_CREAT | posix.O_CLOEXEC, 0o600)
    except OSError:
        return
    _allocate(fd, _SIZE)
    posix.close(fd)


def _allocate(fd: int, size: int) -> bool:
    try:
        posix.posix_fallocate(fd, 0, size)
    except OSError:
        return False
    return True


def _free(place: str | int) -> int:
    status = posix.statvfs(place)
    return status.f_bavail * status.f_frsize


def _path(store: Store) -> str:
    return f"{store.root}/reserve"
