"""Comparing the tree of a layer with the log of its tar: names, kinds, attributes, and nothing that is too much.

Only reads, and through directory fds: what changed the tree may have put links anywhere.
"""

from __future__ import annotations

import hashlib
import os
import stat

from storage.errors import CorruptError, StorageError
from storage.layers import expected, headerlog, ids
from storage.layers.expected import Expected
from storage.layers.rebuild import rebuild_tar
from storage.layers.tar import BLOCK_DEVICE, CHARACTER, DIRECTORY, FIFO, LINK, REGULAR, SYMLINK, shown
from storage.layers.tree import NotThereError, Tree
from storage.layers.xattrs import opaque_name, translate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_FORMATS = {
    REGULAR: stat.S_IFREG,
    SYMLINK: stat.S_IFLNK,
    CHARACTER: stat.S_IFCHR,
    BLOCK_DEVICE: stat.S_IFBLK,
    DIRECTORY: stat.S_IFDIR,
    FIFO: stat.S_IFIFO,
}
_MOST = 20  # damaged files that are named of one layer
# What the host's security modules and access control lists add is no part of a layer.
_FOREIGN = (b"security.selinux", b"security.ima", b"security.evm", b"security.apparmor", b"system.")
_SECOND = 1_000_000_000  # in nanoseconds
_LAST_SECOND = 1 << 31  # beyond it, some file systems keep another time


def tree_damage(path: str, *, incomplete: bool = False, completed: bool = False) -> list[str]:
    """Say how the tree of the layer directory `path` differs from its header log, a line each (20 at most).

    `incomplete`: hard links to lower layers are not there yet. `completed`: they, and attributes of directories that
    the tar only implies, came from lower layers (storage/chain.py).
    """
    try:
        tree = Tree(f"{path}/diff")
        try:
            contents = expected.read(f"{path}/{headerlog.NAME}")
            if contents.tangled:
                return []  # No tar of a tree is: only its content can be told to be right.
            comparison = _Comparison(tree, contents, incomplete, completed)
            damage = []
            for line in comparison.lines():
                damage.append(line)
                if len(damage) == _MOST:
                    break
            return damage
        finally:
            tree.close()
    except (CorruptError, OSError) as error:
        return [str(error)]


def content_damage(path: str, diff_id: str) -> str:
    """Say what is wrong with the bytes of a layer, if anything; every one of them is read."""
    digest = hashlib.sha256()
    try:
        for data in rebuild_tar(path):
            digest.update(data)
    except StorageError as error:
        return str(error)
    return "" if f"sha256:{digest.hexdigest()}" == diff_id else "its content has another digest"


class _Comparison:
    def __init__(self, tree: Tree, contents: expected.Contents, incomplete: bool, completed: bool) -> None:
        self._tree = tree
        self._contents = contents
        self._incomplete = incomplete
        self._completed = completed
        self._rootless = ids.is_limited()
        # Whoever is not root even of a namespace has all files as his own.
        self._owned = ids.mapped() if os.geteuid() == 0 else []
        self._opaque = {self._canonical(path) for path in contents.opaque}
        self._whiteouts = {self._canonical(path) for path in contents.whiteouts}
        self._entries: dict[bytes, Expected] = {}
        for name, one in contents.entries.items():
            self._entries[self._canonical(name)] = one
        self._imply()

    def _canonical(self, name: bytes) -> bytes:
        """Give the name that something has without symbolic links."""
        parent, _, last = name.rpartition(b"/")
        try:
            self._tree.open(parent)
        except NotThereError:
            return name
        parent = self._tree.canonical(parent)
        return parent + b"/" + last if parent else last

    def _imply(self) -> None:
        """Add the directories that are only there because something lies in them."""
        for name in [*self._entries, *self._whiteouts, *self._opaque]:
            parent = name if name in self._opaque else name.rpartition(b"/")[0]
            while parent not in self._entries:
                if name in self._whiteouts and not self._exists(parent):
                    break  # A whiteout below what an entry hides makes no directories.
                self._entries[parent] = one = Expected(DIRECTORY)
                if self._completed:
                    one.mode = -1
                parent = parent.rpartition(b"/")[0]
        self._entries.setdefault(b"", Expected(DIRECTORY))

    def _exists(self, directory: bytes) -> bool:
        try:
            self._tree.open(directory)
        except NotThereError:
            return False
        return True

    def lines(self) -> Iterator[str]:
        """Describe the differences."""
        for name, one in self._entries.items():
            wrong = self._compare(name, one)
            if wrong and not (self._incomplete and one.kind == LINK):
                yield f"{shown(name) or '/'}: {wrong}"
        for name in self._whiteouts:
            if wrong := self._hidden(name):
                yield f"{shown(name)}: {wrong}"
        yield from self._surplus()

    def _compare(self, name: bytes, one: Expected) -> str:
        parent, _, last = name.rpartition(b"/")
        last = last or b"."
        try:
            fd = self._tree.open(parent)
            status = os.stat(last, dir_fd=fd, follow_symlinks=False)
        except (NotThereError, FileNotFoundError):
            # An ordinary user cannot make devices: the unpacking left them out.
            return "" if one.kind in (CHARACTER, BLOCK_DEVICE) else "is missing"
        if one.kind == LINK:
            return self._link(one, status)
        if stat.S_IFMT(status.st_mode) != _FORMATS[one.kind]:
            return "is of another kind"
        wrong = _content(one, status, fd, last) or self._attributes(one, status)
        return wrong or self._xattrs(name, one, b"/proc/self/fd/%d/%s" % (self._tree.open(parent), last))

    def _link(self, one: Expected, status: os.stat_result) -> str:
        """A hard link to a file of this layer is to be the same file; one to a lower layer is a copy."""
        target = self._entries.get(one.target)
        if target is None or one.target in self._contents.overwritten:
            return ""
        parent, _, last = one.target.rpartition(b"/")
        try:
            other = os.stat(last or b".", dir_fd=self._tree.open(parent), follow_symlinks=False)
        except (NotThereError, FileNotFoundError):
            return ""  # which is told of the target
        return "" if os.path.samestat(status, other) else f"is no hard link to {shown(one.target)}"

    def _attributes(self, one: Expected, status: os.stat_result) -> str:
        mode = stat.S_IMODE(status.st_mode)
        if one.mode < 0:
            return ""  # as the layers below have it
        if one.kind != SYMLINK and mode != one.mode:
            return f"has mode {mode:o} instead of {one.mode:o}"
        for what, found, wanted in (("owner", status.st_uid, one.uid), ("group", status.st_gid, one.gid)):
            if found != wanted and any(first <= wanted < first + count for first, count in self._owned):
                return f"has {what} {found} instead of {wanted}"
        return ""

    def _xattrs(self, name: bytes, one: Expected, path: bytes) -> str:
        wanted = dict(attribute for pair in one.xattrs if (attribute := self._kept(one, *pair)) is not None)
        try:
            found = {key: os.getxattr(path, key, follow_symlinks=False) for key in self._listed(path)}
        except OSError:
            return ""  # The file system has none.
        opaque = opaque_name(rootless=self._rootless)
        if one.kind == DIRECTORY:
            if found.pop(opaque, None) is None and name in self._opaque:
                return "does not hide what is below it any more"
            if self._completed and one.mode < 0:
                return ""
        for key in wanted.keys() | found.keys():
            if key not in found and (self._contents.left_out or self._may_be_left_out(key)):
                continue
            if found.get(key) != wanted.get(key):
                return f"has another extended attribute {shown(key)}"
        return ""

    def _listed(self, path: bytes) -> list[bytes]:
        names = [os.fsencode(name) for name in os.listxattr(path, follow_symlinks=False)]
        return [name for name in names if not name.startswith(_FOREIGN)]

    def _kept(self, one: Expected, key: bytes, value: bytes) -> tuple[bytes, bytes] | None:
        if key.startswith(_FOREIGN) or (key.startswith(b"user.") and one.kind not in (REGULAR, DIRECTORY)):
            return None
        return translate(key, value, rootless=self._rootless)

    def _may_be_left_out(self, key: bytes) -> bool:
        return self._rootless and key.startswith(b"security.") and key != b"security.capability"

    def _hidden(self, name: bytes) -> str:
        """Say what is wrong with a whiteout: nothing if an entry or an opaque directory stands in for it."""
        parent, _, last = name.rpartition(b"/")
        if name in self._entries or parent not in self._entries or self._is_below_opaque(parent):
            return ""
        try:
            status = os.stat(last, dir_fd=self._tree.open(parent), follow_symlinks=False)
        except (NotThereError, FileNotFoundError):
            return "its whiteout is missing"
        return "" if _is_whiteout(status) else "is there instead of a whiteout"

    def _is_below_opaque(self, path: bytes) -> bool:
        marks = self._opaque | self._whiteouts
        while path not in marks:
            if not path:
                return False
            path = path.rpartition(b"/")[0]
        return True

    def _surplus(self) -> Iterator[str]:
        """Name what the tar does not have."""
        for directory in [name for name, one in self._entries.items() if one.kind == DIRECTORY]:
            try:
                fd = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._tree.open(directory))
            except NotThereError:
                continue
            try:
                names = [os.fsencode(name) for name in os.listdir(fd)]
                for last in names:
                    name = directory + b"/" + last if directory else last
                    if name not in self._entries and not self._is_expected_whiteout(name, fd, last):
                        yield f"{shown(name)}: is not part of the layer"
            finally:
                os.close(fd)

    def _is_expected_whiteout(self, name: bytes, fd: int, last: bytes) -> bool:
        return name in self._whiteouts and _is_whiteout(os.stat(last, dir_fd=fd, follow_symlinks=False))


def _content(one: Expected, status: os.stat_result, fd: int, last: bytes) -> str:
    if one.kind == SYMLINK and os.readlink(last, dir_fd=fd) != one.target:
        return "is a link to something else"
    if one.kind == REGULAR and status.st_size != one.size:
        return f"has {status.st_size} bytes instead of {one.size}"
    if one.kind in (CHARACTER, BLOCK_DEVICE) and status.st_rdev != os.makedev(*one.device):
        return "is another device"
    # Not all file systems keep more than seconds.
    if one.mtime is None or one.mtime // _SECOND >= _LAST_SECOND:
        return ""
    return "" if status.st_mtime_ns // _SECOND == one.mtime // _SECOND else "was written to"


def _is_whiteout(status: os.stat_result) -> bool:
    return stat.S_ISCHR(status.st_mode) and not status.st_rdev
