"""Finding a path in a context as the build means it: links are followed, and end inside of it.

Each name is opened once, in its parent's descriptor, with O_NOFOLLOW; `..` of a link goes back along the way that was
come, so whatever is renamed meanwhile, nothing outside of the context is ever reached.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass

from runtime import inroot, kernel, syscalls

_STEP = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_BENEATH = kernel.RESOLVE_BENEATH | kernel.RESOLVE_NO_SYMLINKS | kernel.RESOLVE_NO_MAGICLINKS
_MOST_LINKS = 40


@dataclass(frozen=True)
class Found:
    """What a path led to: its path without links, relative to the root and empty for the root itself."""

    path: str
    status: os.stat_result


def find(root: int, path: str) -> Found:
    """Resolve a path below a directory's descriptor. Raises OSError for what is not there."""
    descriptor, found = open_found(root, path)
    os.close(descriptor)
    return found


def open_found(root: int, path: str) -> tuple[int, Found]:
    """Resolve a path; return an O_PATH descriptor of what is there, too. Raises OSError for what is not there."""
    names: list[str] = []
    opened = [os.dup(root)]  # the root's, and one for each name
    pending = inroot.components(path)[::-1]
    links = 0
    try:
        while pending:
            name = pending.pop()
            if name == "..":
                if names:
                    names.pop()
                    os.close(opened.pop())
                continue
            descriptor = os.open(name, _STEP, dir_fd=opened[-1])
            names.append(name)
            opened.append(descriptor)
            mode = os.fstat(descriptor).st_mode
            if stat.S_ISLNK(mode):
                target = os.readlink("", dir_fd=descriptor)
                os.close(opened.pop())
                names.pop()
                links += 1
                if links > _MOST_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                if target.startswith("/"):
                    while len(opened) > 1:
                        os.close(opened.pop())
                    names.clear()
                pending += inroot.components(target)[::-1]
            elif pending and not stat.S_ISDIR(mode):
                raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        found = Found("/".join(names), os.fstat(opened[-1]))
        return opened.pop(), found
    finally:
        for descriptor in opened:
            os.close(descriptor)


def is_there(root: int, path: str) -> bool:
    """Tell whether a path names something, be it a link that leads nowhere."""
    above, _, name = path.rpartition("/")
    try:
        directory, _found = open_found(root, above)
    except OSError:
        return False
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
        return True
    except OSError:
        return False
    finally:
        os.close(directory)


def open_directory(root: int, path: str) -> int:
    """Open a directory whose path has no links, to be listed. Raises OSError if it is none (any more)."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    return syscalls.openat2(root, path or ".", flags, resolve=_BENEATH)
