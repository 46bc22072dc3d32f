"""Files that another layer of the store has, too: linked into a new layer, or cloned, instead of written again.

Layers never change, so two of them may share a file that is the same in both, contents and attributes. It must have the
same name: then whatever images have both layers, one of the two hides the other, and no container sees two names of one
file that are no hard links in its image. A file that has its contents alone shares their blocks where the file system
can do that (FICLONE: xfs, btrfs). Nothing depends on either: what cannot be shared is written.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from typing import NamedTuple

from storage.layers.tree import NotThereError, Tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from storage.layers.tar import Entry

# What the host's security modules add to every file is no part of a layer.
HOST_ATTRIBUTES = ("security.selinux", "security.ima", "security.evm", "security.apparmor")
# linux/fs.h, _IOW(0x94, 9, int)
_FICLONE = 0x40049409
# In bytes: what is smaller is written as fast.
_SMALLEST_CLONE = 64 << 10


class _Offer(NamedTuple):
    """A file of a layer by its name there, which has no extended attributes if it is `plain`."""

    layer: str
    name: bytes
    inode: int
    plain: bool

    def is_for(self, entry: Entry) -> bool:
        """Tell whether it may be what an entry stands for, rather than have its contents only."""
        return self.plain and self.name == entry.name and not entry.xattrs and entry.segments is None


class Donors:
    """The files on offer, of these directories of layers, for what comes at some offset of the new layer's tar.

    Whoever yields the tar reads the contents and offers; who applies it gets to a file when that has been offered.
    """

    def __init__(self, layers: Iterable[str]) -> None:
        # Other stores, to which links lead, get no links from us.
        self.directories = [f"{layer}/diff" for layer in layers if not os.path.islink(layer)]
        self._offered: dict[int, _Offer] = {}
        self._trees: dict[str, Tree] = {}
        self._current: Tree | None = None
        self._taken: set[int] = set()
        self._euid, self._egid = os.geteuid(), os.getegid()
        self._links = self._clones = True  # as long as they are not refused

    def offer(self, offset: int, layer: str, name: bytes, fd: int, inode: int) -> None:
        """Offer an open file, of which the contents are about to be read, by its name in a layer's directory."""
        plain = all(attribute in HOST_ATTRIBUTES for attribute in os.listxattr(fd))
        self._offered[offset] = _Offer(layer, name, inode, plain)

    def link(self, entry: Entry, offset: int, fd: int, name: bytes) -> bool:
        """Link the file that is as the entry says into an open directory; False if there is none, or it cannot be."""
        offered = self._offered.get(offset)
        # One file twice would be two names of it, which may not be what this layer has.
        if offered is None or not self._links or not offered.is_for(entry) or offered.inode in self._taken:
            return False
        try:
            found = self._find(offered)
            if found is None or not self._fits(entry, found[2]):
                return False
            os.link(found[1], name, src_dir_fd=found[0], dst_dir_fd=fd, follow_symlinks=False)
        except NotThereError:
            return False
        except OSError as error:
            self._links = error.errno != errno.EXDEV  # a mount between the two, or Landlock
            return False
        self._taken.add(offered.inode)
        del self._offered[offset]
        return True

    def clone(self, entry: Entry, offset: int, file: int) -> bool:
        """Let a new file share the blocks of the one that has its contents; False if there is none, or it cannot be."""
        offered = self._offered.pop(offset, None)
        if offered is None or not self._clones or entry.size < _SMALLEST_CLONE:
            return False
        try:
            found = self._find(offered)
            if found is None or found[2].st_size != entry.size:
                return False
            source = os.open(found[1], os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=found[0])
            try:
                fcntl.ioctl(file, _FICLONE, source)
            finally:
                os.close(source)
        except NotThereError:
            return False
        except OSError:
            self._clones = False  # Most file systems cannot.
            return False
        return True

    def _find(self, offered: _Offer) -> tuple[int, bytes, os.stat_result] | None:
        """Find a file as it was offered: its directory's fd, its name there, and its status."""
        parent, _, last = offered.name.rpartition(b"/")
        tree = self._tree(offered.layer)
        directory = tree.open(parent)
        found = os.stat(last, dir_fd=directory, follow_symlinks=False)
        if tree.canonical(parent) != parent or found.st_ino != offered.inode or not stat.S_ISREG(found.st_mode):
            return None
        return directory, last, found

    def _tree(self, layer: str) -> Tree:
        tree = self._trees.get(layer)
        if tree is None:
            tree = self._trees[layer] = Tree(os.path.join(layer, "diff"))
        if self._current is not None and self._current is not tree:
            self._current.forget()  # each keeps up to 256 directories open
        self._current = tree
        return tree

    def _fits(self, entry: Entry, found: os.stat_result) -> bool:
        return (
            found.st_mode == stat.S_IFREG | entry.mode & 0o7777
            and found.st_size == entry.size
            and found.st_mtime_ns == entry.mtime
            and found.st_uid == (entry.uid or self._euid)
            and found.st_gid == (entry.gid or self._egid)
        )

    def close(self) -> None:
        """Close what is open."""
        for tree in self._trees.values():
            tree.close()
        self._trees.clear()
