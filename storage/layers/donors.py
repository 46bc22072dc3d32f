"""Files that another layer of the store has, too: linked into a new layer instead of written again.

Layers never change, so two of them may share a file that is the same in both, contents and attributes. It must have the
same name: then whatever images have both layers, one of the two hides the other, and no container sees two names of one
file that are no hard links in its image. Nothing depends on it: what cannot be linked is written.
"""

from __future__ import annotations

import errno
import os
import stat

from storage.layers.tree import NotThereError, Tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from storage.layers.tar import Entry

# What the host's security modules add to every file is no part of a layer.
HOST_ATTRIBUTES = ("security.selinux", "security.ima", "security.evm", "security.apparmor")


class Donors:
    """The files on offer; `directory` is where the layers are.

    One thread reads the contents and offers, another one links: it gets to a file when that has been offered.
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self._offered: dict[bytes, tuple[str, int]] = {}
        self._trees: dict[str, Tree] = {}
        self._current: Tree | None = None
        self._taken: set[int] = set()
        self._euid, self._egid = os.geteuid(), os.getegid()
        self._refused = False

    def offer(self, name: bytes, layer: str, fd: int, inode: int) -> None:
        """Offer an open file, of which the contents are about to be read, by its name in a layer's directory."""
        if all(attribute in HOST_ATTRIBUTES for attribute in os.listxattr(fd)):
            self._offered[name] = (layer, inode)

    def link(self, entry: Entry, fd: int, name: bytes) -> bool:
        """Link the file that is as the entry says into an open directory; False if there is none, or it cannot be."""
        offered = self._offered.pop(entry.name, None)
        # One file twice would be two names of it, which may not be what this layer has.
        if offered is None or self._refused or entry.xattrs or entry.segments is not None or offered[1] in self._taken:
            return False
        parent, _, last = entry.name.rpartition(b"/")
        try:
            tree = self._tree(offered[0])
            source = tree.open(parent)
            if tree.canonical(parent) != parent or not self._fits(entry, offered[1], source, last):
                return False
            os.link(last, name, src_dir_fd=source, dst_dir_fd=fd, follow_symlinks=False)
        except NotThereError:
            return False
        except OSError as error:
            self._refused = error.errno == errno.EXDEV  # a mount between the two, or Landlock
            return False
        self._taken.add(offered[1])
        return True

    def _tree(self, layer: str) -> Tree:
        tree = self._trees.get(layer)
        if tree is None:
            tree = self._trees[layer] = Tree(os.path.join(layer, "diff"))
        if self._current is not None and self._current is not tree:
            self._current.forget()  # each keeps up to 256 directories open
        self._current = tree
        return tree

    def _fits(self, entry: Entry, inode: int, directory: int, name: bytes) -> bool:
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
        return (
            found.st_ino == inode
            and found.st_mode == stat.S_IFREG | entry.mode & 0o7777
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
