"""Make the tree of a layer from the entries of its tar, in memory: by the rules of storage/layers/apply.py.

What a hostile tar can make us hold is bounded. UnfitError means that the layer has to be unpacked: for what has no room
in an index, and for what only a file system can judge.
"""

from __future__ import annotations

import stat

from storage.errors import CorruptError
from storage.layers import tar
from storage.layers.apply import is_leftover
from storage.layers.erofs.format import BLOCK, NAME_MAX, UnfitError, device_number, has_prefix
from storage.layers.erofs.nodes import WHITEOUT, Node, Nodes
from storage.layers.tar import CHARACTER, DIRECTORY, FIFO, LINK, REGULAR, SYMLINK, shown
from storage.layers.tree import NotThereError
from storage.layers.xattrs import opaque_name, translate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from storage.layers.tar import Entry, Reader

_OPAQUE_MARK = b".wh..wh..opq"
_CAPABILITY = b"security.capability"
_LINK_MAX = 4095
_MAX_NODES = 1 << 18
_MAX_EXTENTS = 1 << 18
_MAX_TEXT = 32 << 20  # bytes of names, targets of links, extended attributes, paths
_MAX_ATTEMPTS = 1_000_000
_FORMATS = {
    REGULAR: stat.S_IFREG,
    SYMLINK: stat.S_IFLNK,
    CHARACTER: stat.S_IFCHR,
    tar.BLOCK_DEVICE: stat.S_IFBLK,
    FIFO: stat.S_IFIFO,
}


class Builder:
    """Builds the tree of one tar. After `run`, `finish` completes it."""

    def __init__(self) -> None:
        self.nodes = Nodes()
        self.ordinal = -1
        # By canonical path: the directory, the name in it, and the target.
        self.pending_links: dict[bytes, tuple[Node, bytes, bytes]] = {}
        self._plnk: dict[bytes, Node] = {}
        # Where a whiteout was: a directory that comes there must not merge with what it hid.
        self._hiding: set[tuple[Node, bytes]] = set()
        self._mtime = 0  # of what no entry is about: that of the entry which needs it
        self._count = self._extents = self._text = self._attempts = 0

    def implied(self) -> list[bytes]:
        """Return the directories that the tar has no entry of, but for the root. UnfitError for too many."""
        found = []
        for path, node in walk(self.nodes.root):
            if node.implied and path:
                found.append(b"/".join(path))
                self._hold(len(found[-1]))
        return sorted(found)

    def run(self, reader: Reader) -> None:
        """Take in all entries of the tar."""
        stream = reader.stream
        for entry in reader:
            self.ordinal += 1
            self._mtime = entry.mtime
            if not self.ordinal:
                self.nodes.root.mtime = entry.mtime
            parent, _, name = entry.name.rpartition(b"/")
            if name[:4] == b".wh." or is_leftover(parent):
                self._special(entry, parent, name, stream.offset)
                continue
            directory = self.nodes.find(parent, self._missing)
            kind = entry.kind
            if kind == DIRECTORY:
                self._directory(entry, parent, directory, name)
            elif not name:
                raise CorruptError("unpack layer: the root is not a directory")
            elif kind == LINK:
                self._link(entry, parent, directory, name)
            else:
                node = self._node(entry, stream.offset)
                self._put(self._make_way(parent, directory, name), name, node)

    # -- entries -------------------------------------------------------------------------------------------

    def _node(self, entry: Entry, offset: int) -> Node:
        """Make what an entry is about, if it is not a directory."""
        kind = entry.kind
        if kind == REGULAR:
            node = self._new(stat.S_IFREG | entry.mode, entry)
            node.size = entry.real_size
            node.extents = self._extents_of(entry, offset)
        elif kind == SYMLINK:
            node = self._new(stat.S_IFLNK | 0o777, entry)
            node.link = self._target(entry)
            node.size = len(node.link)
        else:
            node = self._new(_FORMATS[kind] | entry.mode, entry)
            if kind != FIFO:
                _check_device(entry)
                node.rdev = device_number(entry.major, entry.minor)
        if entry.xattrs:
            node.xattrs = self._xattrs(entry, keep_user=kind == REGULAR)
        return node

    def _new(self, mode: int, entry: Entry) -> Node:
        self._count += 1
        if self._count > _MAX_NODES:
            raise UnfitError
        return Node(mode, uid=entry.uid, gid=entry.gid, mtime=entry.mtime)

    def _target(self, entry: Entry) -> bytes:
        if not entry.link:
            raise CorruptError(f"unpack layer: the symbolic link `{shown(entry.name)}` has no target")
        if len(entry.link) > _LINK_MAX:
            raise CorruptError(f"unpack layer: the name `{shown(entry.name)}` is too long")
        self._hold(len(entry.link))
        return entry.link

    def _extents_of(self, entry: Entry, offset: int) -> tuple[tuple[int, int, int], ...]:
        if entry.segments is None:
            return ((0, offset, entry.size),) if entry.size else ()
        self._extents += len(entry.segments)
        if self._extents > _MAX_EXTENTS:
            raise UnfitError
        extents = []
        for start, length in entry.segments:
            if length:
                if start % BLOCK or offset % BLOCK:
                    raise UnfitError
                extents.append((start, offset, length))
            offset += length
        return tuple(extents)

    def _xattrs(self, entry: Entry, *, keep_user: bool) -> dict[bytes, bytes]:
        found = {}
        for name, value in entry.xattrs:
            if name.startswith(b"user.") and not keep_user:
                continue  # The kernel keeps those on files and directories only.
            attribute = translate(name, value, rootless=False)
            if attribute is None:
                continue
            if not _is_plain(*attribute):
                raise UnfitError
            self._hold(len(attribute[0]) + len(attribute[1]) + 64)
            found[attribute[0]] = attribute[1]
        return found

    def _hold(self, size: int) -> None:
        self._text += size
        if self._text > _MAX_TEXT:
            raise UnfitError

    def _directory(self, entry: Entry, parent: bytes, directory: Node, name: bytes) -> None:
        assert directory.children is not None
        node = directory.children.get(name) if name else directory
        if node is None or node.children is None:
            node = self._new(stat.S_IFDIR, entry)
            self._put(self._make_way(parent, directory, name), name, node)
        node.mode = stat.S_IFDIR | entry.mode
        node.uid, node.gid, node.mtime = entry.uid, entry.gid, entry.mtime
        node.xattrs = self._xattrs(entry, keep_user=True)
        node.implied = False

    def _put(self, parent: Node, name: bytes, node: Node) -> None:
        """Give a directory an entry, in place of what it may have by this name."""
        children = parent.children
        assert children is not None
        previous = children.get(name)
        if previous is None:
            if len(name) > NAME_MAX:
                raise CorruptError(f"unpack layer: the name `{shown(name)}` is too long")
            self._hold(len(name) + 1)
        elif previous.is_whiteout:
            self._hiding.add((parent, name))
        if node.children is not None and (parent, name) in self._hiding:
            node.opaque = True
        children[name] = node

    def _make_way(self, parent: bytes, directory: Node, name: bytes) -> Node:
        """Remove a directory or a link that an entry replaces; return where it goes now."""
        assert directory.children is not None
        previous = directory.children.get(name)
        if previous is None or not (previous.link or previous.children is not None):
            return directory
        if previous.children is not None:
            self._hiding.discard((directory, name))
        del directory.children[name]
        self.nodes.forget()
        return self.nodes.find(parent, self._missing)  # another one, if what went was a link that led there

    def _link(self, entry: Entry, parent: bytes, directory: Node, name: bytes) -> None:
        target = tar.clean(entry.link)
        here = self.nodes.canonical(parent)
        path = here + b"/" + name if here else name
        if target != path and not self._try_link(target, path, directory, name):
            # Its target comes later (not allowed, but seen), or lies in a lower layer.
            self._hold(len(path) + len(target) + 64)
            self.pending_links[path] = (directory, name, target)

    def _try_link(self, target: bytes, path: bytes, directory: Node, name: bytes) -> bool:
        """Make the hard link `path`; return False if there is no `target` yet."""
        parent, _, target_name = target.rpartition(b"/")
        if is_leftover(parent):
            found = self._plnk.get(target)
        else:
            try:
                source = self.nodes.find(parent)
            except NotThereError:
                return False
            here = self.nodes.canonical(parent)
            target = here + b"/" + target_name if here else target_name
            if target == path or not target_name:
                return target == path
            assert source.children is not None
            found = source.children.get(target_name)
        if found is None or found.is_whiteout:
            return False
        if found.children is not None:
            message = "[Errno 1] Operation not permitted"
            raise CorruptError(f"unpack layer: cannot link `{shown(path)}` to `{shown(target)}`: {message}")
        self._put(self._make_way(path.rpartition(b"/")[0], directory, name), name, found)
        return True

    # -- whiteouts -----------------------------------------------------------------------------------------

    def _special(self, entry: Entry, parent: bytes, name: bytes, offset: int) -> None:
        """Handle what is no file of its own: whiteouts, opaque markers, leftovers of aufs."""
        if is_leftover(parent):
            # In very old images hard links point to files in here, which are no part of the layer.
            if entry.kind == REGULAR and entry.size:
                self._hold(len(entry.name) + 64)
                self._plnk[entry.name] = self._node(entry, offset)
            return
        if name == _OPAQUE_MARK:
            self.nodes.find(parent, self._missing).opaque = True
        elif name[:8] != b".wh..wh.":
            target = name[4:]
            if target in {b"", b".", b".."}:
                raise CorruptError(f"unpack layer: the whiteout `{shown(entry.name)}` names no file")
            self._whiteout(parent, target)

    def _whiteout(self, parent: bytes, name: bytes) -> None:
        """Hide a file of the lower layers; an entry of this layer wins, in whatever order they come."""
        try:
            directory = self.nodes.find(parent, self._missing_below_whiteout)
        except NotThereError:
            return  # Its parent is hidden as a whole.
        assert directory.children is not None
        present = directory.children.get(name)
        if present is None:
            self._count += 1
            if self._count > _MAX_NODES:
                raise UnfitError
            self._put(directory, name, Node(WHITEOUT, mtime=self._mtime))
        elif present.children is not None:
            present.opaque = True

    # -- the tree ------------------------------------------------------------------------------------------

    def _missing(self, parent: Node, name: bytes) -> Node:
        """Make a directory that has no entry (yet); in place of a file, if there is one."""
        self._count += 1
        if self._count > _MAX_NODES:
            raise UnfitError
        node = Node(stat.S_IFDIR | 0o755, mtime=self._mtime)
        node.implied = True
        self._put(parent, name, node)
        return node

    def _missing_below_whiteout(self, parent: Node, name: bytes) -> Node:
        assert parent.children is not None
        if name in parent.children:
            raise NotThereError
        return self._missing(parent, name)

    # -- the end -------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Do what had to wait for the last entry: late links, then whiteouts."""
        self._link_pending()
        self._hide()

    def _hide(self) -> None:
        """Mark opaque directories, and drop the whiteouts below them: overlayfs would list them there."""
        waiting = [(self.nodes.root, False)]
        while waiting:
            node, hidden = waiting.pop()
            if node.opaque:
                hidden = True
                node.xattrs = {**node.xattrs, opaque_name(rootless=False): b"y"}
            children = node.children
            assert children is not None
            if hidden:
                for name in [name for name, child in children.items() if child.is_whiteout]:
                    del children[name]
            waiting += [(child, hidden) for child in children.values() if child.children is not None]

    def _link_pending(self) -> None:
        pending, self.pending_links = self.pending_links, {}
        progress = True
        while pending and progress:
            left = {}
            for path, (directory, name, target) in pending.items():
                if not self._stands(path, directory) or self._exists(directory, name):
                    continue  # A later entry took its place.
                if not self._try_link(target, path, directory, name):
                    left[path] = (directory, name, target)
            # Chains of links each to the next would cost the square of their number.
            self._attempts += len(left)
            progress = len(left) < len(pending) and self._attempts < _MAX_ATTEMPTS
            pending = left
        self.pending_links = pending

    def _stands(self, path: bytes, directory: Node) -> bool:
        """Tell whether the directory that a path led into is still there."""
        node: Node | None = self.nodes.root
        for name in path.split(b"/")[:-1]:
            node = node.children.get(name) if node is not None and node.children is not None else None
        return node is directory

    def _exists(self, directory: Node, name: bytes) -> bool:
        assert directory.children is not None
        present = directory.children.get(name)
        return present is not None and not present.is_whiteout


def walk(root: Node) -> Iterator[tuple[list[bytes], Node]]:
    """Yield all directories, each before those below it; of its path the parts, in a list that is only lent.

    No more than the way to the present one is held: millions of directories may lie at the end of a long path.
    """
    path: list[bytes] = []
    yield path, root
    below = [_directories(root)]
    while below:
        name, node = next(below[-1], (b"", None))
        if node is None:
            below.pop()
            del path[-1:]
            continue
        path.append(name)
        yield path, node
        below.append(_directories(node))


def _directories(node: Node) -> Iterator[tuple[bytes, Node]]:
    assert node.children is not None
    return ((name, child) for name, child in node.children.items() if child.children is not None)


def _is_plain(name: bytes, value: bytes) -> bool:
    """Tell whether a file system that is asked to set this attribute would certainly do it."""
    if not has_prefix(name) or name.endswith(b".") or len(name) > NAME_MAX or len(value) > 0xFFFF:
        return False
    return name != _CAPABILITY or (len(value) == 20 and value[3] == 2) or (len(value) == 24 and value[3] == 3)


def _check_device(entry: Entry) -> None:
    if entry.kind == CHARACTER and not entry.major and not entry.minor:
        # overlayfs would take it for a whiteout, and hide a file of a lower layer.
        raise CorruptError(f"unpack layer: `{shown(entry.name)}` is a character device 0:0")
    if not (0 <= entry.major < 1 << 12 and 0 <= entry.minor < 1 << 20):
        raise CorruptError(f"unpack layer: `{shown(entry.name)}` has an impossible device number")
