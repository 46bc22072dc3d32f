"""Removing trees whose content is hostile: through directory file descriptors, following nothing. On the run path."""

from __future__ import annotations

import errno
import posix
import time

_FLAGS = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC
# One descriptor is open for each level on the way down; what lies deeper is first moved up to the top.
_DEPTH = 64


class OutOfTimeError(Exception):
    """The deadline came; what is left is to be removed later."""


def remove_tree(path: str, *, deadline: float | None = None, dir_fd: int | None = None) -> None:
    """Remove a directory and all below it, or one file; nothing there is no error. Does not cross mount points.

    A relative path is one below `dir_fd`, if that is given. Others may remove the same tree at the same time. With a
    deadline (time.monotonic) it may raise OutOfTimeError.
    """
    parent, slash, name = path.rpartition("/")
    try:
        top = posix.open(parent or slash or ".", _FLAGS, dir_fd=dir_fd)
    except FileNotFoundError:
        return
    try:
        device = posix.stat(name, dir_fd=top, follow_symlinks=False).st_dev
        pending = [name]
        removal = _Removal(top, pending, device, deadline)
        while pending:
            removal.remove(top, pending.pop(), _DEPTH)
    except FileNotFoundError:
        pass
    finally:
        posix.close(top)


class _Removal:
    """What the steps of one removal share."""

    __slots__ = ("_deadline", "_device", "_pending", "_top")

    def __init__(self, top: int, pending: list[str], device: int, deadline: float | None) -> None:
        self._top = top
        self._pending = pending
        self._device = device
        self._deadline = deadline

    def remove(self, directory: int, name: str, depth: int) -> None:
        """Remove one entry; a directory that lies too deep is moved up to the top and noted in `pending`."""
        try:
            fd = _open(directory, name)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                raise
            _unlink(directory, name)
            return
        try:
            if posix.fstat(fd).st_dev != self._device:
                raise OSError(errno.EXDEV, posix.strerror(errno.EXDEV), name)
            self._empty(fd, depth)
        finally:
            posix.close(fd)
        try:
            posix.rmdir(name, dir_fd=directory)
        except FileNotFoundError:
            pass

    def _empty(self, fd: int, depth: int) -> None:
        with posix.scandir(fd) as entries:
            found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise OutOfTimeError
        for name, is_directory in found:
            if not is_directory:
                _unlink(fd, name)
            elif depth:
                self.remove(fd, name, depth - 1)
            else:
                moved = f".{posix.urandom(8).hex()}"
                posix.rename(name, moved, src_dir_fd=fd, dst_dir_fd=self._top)
                self._pending.append(moved)


def _open(directory: int, name: str) -> int:
    try:
        return posix.open(name, _FLAGS, dir_fd=directory)
    except PermissionError:
        # An ordinary user's own directory without the right to list it.
        posix.chmod(name, 0o700, dir_fd=directory)
        return posix.open(name, _FLAGS, dir_fd=directory)


def _unlink(directory: int, name: str) -> None:
    try:
        posix.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        pass
    except PermissionError:
        posix.fchmod(directory, 0o700)
        posix.unlink(name, dir_fd=directory)
