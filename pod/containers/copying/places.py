"""Finding the two ends of a copy: a path of the host as the user means it, a path of a container inside of it."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass

from pod.containers.copying.tree import PATH
from runtime import inroot

_MOST_LINKS = 40


@dataclass
class Place:
    """Where a path leads, links followed: a name in a directory's fd, and what is there."""

    parent: int
    name: str
    fd: int = -1  # of what is there, O_PATH; -1 for nothing
    status: os.stat_result | None = None

    @property
    def exists(self) -> bool:
        """Tell whether anything is there."""
        return self.status is not None

    @property
    def is_directory(self) -> bool:
        """Tell whether a directory is there."""
        return self.status is not None and stat.S_ISDIR(self.status.st_mode)

    @property
    def base(self) -> str:
        """Return the name that it has, links resolved; empty for a root."""
        if self.name != ".":
            return self.name
        return os.path.basename(os.readlink(f"/proc/self/fd/{self.fd}"))

    def close(self) -> None:
        """Close what is open."""
        os.close(self.parent)
        if self.fd >= 0:
            os.close(self.fd)


def find(path: str, root: int | None) -> Place:
    """Look a path up, below a directory's fd or on the host. Raises OSError if not even its directory is there.

    A symbolic link whose target is missing leads to that target's place.
    """
    wants_directory = path.endswith(("/", "/.")) or path in (".", "..")
    for _ in range(_MOST_LINKS):
        above, name = _split(path)
        parent = _open(above, root)
        try:
            descriptor = os.open(name, PATH, dir_fd=parent)
        except FileNotFoundError:
            return Place(parent, name)
        except BaseException:
            os.close(parent)
            raise
        found = os.fstat(descriptor)
        if not stat.S_ISLNK(found.st_mode):
            if wants_directory and not stat.S_ISDIR(found.st_mode):
                os.close(parent)
                os.close(descriptor)
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
            return Place(parent, name, descriptor, found)
        target = os.readlink("", dir_fd=descriptor)
        os.close(descriptor)
        os.close(parent)
        path = target if target.startswith("/") else f"{above}/{target}"
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)


def _split(path: str) -> tuple[str, str]:
    """Return the directory and the last name of a path; of one that names a directory by dots, itself and a dot."""
    while path.endswith(("/", "/.")):
        path = path[:-1]
    above, slash, name = path.rpartition("/")
    if name in ("", ".", ".."):
        return path or "/", "."
    return (above or "/") if slash else ".", name


def _open(path: str, root: int | None) -> int:
    flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
    return os.open(path, flags) if root is None else inroot.open_path(root, path, flags)
