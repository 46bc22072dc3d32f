"""The tree of a layer in memory."""

from __future__ import annotations

import stat

from storage.errors import CorruptError
from storage.layers.tar import MAX_NAME, shown
from storage.layers.tree import NotThereError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_LINKS = 40  # as the kernel's own limit
_MAX_KNOWN = 4096
_NOTHING: dict[bytes, bytes] = {}
WHITEOUT = stat.S_IFCHR


class Node:
    """A file, directory, link or device; what has several names is in several directories."""

    __slots__ = (
        "children",
        "extents",
        "gid",
        "implied",
        "link",
        "mode",
        "mtime",
        "names",
        "opaque",
        "place",
        "rdev",
        "size",
        "uid",
        "xattrs",
    )

    def __init__(self, mode: int, *, uid: int = 0, gid: int = 0, mtime: int = 0) -> None:
        self.mode = mode  # with the type
        self.uid = uid
        self.gid = gid
        self.mtime = mtime  # nanoseconds
        self.size = 0
        self.rdev = 0
        self.link = b""
        # (offset in the file, offset in the tar, length)
        self.extents: tuple[tuple[int, int, int], ...] = ()
        self.children: dict[bytes, Node] | None = {} if stat.S_ISDIR(mode) else None
        self.xattrs: dict[bytes, bytes] = _NOTHING
        self.implied = False  # a directory that no entry of the tar is about
        self.opaque = False  # a directory that hides what lower layers have there
        self.names = 0  # how many directories have it; for the writer
        self.place = 0  # where its inode is; for the writer

    @property
    def is_whiteout(self) -> bool:
        """Tell whether it hides a file of a lower layer: tars have no such device."""
        return stat.S_ISCHR(self.mode) and not self.rdev


class Nodes:
    """A tree of nodes, in which directories are reached as `storage.layers.tree` does it on disk."""

    def __init__(self) -> None:
        self.root = Node(stat.S_IFDIR | 0o755)
        self.root.implied = True
        self._known: dict[bytes, Node] = {b"": self.root}
        # Names of directories that lead through a symbolic link.
        self._aliases: dict[bytes, bytes] = {}

    def forget(self) -> None:
        """Drop what is cached: a directory or a link has gone."""
        self._known = {b"": self.root}
        self._aliases = {}

    def canonical(self, directory: bytes) -> bytes:
        """Return the name without symbolic links of a directory that was just looked up."""
        return self._aliases.get(directory, directory)

    def find(self, directory: bytes, missing: Callable[[Node, bytes], Node] | None = None) -> Node:
        """Return a directory.

        Where the walk meets nothing, or something that is neither directory nor link, it calls `missing(parent, name)`,
        which has to make a directory there or to raise; without, it raises NotThereError.
        """
        node = self._known.get(directory)
        return node if node is not None else self._walk(directory, missing)

    def _walk(self, directory: bytes, missing: Callable[[Node, bytes], Node] | None) -> Node:
        trail: list[tuple[bytes, Node]] = []
        here = self.root
        todo = directory.split(b"/")
        todo.reverse()
        links = length = 0
        while todo:
            name = todo.pop()
            if not name or name == b".":
                continue
            if name == b"..":  # only of a link's target; above the root is the root
                if trail:
                    length -= len(trail.pop()[0]) + 1
                here = trail[-1][1] if trail else self.root
                continue
            assert here.children is not None
            child = here.children.get(name)
            if child is not None and stat.S_ISLNK(child.mode):
                links += 1
                if links > _MAX_LINKS:
                    raise CorruptError(f"unpack layer: too many symbolic links on the way to `{shown(directory)}`")
                if child.link[:1] == b"/":
                    here, length = self.root, 0
                    trail.clear()
                todo += reversed(child.link.split(b"/"))
                continue
            length += len(name) + 1
            if length - 1 > MAX_NAME:
                raise CorruptError(f"unpack layer: the name `{shown(directory)}…` is too long")
            if child is None or child.children is None:
                if missing is None:
                    raise NotThereError
                child = missing(here, name)
            trail.append((name, child))
            here = child
        path = b"/".join([name for name, _ in trail])
        if len(self._known) >= _MAX_KNOWN:
            self.forget()
        self._known[directory] = here
        if path != directory:
            self._aliases[directory] = path
        return here
