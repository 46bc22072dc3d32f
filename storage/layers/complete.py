"""What a layer's tar leaves to the layers below it: attributes of directories without entry, hard links.

An overlay shows the attributes of the uppermost directory: one that was only made because a file needed it
would mask owner and mode of the directory below.
"""

from __future__ import annotations

import os
import stat

from storage.errors import CorruptError
from storage.layers.displaced import read_range
from storage.layers.stream import write_all
from storage.layers.tree import NotThereError, Tree
from storage.store import is_opaque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from storage.layers.unpacking import LayerResult


def complete(diff: str, result: LayerResult, lowers: tuple[str, ...]) -> None:
    """Copy into `diff` what it takes from `lowers`, the diff directories below it, top first.

    Idempotent. Raises CorruptError if the target of a hard link is in none of them.
    """
    tree = Tree(diff)
    below = [Tree(lower) for lower in lowers]
    try:
        for name in sorted(map(os.fsencode, result.implied), reverse=True):
            _inherit(tree, name, below)
        _link_all(tree, {os.fsencode(path): os.fsencode(target) for path, target in result.pending_links}, below)
    finally:
        for each in (tree, *below):
            each.close()


def _find(below: list[Tree], path: bytes) -> tuple[int, bytes] | None:
    """Return directory fd and name of the topmost thing at this path that no layer hides."""
    parent, _, name = path.rpartition(b"/")
    for tree in below:
        try:
            fd = tree.open(parent)
            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
        except (NotThereError, FileNotFoundError):
            if _hides(tree, parent):
                return None
            continue
        is_whiteout = stat.S_ISCHR(status.st_mode) and not status.st_rdev
        return None if is_whiteout else (fd, name)
    return None


def _hides(tree: Tree, path: bytes) -> bool:
    """Tell whether the layer hides what lower ones have at this path: opaque, or not a directory."""
    here = b""
    for name in [b".", *path.split(b"/")] if path else [b"."]:
        try:
            fd = tree.open(here)
            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
        except (NotThereError, FileNotFoundError):
            return False
        if not stat.S_ISDIR(status.st_mode):
            return True
        if name != b"." and is_opaque(b"/proc/self/fd/%d/%s" % (fd, name), follow_symlinks=False):
            return True
        here = name if not here and name != b"." else here + b"/" + name if name != b"." else b""
    return False


class Inherited:
    """What a directory has in the layers below: its status, and its extended attributes but for overlayfs's own."""

    def __init__(self, fd: int, name: bytes, status: os.stat_result) -> None:
        self.status = status
        self.path = b"/proc/self/fd/%d/%s" % (fd, name)

    def xattrs(self) -> dict[bytes, bytes]:
        """Read the attributes."""
        names = _inheritable(self.path)
        return {os.fsencode(name): os.getxattr(self.path, name, follow_symlinks=False) for name in names}


def inherited(below: list[Tree], path: bytes) -> Inherited | None:
    """Return what the layers below have at this path (the top one first); None if they show no directory there."""
    found = _find(below, path)
    if found is None:
        return None
    status = os.stat(found[1], dir_fd=found[0], follow_symlinks=False)
    return Inherited(*found, status) if stat.S_ISDIR(status.st_mode) else None


def _inherit(tree: Tree, path: bytes, below: list[Tree]) -> None:
    found = inherited(below, path)
    if found is None:
        return
    status = found.status
    name = path.rpartition(b"/")[2]
    fd = tree.open(path.rpartition(b"/")[0])
    os.chown(name, status.st_uid, status.st_gid, dir_fd=fd, follow_symlinks=False)
    os.chmod(name, stat.S_IMODE(status.st_mode), dir_fd=fd)
    _copy_xattrs(found.path, b"/proc/self/fd/%d/%s" % (fd, name))
    os.utime(name, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=fd, follow_symlinks=False)


def _copy_xattrs(source: bytes, destination: int | bytes) -> None:
    for name in _inheritable(source):
        value = os.getxattr(source, name, follow_symlinks=False)
        os.setxattr(destination, name, value, follow_symlinks=isinstance(destination, int))


def _inheritable(path: bytes) -> list[str]:
    foreign = ("trusted.overlay.", "user.overlay.", "security.selinux", "system.")
    return [name for name in os.listxattr(path, follow_symlinks=False) if not name.startswith(foreign)]


def _link_all(tree: Tree, pending: dict[bytes, bytes], below: list[Tree]) -> None:
    """Copy each lower file once, to where the first link names it, as overlayfs does before it links."""
    copies: dict[bytes, bytes] = {}
    while pending:
        left = {}
        for path, target in pending.items():
            if not _link(tree, path, copies.get(target, target)):
                found = _find(below, target)
                if found is None:
                    left[path] = target
                    continue
                _copy_up(tree, path, found)
                copies[target] = path
        if len(left) == len(pending):
            link, missing = map(os.fsdecode, next(iter(left.items())))
            raise CorruptError(f"unpack layer: hard link `{link}` to missing `{missing}`")
        pending = left


def _link(tree: Tree, path: bytes, target: bytes) -> bool:
    """Link to a file of the layer itself, if it is there (by now)."""
    parent, _, name = target.rpartition(b"/")
    try:
        fd = os.dup(tree.open(parent))
    except NotThereError:
        return False
    parent, _, new_name = path.rpartition(b"/")
    try:
        status = os.stat(name, dir_fd=fd, follow_symlinks=False)
        if stat.S_ISCHR(status.st_mode) and not status.st_rdev:
            return False
        os.link(name, new_name, src_dir_fd=fd, dst_dir_fd=tree.open(parent), follow_symlinks=False)
    except FileNotFoundError:
        return False
    except FileExistsError:
        return True  # By an earlier call.
    finally:
        os.close(fd)
    return True


def _copy_up(tree: Tree, path: bytes, found: tuple[int, bytes]) -> None:
    """Copy a lower file into the layer."""
    parent, _, name = path.rpartition(b"/")
    try:
        _copy_file(tree.open(parent), name, *found)
    except FileExistsError:
        pass  # By an earlier call.


def _copy_file(fd: int, name: bytes, lower_fd: int, lower_name: bytes) -> None:
    status = os.stat(lower_name, dir_fd=lower_fd, follow_symlinks=False)
    source_path = b"/proc/self/fd/%d/%s" % (lower_fd, lower_name)
    if stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(lower_name, dir_fd=lower_fd), name, dir_fd=fd)
        os.chown(name, status.st_uid, status.st_gid, dir_fd=fd, follow_symlinks=False)
    elif stat.S_ISREG(status.st_mode):
        source = os.open(lower_name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=lower_fd)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            with open(os.open(name, flags, 0o600, dir_fd=fd), "wb", buffering=0) as file:
                for data in read_range(source, 0, status.st_size):
                    write_all(file.fileno(), memoryview(data))
                os.fchown(file.fileno(), status.st_uid, status.st_gid)
                os.fchmod(file.fileno(), stat.S_IMODE(status.st_mode))
                _copy_xattrs(source_path, file.fileno())
        finally:
            os.close(source)
    else:
        raise CorruptError(f"unpack layer: hard link `{os.fsdecode(name)}` to neither a file nor a symbolic link")
    os.utime(name, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=fd, follow_symlinks=False)
