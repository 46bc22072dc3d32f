"""Removing trees whose content is hostile: through directory file descriptors, following nothing. On the run path."""

from __future__ import annotations

import errno
import os

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# One descriptor is open for each level on the way down; what lies deeper is first moved up to the top.
_DEPTH = 64


def remove_tree(path: str) -> None:
    """Remove a directory and all below it, or one file; nothing there is no error. Does not cross mount points.

    Others may remove the same tree at the same time.
    """
    parent, name = os.path.split(os.path.abspath(path))
    try:
        top = os.open(parent, _FLAGS)
    except FileNotFoundError:
        return
    try:
        device = os.stat(name, dir_fd=top, follow_symlinks=False).st_dev
        pending = [name]
        while pending:
            _remove(top, pending.pop(), top, pending, _DEPTH, device)
    except FileNotFoundError:
        pass
    finally:
        os.close(top)


def _remove(directory: int, name: str, top: int, pending: list[str], depth: int, device: int) -> None:
    """Remove one entry; a directory that lies too deep is moved into `top` and noted in `pending`."""
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
        if os.fstat(fd).st_dev != device:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), name)
        with os.scandir(fd) as entries:
            found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for child, is_directory in found:
            if not is_directory:
                _unlink(fd, child)
            elif depth:
                _remove(fd, child, top, pending, depth - 1, device)
            else:
                moved = f".{os.urandom(8).hex()}"
                os.rename(child, moved, src_dir_fd=fd, dst_dir_fd=top)
                pending.append(moved)
    finally:
        os.close(fd)
    try:
        os.rmdir(name, dir_fd=directory)
    except FileNotFoundError:
        pass


def _open(directory: int, name: str) -> int:
    try:
        return os.open(name, _FLAGS, dir_fd=directory)
    except PermissionError:
        # An ordinary user's own directory without the right to list it.
        os.chmod(name, 0o700, dir_fd=directory)
        return os.open(name, _FLAGS, dir_fd=directory)


def _unlink(directory: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        pass
    except PermissionError:
        os.fchmod(directory, 0o700)
        os.unlink(name, dir_fd=directory)
