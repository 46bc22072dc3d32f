"""Write the entries of a layer's tar as the lower directory of an overlay.

The order of calls on a file is chown, chmod, xattrs, times: chown clears set-user-ID bits and file
capabilities. Directories get their modes and times at the very end, for children change them, and
inherit groups and ACLs. Nothing is ever deleted while the tar is read: what a later entry replaces moves
to `displaced`, for the header log needs the contents of every entry of the tar.
"""

from __future__ import annotations

import errno
import os
import stat

from storage.errors import CorruptError, NoSpaceError, StorageError
from storage.layers import tar
from storage.layers.directories import Directories, is_directory
from storage.layers.tar import CHARACTER, DIRECTORY, FIFO, LINK, REGULAR, SYMLINK, shown
from storage.layers.tree import NotThereError, Tree
from storage.layers.xattrs import Policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from storage.layers.donors import Donors
    from storage.layers.tar import Entry, Reader

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OPAQUE = b".wh..wh..opq"
_PLNK = b".wh..wh.plnk"


class Displaced:
    """Something that a later entry replaced: `path` is where it was, `name` what it is called now."""

    __slots__ = ("name", "ordinal", "path")

    def __init__(self, ordinal: int, path: bytes, name: bytes) -> None:
        self.ordinal = ordinal
        self.path = path
        self.name = name


class Applier:
    """Applies one tar to the empty directory `diff`; `displaced` is made when something needs it."""

    def __init__(
        self,
        diff: str,
        displaced: str,
        *,
        rootless: bool,
        ignore_chown_errors: bool,
        plain: bool = False,
        donors: Donors | None = None,
    ) -> None:
        self.tree = Tree(diff)
        self.plain = plain  # no layer: a file may be called like a whiteout
        self.rootless = rootless
        self.ignore_chown_errors = ignore_chown_errors
        self.ordinal = -1
        # What the header log has to know: data that is not in a file, and files under other names.
        self.inline: list[int] = []
        self.paths: dict[int, bytes] = {}
        self.displaced: list[Displaced] = []
        # By canonical path, with the ordinal of the entry and the target.
        self.pending_links: dict[bytes, tuple[int, bytes]] = {}
        self._donors = donors
        self._policy = Policy(rootless=rootless)
        self._directories = Directories(self.tree, self._policy)
        self._plnk: dict[bytes, bytes] = {}
        self._names = self._attempts = 0
        self._place = os.fsdecode(diff)
        self._uid, self._gid = os.geteuid(), os.getegid()
        self._displaced_path = displaced
        self._displaced_fd = -1

    @property
    def implied(self) -> list[bytes]:
        """The directories that the tar has no entry of."""
        return self._directories.implied()

    @property
    def notes(self) -> tuple[str, ...]:
        """What the file system could not hold."""
        return tuple(self._policy.notes)

    def close(self) -> None:
        """Close all fds."""
        self.tree.close()
        if self._donors is not None:
            self._donors.close()
        if self._displaced_fd >= 0:
            os.close(self._displaced_fd)

    def run(self, reader: Reader) -> None:
        """Apply all entries of the tar."""
        self._reader = reader
        fds = self.tree.fds
        for entry in reader:
            self.ordinal += 1
            parent, _, name = entry.name.rpartition(b"/")
            try:
                if not self.plain and (name[:4] == b".wh." or (parent[:12] == _PLNK and is_leftover(parent))):
                    self._special(entry, parent, name)
                    continue
                fd = fds.get(parent)
                if fd is None:
                    fd = self.tree.open(parent, self._missing)
                kind = entry.kind
                if kind == REGULAR:
                    self._file(entry, fd, parent, name)
                elif kind == DIRECTORY:
                    self._directory(entry, fd, parent, name)
                elif not name:
                    raise CorruptError("unpack layer: the root is not a directory")
                elif kind == LINK:
                    self._link(entry, parent, name)
                else:
                    self._node(entry, fd, parent, name)
            except OSError as error:
                raise self._failure(error, entry.name) from error

    def _path(self, parent: bytes, name: bytes) -> bytes:
        parent = self.tree.canonical(parent)
        return parent + b"/" + name if parent else name

    # -- entries -------------------------------------------------------------------------------------------

    def _file(self, entry: Entry, fd: int, parent: bytes, name: bytes) -> None:
        if not name:
            raise CorruptError("unpack layer: the root is not a directory")
        if self._donors is not None and parent not in self.tree.aliases:
            stream = self._reader.stream
            if self._donors.link(entry, stream.offset, fd, name):
                stream.omit(entry.size)
                self._reader.unread = 0
                return
        mode = entry.mode
        try:
            file = os.open(name, _CREATE, mode & 0o777, dir_fd=fd)
        except FileExistsError:
            fd = self._make_way(parent, name)
            file = os.open(name, _CREATE, mode & 0o777, dir_fd=fd)
        try:
            if entry.size or entry.segments is not None:
                self._data(entry, file)
                if self.tree.aliases and parent in self.tree.aliases:
                    self.paths[self.ordinal] = self._path(parent, name)
            if entry.uid or entry.gid:
                self._chown(file, entry)
            if mode & 0o7000:
                os.fchmod(file, mode)
            for key, value in entry.xattrs:
                self._policy.put(file, key, value)
            os.utime(file, ns=(entry.atime, entry.mtime))
        finally:
            os.close(file)

    def _data(self, entry: Entry, file: int) -> None:
        if entry.segments is None:
            self._contents(entry, file)
        else:
            for offset, length in entry.segments:
                os.lseek(file, offset, os.SEEK_SET)
                self._reader.stream.copy(file, length)
            os.ftruncate(file, entry.real_size)
        self._reader.unread = 0

    def _contents(self, entry: Entry, file: int) -> None:
        stream = self._reader.stream
        if self._donors is not None and self._donors.clone(entry, stream.offset, file):
            stream.omit(entry.size)
        else:
            stream.copy(file, entry.size)

    def _directory(self, entry: Entry, fd: int, parent: bytes, name: bytes) -> None:
        path = self._path(parent, name)
        late_mode = entry.mode if entry.mode & 0o7000 else None
        exists = False
        try:
            os.mkdir(name or b".", entry.mode & 0o777, dir_fd=fd)
        except FileExistsError:
            if is_directory(fd, name or b"."):
                exists, late_mode = True, entry.mode
            else:
                fd = self._make_way(parent, name)
                path = self._path(parent, name)  # another one, if what went was a link that led there
                os.mkdir(name, entry.mode & 0o777, dir_fd=fd)
        if entry.uid or entry.gid or exists:
            self._chown(name or b".", entry, fd)
        self._directories.add(path, self.ordinal, entry, mode=late_mode)

    def _node(self, entry: Entry, fd: int, parent: bytes, name: bytes) -> None:
        """Make a symbolic link, a device or a fifo."""
        if entry.kind not in {SYMLINK, FIFO} and not self._may_make_device(entry):
            return
        try:
            self._make_node(entry, fd, name)
        except FileExistsError:
            fd = self._make_way(parent, name)
            self._make_node(entry, fd, name)
        if entry.uid or entry.gid:
            self._chown(name, entry, fd)
        if entry.kind != SYMLINK and entry.mode & 0o7000:
            os.chmod(name, entry.mode, dir_fd=fd)
        for key, value in entry.xattrs:
            if not key.startswith(b"user."):  # The kernel keeps those on files and directories only.
                self._policy.put(b"/proc/self/fd/%d/%s" % (fd, name), key, value)
        os.utime(name, ns=(entry.atime, entry.mtime), dir_fd=fd, follow_symlinks=False)

    def _make_node(self, entry: Entry, fd: int, name: bytes) -> None:
        if entry.kind == SYMLINK:
            if not entry.link:
                raise CorruptError(f"unpack layer: the symbolic link `{shown(entry.name)}` has no target")
            os.symlink(entry.link, name, dir_fd=fd)
        elif entry.kind == FIFO:
            os.mkfifo(name, entry.mode & 0o777, dir_fd=fd)
        else:
            format = stat.S_IFCHR if entry.kind == CHARACTER else stat.S_IFBLK
            os.mknod(name, format | entry.mode & 0o777, os.makedev(entry.major, entry.minor), dir_fd=fd)

    def _may_make_device(self, entry: Entry) -> bool:
        if entry.kind == CHARACTER and not entry.major and not entry.minor:
            # overlayfs would take it for a whiteout, and hide a file of a lower layer.
            raise CorruptError(f"unpack layer: `{shown(entry.name)}` is a character device 0:0")
        if not (0 <= entry.major < 1 << 12 and 0 <= entry.minor < 1 << 20):
            raise CorruptError(f"unpack layer: `{shown(entry.name)}` has an impossible device number")
        return not (self.rootless or self.plain)

    def _link(self, entry: Entry, parent: bytes, name: bytes) -> None:
        target = tar.clean(entry.link)
        path = self._path(parent, name)
        if target != path and not self._try_link(target, path):
            # Its target comes later (not allowed, but seen), or lies in a lower layer.
            self.pending_links[path] = (self.ordinal, target)

    def _try_link(self, target: bytes, path: bytes) -> bool:
        """Make the hard link `path`; return False if there is no `target` yet."""
        parent, _, name = path.rpartition(b"/")
        target_parent, _, target_name = target.rpartition(b"/")
        try:
            source = self._displaced_dup() if is_leftover(target_parent) else os.dup(self.tree.open(target_parent))
        except NotThereError:
            return False
        try:
            target = self._path(target_parent, target_name)
            if target == path or not target_name:
                return target == path
            if self._directories.is_whiteout(target):
                return False
            if is_leftover(target_parent):
                target_name = self._plnk.get(target, b"-")
            fd = self.tree.open(parent, self._missing)
            try:
                os.link(target_name, name, src_dir_fd=source, dst_dir_fd=fd, follow_symlinks=False)
            except FileExistsError:
                fd = self._make_way(parent, name)
                os.link(target_name, name, src_dir_fd=source, dst_dir_fd=fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        except PermissionError as error:
            raise CorruptError(f"unpack layer: cannot link `{shown(path)}` to `{shown(target)}`: {error}") from error
        finally:
            os.close(source)
        return True

    # -- whiteouts -----------------------------------------------------------------------------------------

    def _special(self, entry: Entry, parent: bytes, name: bytes) -> None:
        """Handle what is no file of its own: whiteouts, opaque markers, leftovers of aufs."""
        if is_leftover(parent):
            # In very old images hard links point to files in here, which are no part of the layer.
            if entry.kind == REGULAR and entry.size:
                self._hidden_file(entry)
            return
        if entry.size:
            self.inline.append(self.ordinal)
        if name == _OPAQUE:
            self.tree.open(parent, self._missing)
            self._directories.set_opaque(self.tree.canonical(parent), self.ordinal)
        elif name[:8] != b".wh..wh.":
            target = name[4:]
            if target in {b"", b".", b".."}:
                raise CorruptError(f"unpack layer: the whiteout `{shown(entry.name)}` names no file")
            self._whiteout(parent, target)

    def _whiteout(self, parent: bytes, name: bytes) -> None:
        """Hide a file of the lower layers; an entry of this layer wins, in whatever order they come."""
        try:
            fd = self.tree.open(parent, self._missing_below_whiteout)
        except NotThereError:
            return  # Its parent is hidden as a whole.
        path = self._path(parent, name)
        try:
            os.mknod(name, stat.S_IFCHR, os.makedev(0, 0), dir_fd=fd)
        except FileExistsError:
            if is_directory(fd, name):
                self._directories.set_opaque(path, self.ordinal)
        else:
            self._directories.add_whiteout(path, self.ordinal)

    def _hidden_file(self, entry: Entry) -> None:
        name = self._displaced_name()
        file = os.open(name, _CREATE, 0o600, dir_fd=self._displaced_fd)
        try:
            self._data(entry, file)
            self._chown(file, entry)
            os.fchmod(file, entry.mode)
            os.utime(file, ns=(entry.atime, entry.mtime))
        finally:
            os.close(file)
        self._plnk[entry.name] = name
        self.displaced.append(Displaced(self.ordinal + 1, entry.name, name))

    # -- the tree ------------------------------------------------------------------------------------------

    def _missing(self, fd: int, parent: bytes, name: bytes) -> None:
        """Make a directory that has no entry (yet); in place of a file, if there is one."""
        path = parent + b"/" + name if parent else name
        try:
            os.mkdir(name, 0o755, dir_fd=fd)
        except FileExistsError:
            self._remove(fd, path, name)
            os.mkdir(name, 0o755, dir_fd=fd)
        self._directories.imply(path, self.ordinal)

    def _missing_below_whiteout(self, fd: int, parent: bytes, name: bytes) -> None:
        try:
            os.mkdir(name, 0o755, dir_fd=fd)
        except FileExistsError:
            raise NotThereError from None
        self._directories.imply(parent + b"/" + name if parent else name, self.ordinal)

    def _make_way(self, parent: bytes, name: bytes) -> int:
        """Remove what an entry replaces; return the fd of the directory, which may be a new one."""
        fd = self.tree.open(parent, self._missing)
        self._remove(fd, self._path(parent, name), name)
        return self.tree.open(parent, self._missing)

    def _remove(self, fd: int, path: bytes, name: bytes) -> None:
        status = os.stat(name, dir_fd=fd, follow_symlinks=False)
        if stat.S_ISCHR(status.st_mode) and not status.st_rdev:
            os.unlink(name, dir_fd=fd)
            self._directories.replace_whiteout(path, self.ordinal)
        elif stat.S_ISDIR(status.st_mode) or (stat.S_ISREG(status.st_mode) and status.st_size):
            new_name = self._displaced_name()
            os.rename(name, new_name, src_dir_fd=fd, dst_dir_fd=self._displaced_fd)
            self.displaced.append(Displaced(self.ordinal, path, new_name))
            if stat.S_ISDIR(status.st_mode):
                self._directories.remove(path, self.ordinal)
                self.tree.forget()
        else:
            os.unlink(name, dir_fd=fd)
            if stat.S_ISLNK(status.st_mode) and self.tree.aliases:
                self.tree.forget()

    def _displaced_name(self) -> bytes:
        if self._displaced_fd < 0:
            os.mkdir(self._displaced_path, 0o700)
            self._displaced_fd = os.open(self._displaced_path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._names += 1
        return b"%d" % self._names

    def _displaced_dup(self) -> int:
        if self._displaced_fd < 0:
            raise NotThereError
        return os.dup(self._displaced_fd)

    # -- attributes ----------------------------------------------------------------------------------------

    def _chown(self, file: int | bytes, entry: Entry, fd: int | None = None) -> None:
        # Root's files are those of whoever unpacks: without a user namespace, too, for files of root alone.
        uid, gid = entry.uid or self._uid, entry.gid or self._gid
        try:
            if isinstance(file, int):
                os.fchown(file, uid, gid)
            else:
                os.chown(file, uid, gid, dir_fd=fd, follow_symlinks=False)
        except OSError as error:
            if error.errno not in {errno.EINVAL, errno.EPERM}:
                raise
            if not self.ignore_chown_errors:
                raise StorageError(
                    f"unpack `{shown(entry.name)}`: its owner {uid}:{gid} is not an ID of this user namespace",
                    hint=f"give the user subordinate IDs up to {max(uid, gid)} in /etc/subuid and /etc/subgid",
                ) from error

    # -- the end -------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Do what had to wait for the last entry: late links, whiteouts, then directories."""
        try:
            self._link_pending()
            self._directories.finish()
        except OSError as error:
            raise self._failure(error, b".") from error

    def _link_pending(self) -> None:
        pending, self.pending_links = self.pending_links, {}
        progress = True
        while pending and progress:
            left = {}
            for path, (ordinal, target) in pending.items():
                if not self._directories.stands(path.rpartition(b"/")[0], ordinal) or self._exists(path):
                    continue  # A later entry took its place.
                if not self._try_link(target, path):
                    left[path] = (ordinal, target)
            # Chains of links each to the next would cost the square of their number.
            progress = len(left) < len(pending) and self._attempts_left(len(left))
            pending = left
        self.pending_links = pending

    def _attempts_left(self, cost: int) -> bool:
        self._attempts += cost
        return self._attempts < 1_000_000

    def _exists(self, path: bytes) -> bool:
        parent, _, name = path.rpartition(b"/")
        try:
            status = os.stat(name, dir_fd=self.tree.open(parent), follow_symlinks=False)
        except (OSError, NotThereError):
            return False
        return not (self._directories.is_whiteout(path) and stat.S_ISCHR(status.st_mode))

    def _failure(self, error: OSError, name: bytes) -> StorageError:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return NoSpaceError(f"unpack layer in `{self._place}`: {os.strerror(error.errno).lower()}")
        if error.errno == errno.ENAMETOOLONG:
            return CorruptError(f"unpack layer: the name `{shown(name)}` is too long")
        return StorageError(f"unpack `{shown(name)}` in `{self._place}`: {error.strerror}")


def is_leftover(directory: bytes) -> bool:
    """Tell whether aufs kept the sources of hard links here; these are no part of the layer."""
    return directory[:12] == _PLNK and directory[12:13] in {b"", b"/"}
