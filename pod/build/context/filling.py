"""Filling one directory of a copy with its files, links and nodes; then the directory's own attributes."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass, field

from pod.build.context import known, resolution
from pod.build.context.attributes import copied_xattrs
from runtime import inroot
from storage.errors import StorageError
from storage.file_data import copy_data
from storage.trees import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pod.build.context.modes import Mode
    from pod.build.context.selection import Entry

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_KIND = 0o170000
_SET_IDS = stat.S_ISUID | stat.S_ISGID
# What one read and one write do faster than the calls that find holes or share blocks.
_SMALL = 64 << 10
# Overlayfs notes by the device 0, 0 that a file is removed.
_NO_DEVICE = "root alone can copy devices, and nobody one of the numbers 0, 0: .containerignore leaves files out"
_DEFAULT_ACL = "system.posix_acl_default"


@dataclass(frozen=True)
class Rules:
    """What becomes of owners and modes: None for what an image has, whose set-user-ID bits stay."""

    owner: tuple[int, int] | None
    mode: Mode | None
    keep_set_ids: bool
    lenient: bool
    umask: int

    def owner_of(self, status: os.stat_result) -> tuple[int, int]:
        """Return whose the copy of something will be."""
        return self.owner if self.owner is not None else (status.st_uid, status.st_gid)

    def mode_of(self, status: os.stat_result) -> int:
        """Return the permissions of the copy of a file or directory."""
        if self.mode is not None:
            return self.mode.of(status.st_mode)
        return status.st_mode & (0o7777 if self.keep_set_ids else 0o7777 & ~_SET_IDS)


@dataclass
class Filling:
    """A directory of the root file system, what goes in under which names, and from where.

    `own` is the source of the directory itself, whose attributes it gets; None for one that keeps its own. Without a
    `source`, the directory there is not looked at.
    """

    target: str
    source: str | None
    entries: list[tuple[Entry, str]] = field(default_factory=list)
    own: Entry | None = None


class Filler:
    """Fills directories below `target` from those below `source`; tells whether a file was not as selected."""

    def __init__(self, source: int, target: int, rules: Rules) -> None:
        self.changed = False
        self._source = source
        self._target = target
        self._rules = rules
        self._identity = (os.geteuid(), os.getegid())

    def fill(self, filling: Filling) -> None:
        """Put all in its place, in place of what has the names."""
        target = inroot.open_path(self._target, filling.target, os.O_RDONLY | os.O_DIRECTORY)
        source = -1
        if filling.source is not None and self._source >= 0:
            source = resolution.open_directory(self._source, filling.source)
        try:
            plain = not os.fstat(target).st_mode & stat.S_ISGID and _DEFAULT_ACL not in os.listxattr(target)
            for entry, name in filling.entries:
                kind = entry.status.st_mode & _KIND
                if kind == stat.S_IFREG:
                    self._file(source, target, entry, name, plain=plain)
                else:
                    self._other(target, entry, name, kind)
            if filling.own is not None:
                self._finish(target, source, filling.own.status)
        finally:
            os.close(target)
            if source >= 0:
                os.close(source)

    def _file(self, source: int, target: int, entry: Entry, name: str, *, plain: bool) -> None:
        rules = self._rules
        status = entry.status
        mode = rules.mode_of(status)
        try:
            writer = os.open(name, _CREATE, mode & 0o777, dir_fd=target)
        except FileExistsError:
            make_way(target, name)
            writer = os.open(name, _CREATE, mode & 0o777, dir_fd=target)
        try:
            if entry.content is not None:
                _write(writer, entry.content)
                attributes: Sequence[tuple[str, bytes]] = ()
            else:
                attributes = self._content(source, entry, writer)
            owner = rules.owner_of(status)
            if not plain or owner != self._identity:
                self._chown(owner, writer)
            if not plain or mode & (rules.umask | 0o7000):
                os.fchmod(writer, mode)
            for key, value in attributes:
                os.setxattr(writer, key, value)
            os.utime(writer, ns=(status.st_atime_ns, status.st_mtime_ns))
        finally:
            os.close(writer)

    def _content(self, source: int, entry: Entry, writer: int) -> Sequence[tuple[str, bytes]]:
        """Copy a file's content; return the attributes that its copy has."""
        status = entry.status
        reader = os.open(entry.path.rpartition("/")[2], _READ, dir_fd=source)
        try:
            found = os.fstat(reader)
            if not stat.S_ISREG(found.st_mode):
                raise OSError(errno.ESTALE, "it is no file any more", entry.path)
            if status.st_size <= _SMALL:
                data = os.read(reader, _SMALL + 1)
                _write(writer, data)
                if len(data) != status.st_size:
                    copy_data(reader, writer)
            else:
                copy_data(reader, writer)
            self.changed = self.changed or known.key(os.fstat(reader)) != known.key(status)
            return copied_xattrs(reader)
        finally:
            os.close(reader)

    def _other(self, target: int, entry: Entry, name: str, kind: int) -> None:
        """Make a symbolic link, a fifo or a device."""
        try:
            _make_node(target, entry, name, kind)
        except FileExistsError:
            make_way(target, name)
            _make_node(target, entry, name, kind)
        status = entry.status
        self._chown(self._rules.owner_of(status), name, target)
        if kind != stat.S_IFLNK:
            os.chmod(name, self._rules.mode_of(status), dir_fd=target)
        os.utime(name, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=target, follow_symlinks=False)

    def _finish(self, target: int, source: int, status: os.stat_result) -> None:
        """Give a directory the attributes of its source."""
        self._chown(self._rules.owner_of(status), target)
        os.fchmod(target, self._rules.mode_of(status))
        if source >= 0:
            for key, value in copied_xattrs(source):
                os.setxattr(target, key, value)
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))

    def _chown(self, owner: tuple[int, int], file: int | str, directory: int | None = None) -> None:
        try:
            os.chown(file, *owner, dir_fd=directory, follow_symlinks=directory is None)
        except OSError as error:
            if not (self._rules.lenient and error.errno in (errno.EPERM, errno.EINVAL)):
                raise


def make_way(directory: int, name: str) -> None:
    """Remove what a copy takes the place of, with all below it."""
    # The dot has the kernel's link to the descriptor followed, and nothing else.
    remove_tree(f"/proc/self/fd/{directory}/./{name}")


def _make_node(target: int, entry: Entry, name: str, kind: int) -> None:
    if kind == stat.S_IFLNK:
        os.symlink(entry.link, name, dir_fd=target)
    elif kind == stat.S_IFIFO:
        os.mkfifo(name, 0o600, dir_fd=target)
    else:
        try:
            os.mknod(name, kind | 0o600, entry.status.st_rdev, dir_fd=target)
        except PermissionError as error:
            raise StorageError(
                f"copy {entry.path}: a device: {(error.strerror or '').lower()}", hint=_NO_DEVICE
            ) from error


def _write(writer: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(writer, view) :]
