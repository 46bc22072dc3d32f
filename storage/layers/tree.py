"""The tree of a layer, reached only through directory fds.

No path of a layer is ever resolved by the kernel from outside: each step opens one name in a directory
fd with O_NOFOLLOW. Symbolic links to directories *within* the layer are followed as other engines do
(`lib -> usr/lib`, then `lib/x`), by reading the link and walking on from the layer's own root, so that
neither `..` nor an absolute target leads out.
"""

from __future__ import annotations

import errno
import os
import stat

from storage.errors import CorruptError
from storage.layers.tar import MAX_NAME, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

OPEN_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_LINKS = 40  # as the kernel's own limit
_MAX_OPEN = 256


class NotThereError(Exception):
    """A directory on the way does not exist in this layer, and was not to be made."""


class Tree:
    """Directories below `root`, by their names; their fds are kept for as long as they are useful."""

    def __init__(self, root: str) -> None:
        self._root = os.open(root, OPEN_DIRECTORY)
        # Directory fds by name; names that lead through a symbolic link are in `aliases` too.
        self.fds: dict[bytes, int] = {b"": self._root}
        self.aliases: dict[bytes, bytes] = {}

    @property
    def root(self) -> int:
        """The fd of the root directory."""
        return self._root

    def close(self) -> None:
        """Close all fds."""
        self.forget()
        os.close(self._root)

    def forget(self) -> None:
        """Drop what is cached: a directory or a link has gone, or there are too many."""
        for fd in self.fds.values():
            if fd != self._root:
                os.close(fd)
        self.fds.clear()
        self.fds[b""] = self._root
        self.aliases.clear()

    def canonical(self, directory: bytes) -> bytes:
        """Return the name without symbolic links of a directory that was just opened."""
        return self.aliases.get(directory, directory)

    def open(self, directory: bytes, missing: Callable[[int, bytes, bytes], None] | None = None) -> int:
        """Return the fd of a directory, valid until the next call.

        Where the walk meets nothing, or something that is neither directory nor link, it calls
        `missing(parent fd, canonical parent, name)`, which has to make a directory there or to raise.
        """
        fd = self.fds.get(directory)
        if fd is not None:
            return fd
        if len(self.fds) >= _MAX_OPEN:
            self.forget()
        return self._walk(directory, missing)

    def _walk(self, directory: bytes, missing: Callable[[int, bytes, bytes], None] | None) -> int:
        start = directory
        while (fd := self.fds.get(start)) is None:  # ends at b"", the root
            start = start.rpartition(b"/")[0]
        here = self.canonical(start)
        todo = directory[len(start) :].strip(b"/").split(b"/")
        todo.reverse()
        links = 0
        while todo:
            name = todo.pop()
            if not name or name == b".":
                continue
            if name == b"..":  # only of a link's target; above the root is the root
                here = here.rpartition(b"/")[0]
                fd = self.fds[here] if here in self.fds else self._walk(here, None)
                continue
            below = here + b"/" + name if here else name
            if len(below) > MAX_NAME:
                raise CorruptError(f"unpack layer: the name `{shown(below)}…` is too long")
            known = self.fds.get(below)
            if known is not None:
                fd, here = known, self.canonical(below)
                continue
            target = self._step(fd, here, name, below, missing)
            if target is None:
                fd, here = self.fds[below], below
                continue
            links += 1
            if links > _MAX_LINKS:
                raise CorruptError(f"unpack layer: too many symbolic links on the way to `{shown(directory)}`")
            if target[:1] == b"/":
                fd, here = self._root, b""
            todo += reversed(target.split(b"/"))
        if here != directory:
            self._add_alias(directory, here)
        return fd

    def _evict(self, in_use: int) -> None:
        """Close the oldest fd but the root's and the one that the walk stands on."""
        for name, fd in self.fds.items():
            if fd not in {self._root, in_use}:
                os.close(fd)
                del self.fds[name]
                self.aliases.pop(name, None)
                return

    def _add_alias(self, directory: bytes, here: bytes) -> None:
        # An fd of its own: forget() closes each once.
        self.fds[directory] = os.dup(self.fds[here])
        self.aliases[directory] = here

    def _step(
        self, fd: int, here: bytes, name: bytes, below: bytes, missing: Callable[[int, bytes, bytes], None] | None
    ) -> bytes | None:
        """Open one directory and keep its fd; or return the target of the link that is in its place."""
        if len(self.fds) >= _MAX_OPEN:
            self._evict(fd)
        for attempt in (1, 2):
            try:
                self.fds[below] = os.open(name, OPEN_DIRECTORY, dir_fd=fd)
            except OSError as error:
                if error.errno not in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}:
                    raise
                if error.errno != errno.ENOENT and is_link(fd, name):
                    return os.readlink(name, dir_fd=fd)
                if missing is None or attempt == 2:
                    raise NotThereError from error
                missing(fd, here, name)
            else:
                return None
        raise AssertionError("unreachable")


def is_link(fd: int, name: bytes) -> bool:
    """Tell whether the name in the directory is a symbolic link."""
    return stat.S_ISLNK(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode)
