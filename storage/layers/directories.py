"""What can be done about directories only when the last entry of a tar was read.

Modes, because children inherit groups from set-group-ID directories; times, because children change them;
opaque marks and whiteouts, because they may come before or after what they are about. All is kept by canonical
path with the ordinal of the entry that said it, so that what was removed since does not count.
"""

from __future__ import annotations

import os
import stat

from storage.errors import StorageError
from storage.layers.xattrs import opaque_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from storage.layers.tar import Entry
    from storage.layers.tree import Tree
    from storage.layers.xattrs import Policy


# No layer has so many directories. Paths are as long as a hostile tar wants, at the price of a name that is short.
_MAX_TEXT = 64 << 20


class Directories:
    """The directories of one layer, and what hides lower ones."""

    def __init__(self, tree: Tree, policy: Policy) -> None:
        self._tree = tree
        self._policy = policy
        self._implied: dict[bytes, int] = {}
        self._entries: dict[bytes, tuple[int, int | None, int, int, list[tuple[bytes, bytes]]]] = {}
        self._whiteouts: dict[bytes, int] = {}
        self._opaque: dict[bytes, int] = {}
        self._removed: dict[bytes, int] = {}
        self._text = 0

    def add(self, path: bytes, ordinal: int, entry: Entry, *, mode: int | None) -> None:
        """Note an entry; its mode is only given if it has to be set."""
        self._hold(path)
        self._entries[path] = (ordinal, mode, entry.atime, entry.mtime, entry.xattrs)
        self._implied.pop(path, None)

    def imply(self, path: bytes, ordinal: int) -> None:
        """Note a directory that was made because something lies in it."""
        self._hold(path)
        self._implied[path] = ordinal

    def set_opaque(self, path: bytes, ordinal: int) -> None:
        """Note that what lower layers have there does not show; no matter if it turns out to be a file."""
        self._hold(path)
        self._opaque[path] = ordinal

    def add_whiteout(self, path: bytes, ordinal: int) -> None:
        """Note a whiteout that was made."""
        self._hold(path)
        self._whiteouts[path] = ordinal

    def replace_whiteout(self, path: bytes, ordinal: int) -> None:
        """Note that something takes the place of a whiteout; a directory must not merge with what that hid."""
        self._whiteouts.pop(path)
        self._opaque[path] = ordinal

    def remove(self, path: bytes, ordinal: int) -> None:
        """Note that a directory went, with all below it."""
        self._hold(path)
        self._removed[path] = ordinal

    def _hold(self, path: bytes) -> None:
        self._text += len(path)
        if self._text > _MAX_TEXT:
            raise StorageError(f"unpack layer: the paths of its directories are longer than {_MAX_TEXT} bytes")

    def is_whiteout(self, path: bytes) -> bool:
        """Tell whether a whiteout is at this path."""
        ordinal = self._whiteouts.get(path)
        return ordinal is not None and self.stands(path, ordinal)

    def stands(self, path: bytes, ordinal: int) -> bool:
        """Tell whether what was at a path at that moment was not removed since, nor a directory above it."""
        if self._removed:
            while path:
                if self._removed.get(path, -1) > ordinal:
                    return False
                path = path.rpartition(b"/")[0]
        return True

    def implied(self) -> list[bytes]:
        """Return the directories without entry."""
        return sorted(path for path, ordinal in self._implied.items() if self.stands(path, ordinal))

    def finish(self) -> None:
        """Set what had to wait."""
        self._opaque = {path: at for path, at in self._opaque.items() if self.stands(path, at)}
        if self._opaque:
            self._prune_whiteouts()
        # In this order neighbours come together, and few directories are opened twice.
        for path in sorted(self._entries.keys() | self._opaque.keys()):
            self._finish(path)

    def _prune_whiteouts(self) -> None:
        """Remove whiteouts below opaque directories: overlayfs would list them there."""
        for path, ordinal in self._whiteouts.items():
            parent, _, name = path.rpartition(b"/")
            if self.stands(path, ordinal) and self._is_below_opaque(parent):
                os.unlink(name, dir_fd=self._tree.open(parent))

    def _is_below_opaque(self, path: bytes) -> bool:
        while path not in self._opaque:
            if not path:
                return False
            path = path.rpartition(b"/")[0]
        return True

    def _finish(self, path: bytes) -> None:
        entry = self._entries.get(path)
        if entry is not None and not self.stands(path, entry[0]):
            entry = None
        is_opaque = path in self._opaque
        if entry is None and not is_opaque:
            return
        parent, _, name = path.rpartition(b"/")
        fd = self._tree.open(parent)
        name = name or b"."
        if entry is None:
            self._set_attributes(fd, name, [], is_opaque=True)
            return
        _, mode, atime, mtime, attributes = entry
        if mode is not None:
            os.chmod(name, mode, dir_fd=fd)
        if is_opaque or attributes:
            self._set_attributes(fd, name, attributes, is_opaque=is_opaque)
        os.utime(name, ns=(atime, mtime), dir_fd=fd, follow_symlinks=False)

    def _set_attributes(self, fd: int, name: bytes, attributes: list[tuple[bytes, bytes]], *, is_opaque: bool) -> None:
        try:
            directory = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
        except NotADirectoryError:
            return  # A file took the place of a whiteout.
        try:
            for key, value in attributes:
                self._policy.put(directory, key, value)
            if is_opaque:
                os.setxattr(directory, opaque_name(rootless=self._policy.rootless), b"y")
        finally:
            os.close(directory)


def is_directory(fd: int, name: bytes) -> bool:
    """Tell whether the name in the directory is a directory, and not a link to one."""
    return stat.S_ISDIR(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode)
