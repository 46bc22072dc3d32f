"""A little space kept back, so that what frees space works on a full disk: to delete a row is to write, too."""

from __future__ import annotations

import posix

from storage.errors import NoSpaceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from storage.store import Store

    T = TypeVar("T")

_SIZE = 256 << 10
_AMPLE = 64 << 20
# With less than this nothing new is begun: what fails half-way may not find the space to undo it.
_LEAST = 1 << 20


def keep(store: Store) -> None:
    """Make the reserve if it is missing and there is ample space. Best effort."""
    path = _path(store)
    if posix.access(path, posix.F_OK) or _free(store.root) < _AMPLE:
        return
    _make(path, _SIZE)


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
        try:
            posix.unlink(_path(store))
        except OSError:
            pass  # spent before
        return action()


def give_up(root: str) -> bool:
    """Give the reserve of the store there up if the disk is full; tell whether that made room."""
    try:
        if is_full(root):
            posix.unlink(f"{root}/reserve")
            return True
    except OSError:
        pass  # spent before
    return False


def take_back(root: str) -> None:
    """Make what is left of a reserve that was given up one again. Best effort."""
    for size in (_SIZE * 3 // 4, _SIZE // 2):
        if _make(f"{root}/reserve", size):
            return


def _make(path: str, size: int) -> bool:
    """Make a reserve, or leave nothing."""
    try:
        fd = posix.open(path, posix.O_WRONLY | posix.O_CREAT | posix.O_CLOEXEC, 0o600)
        try:
            posix.posix_fallocate(fd, 0, size)
        except OSError:
            posix.unlink(path)
            raise
        finally:
            posix.close(fd)
    except OSError:
        return False
    return True


def _free(place: str | int) -> int:
    status = posix.statvfs(place)
    return status.f_bavail * status.f_frsize


def _path(store: Store) -> str:
    return f"{store.root}/reserve"
