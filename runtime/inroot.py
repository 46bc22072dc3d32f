"""Paths inside of a hostile tree, resolved by the kernel below a directory's fd, never by string.

Every lookup is openat2(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS): symbolic links and `..` end inside of the root,
whatever the tree's owner renames meanwhile. What is missing is made one component at a time, in the fd of its parent.
"""

from __future__ import annotations

import posix
import stat
from errno import ELOOP

from runtime import syscalls
from runtime.kernel import RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS

_RESOLVE = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS
_MOST_LINKS = 40


def open_path(root: int, path: str, flags: int = posix.O_PATH) -> int:
    """Open `path` below the directory `root`; close-on-exec."""
    return syscalls.openat2(root, path, flags, resolve=_RESOLVE)


def components(path: str) -> list[str]:
    """Split a path; empty and `.` components mean nothing."""
    return [part for part in path.split("/") if part not in ("", ".")]


def make(root: int, path: str, *, directory: bool, mode: int = 0o755) -> int:
    """Open `path` as O_PATH, making it and its parents if they are missing; a file is made empty."""
    try:
        return open_path(root, path)
    except FileNotFoundError:
        return _make_missing(root, path, directory, mode)


def make_unfollowed(root: int, path: str, *, directory: bool) -> int:
    """Open or make `path` as `make` does, but take its last component for what it is, be it a symbolic link."""
    *above, name = components(path)
    parent = make(root, "/".join(above) or ".", directory=True)
    try:
        return open_path(parent, name, posix.O_PATH | posix.O_NOFOLLOW)
    except FileNotFoundError:
        return _open_or_make(root, above, name, directory, 0o755)
    finally:
        posix.close(parent)


def _make_missing(root: int, path: str, directory: bool, mode: int) -> int:
    # `done` is free of links: they are replaced by their targets in `pending`, a link that leads nowhere too.
    done: list[str] = []
    pending = components(path)[::-1]
    links = 0
    while pending:
        name = pending.pop()
        if name == "..":
            del done[-1:]
            continue
        fd = _open_or_make(root, done, name, directory or bool(pending), mode)
        if not stat.S_ISLNK(posix.fstat(fd).st_mode):
            done.append(name)
            if not pending:
                return fd
            posix.close(fd)
            continue
        target = posix.readlink("", dir_fd=fd)
        posix.close(fd)
        links += 1
        if links > _MOST_LINKS:
            raise OSError(ELOOP, posix.strerror(ELOOP), path)
        if target.startswith("/"):
            done.clear()
        pending.extend(components(target)[::-1])
    return open_path(root, "/".join(done) or ".")


def _open_or_make(root: int, done: list[str], name: str, directory: bool, mode: int) -> int:
    parent = open_path(root, "/".join(done) or ".", posix.O_PATH | posix.O_DIRECTORY)
    flags = posix.O_PATH | posix.O_NOFOLLOW | posix.O_CLOEXEC
    try:
        try:
            return posix.open(name, flags, dir_fd=parent)
        except FileNotFoundError:
            pass
        try:
            if directory:
                posix.mkdir(name, mode, dir_fd=parent)
            else:
                create = posix.O_CREAT | posix.O_EXCL | posix.O_NOFOLLOW | posix.O_CLOEXEC | posix.O_RDONLY
                posix.close(posix.open(name, create, 0o644, dir_fd=parent))
        except FileExistsError:
            pass
        return posix.open(name, flags, dir_fd=parent)
    finally:
        posix.close(parent)


def read_small_file(root: int, path: str, limit: int = 1 << 20) -> bytes:
    """Return the first `limit` bytes of a regular file below `root`; empty if it is missing or something else."""
    try:
        fd = open_path(root, path, posix.O_RDONLY | posix.O_NONBLOCK | posix.O_NOCTTY)
    except OSError:
        return b""
    try:
        if not stat.S_ISREG(posix.fstat(fd).st_mode):
            return b""
        content = b""
        while len(content) < limit:
            chunk = posix.read(fd, min(65536, limit - len(content)))
            if not chunk:
                break
            content += chunk
        return content
    except OSError:
        return b""
    finally:
        posix.close(fd)
