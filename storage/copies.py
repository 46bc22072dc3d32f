"""Copies of layer trees: with the files hard-linked, or with everything copied and the owners shifted.

Trees are walked through directory file descriptors, for their names and links are hostile. Directories get their
times after their children.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from storage.file_data import copy_data

if TYPE_CHECKING:
    from collections.abc import Callable

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def link_tree(source: str, target: str) -> None:
    """Make `target` a tree of new directories like those of `source`, with its files hard-linked; or link one file."""
    if not stat.S_ISDIR(os.lstat(source).st_mode):
        os.link(source, target, follow_symlinks=False)
        return
    _Copier(link=True).tree(source, target)


def copy_tree(source: str, target: str, *, uid: Callable[[int], int], gid: Callable[[int], int]) -> None:
    """Copy a tree with owners as `uid` and `gid` map them; hard links within it, xattrs and times are kept."""
    _Copier(uid=uid, gid=gid).tree(source, target)


def _same(number: int) -> int:
    return number


class _Copier:
    def __init__(
        self, *, link: bool = False, uid: Callable[[int], int] = _same, gid: Callable[[int], int] = _same
    ) -> None:
        self._link = link
        self._uid = uid
        self._gid = gid
        self._seen: dict[tuple[int, int], str] = {}  # files with several names, and where the first copy is
        self._root = ""

    def tree(self, source: str, target: str) -> None:
        self._root = target
        os.mkdir(target, 0o700)
        from_fd = os.open(source, _FLAGS)
        try:
            to_fd = os.open(target, _FLAGS)
            try:
                self._directory(from_fd, to_fd, "")
            finally:
                os.close(to_fd)
        finally:
            os.close(from_fd)

    def _directory(self, source: int, target: int, path: str) -> None:
        with os.scandir(source) as entries:
            names = [entry.name for entry in entries]
        for name in names:
            status = os.stat(name, dir_fd=source, follow_symlinks=False)
            below = f"{path}/{name}" if path else name
            if stat.S_ISDIR(status.st_mode):
                self._subdirectory(source, target, name, below)
            elif self._link:
                os.link(name, name, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
            else:
                self._file(source, target, name, below, status)
        self._attributes(source, target, os.fstat(source))

    def _subdirectory(self, source: int, target: int, name: str, path: str) -> None:
        from_fd = os.open(name, _FLAGS, dir_fd=source)
        try:
            os.mkdir(name, 0o700, dir_fd=target)
            to_fd = os.open(name, _FLAGS, dir_fd=target)
            try:
                self._directory(from_fd, to_fd, path)
            finally:
                os.close(to_fd)
        finally:
            os.close(from_fd)

    def _file(self, source: int, target: int, name: str, path: str, status: os.stat_result) -> None:
        first = self._seen.get((status.st_dev, status.st_ino))
        if first is not None:
            os.link(f"{self._root}/{first}", name, dst_dir_fd=target, follow_symlinks=False)
            return
        if status.st_nlink > 1:
            self._seen[status.st_dev, status.st_ino] = path
        if stat.S_ISREG(status.st_mode):
            self._regular(source, target, name, status)
            return
        if stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
        else:
            os.mknod(name, status.st_mode, status.st_rdev, dir_fd=target)
        os.chown(name, self._uid(status.st_uid), self._gid(status.st_gid), dir_fd=target, follow_symlinks=False)
        if not stat.S_ISLNK(status.st_mode):
            os.chmod(name, stat.S_IMODE(status.st_mode), dir_fd=target)
        os.utime(name, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=target, follow_symlinks=False)

    def _regular(self, source: int, target: int, name: str, status: os.stat_result) -> None:
        from_fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=source)
        try:
            to_fd = os.open(name, _CREATE, 0o600, dir_fd=target)
            try:
                copy_data(from_fd, to_fd)
                self._attributes(from_fd, to_fd, status)
            finally:
                os.close(to_fd)
        finally:
            os.close(from_fd)

    def _attributes(self, source: int, target: int, status: os.stat_result) -> None:
        """Owner, mode, xattrs, times: in this order, for chown clears set-user-ID and file capabilities."""
        os.fchown(target, self._uid(status.st_uid), self._gid(status.st_gid))
        os.fchmod(target, stat.S_IMODE(status.st_mode))
        for name in os.listxattr(source):
            os.setxattr(target, name, os.getxattr(source, name))
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
