"""Copy a directory of the image into the tmpfs that will cover it (`tmpcopyup`), fd by fd, following no link."""

from __future__ import annotations

import posix
import stat
from errno import EINVAL

_CHUNK = 1 << 20
_READ_DIRECTORY = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC


def copy_tree(source: int, target: int, given: frozenset[str] = frozenset()) -> None:
    """Copy what is in the directory `source` into the directory `target`; both may be O_PATH.

    `target` itself becomes like `source` but for what is `given`: of "mode", "uid" and "gid".
    """
    reading = posix.open(".", _READ_DIRECTORY, dir_fd=source)
    writing = posix.open(".", _READ_DIRECTORY, dir_fd=target)
    try:
        for name in posix.listdir(reading):
            _copy_entry(reading, writing, name)
        _copy_owner(writing, posix.fstat(reading), given)
    finally:
        posix.close(reading)
        posix.close(writing)


def _copy_entry(source: int, target: int, name: str) -> None:
    status = posix.stat(name, dir_fd=source, follow_symlinks=False)
    if stat.S_ISDIR(status.st_mode):
        posix.mkdir(name, 0o700, dir_fd=target)
        below = posix.open(name, posix.O_PATH | posix.O_NOFOLLOW | posix.O_CLOEXEC, dir_fd=source)
        copy = posix.open(name, posix.O_PATH | posix.O_NOFOLLOW | posix.O_CLOEXEC, dir_fd=target)
        try:
            copy_tree(below, copy)
        finally:
            posix.close(below)
            posix.close(copy)
    elif stat.S_ISLNK(status.st_mode):
        posix.symlink(posix.readlink(name, dir_fd=source), name, dir_fd=target)
        _chown(name, status, target)
    elif stat.S_ISREG(status.st_mode):
        _copy_file(source, target, name)
    elif stat.S_ISFIFO(status.st_mode):
        posix.mkfifo(name, stat.S_IMODE(status.st_mode), dir_fd=target)
        _chown(name, status, target)


def _copy_file(source: int, target: int, name: str) -> None:
    # In a volume of others it may have become a fifo or a device since: that must neither hang nor be read.
    reading = posix.open(name, posix.O_RDONLY | posix.O_NOFOLLOW | posix.O_NONBLOCK | posix.O_CLOEXEC, dir_fd=source)
    if not stat.S_ISREG(posix.fstat(reading).st_mode):
        posix.close(reading)
        return
    writing = posix.open(name, posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_CLOEXEC, 0o600, dir_fd=target)
    try:
        while posix.sendfile(writing, reading, None, _CHUNK):
            pass
        _copy_owner(writing, posix.fstat(reading))
    finally:
        posix.close(reading)
        posix.close(writing)


def _copy_owner(fd: int, status: posix.stat_result, given: frozenset[str] = frozenset()) -> None:
    # chown first: it clears the set-user-ID bit.
    _chown(fd, status, given=given)
    if "mode" not in given:
        posix.fchmod(fd, stat.S_IMODE(status.st_mode))


def _chown(
    file: str | int,
    status: posix.stat_result,
    directory: int | None = None,
    *,
    given: frozenset[str] = frozenset(),
) -> None:
    uid = -1 if "uid" in given else status.st_uid
    gid = -1 if "gid" in given else status.st_gid
    try:
        if isinstance(file, int):
            posix.fchown(file, uid, gid)
        else:
            posix.chown(file, uid, gid, dir_fd=directory, follow_symlinks=False)
    except OSError as error:
        # An owner that the user namespace does not map cannot be given: the copy then belongs to its root.
        if error.errno != EINVAL:
            raise
