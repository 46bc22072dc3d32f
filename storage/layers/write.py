"""Write a tree as a tar stream: the layer that a container's changes are, or a whole root file system.

The tree may be alive and hostile: each step opens one name in a directory's fd with O_NOFOLLOW, looks at what it has
opened, and reads that and nothing else. Names are in the order of their bytes, times in whole seconds: the same tree
always gives the same bytes. Sources: POSIX pax (ustar headers, and extended ones where those do not hold it);
image-spec, layer.md (whiteouts).
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from storage.errors import StorageError
from storage.layers import ids
from storage.layers.stream import BLOCK
from storage.layers.tar import shown
from storage.layers.xattrs import opaque_name

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from typing import Protocol

    class Record(Protocol):
        """Who is to know which bytes of a tar are in no file."""

        def header(self, data: bytes) -> None:
            """Take the headers of one entry."""

        def rest(self, data: bytes) -> None:
            """Take padding, or the end."""


_CHUNK = 1 << 20
_SMALL = 1 << 16
_MAX_OPEN = 256
_OPEN = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_TYPES = {
    stat.S_IFREG: b"0",
    stat.S_IFLNK: b"2",
    stat.S_IFCHR: b"3",
    stat.S_IFBLK: b"4",
    stat.S_IFDIR: b"5",
    stat.S_IFIFO: b"6",
}
_LARGEST_SIZE = 0o77777777777
_LARGEST_ID = 0o7777777
_OF_OVERLAY = (b"trusted.overlay.", b"user.overlay.")
_WHITEOUT = b".wh."
_OF_USERS = (b"user.", b"security.capability")
_END = bytes(2 * BLOCK)


def _same(uid: int, gid: int) -> tuple[int, int]:
    return uid, gid


@dataclass(frozen=True)
class FileTimes:
    """Which times files are to have, in seconds since 1970: with `exact` this one, else none after `latest`."""

    latest: int
    exact: bool = False

    def of(self, found: os.stat_result) -> int:
        """Return the time of a file, in seconds."""
        return self.latest if self.exact else min(int(found.st_mtime), self.latest)


@dataclass(frozen=True)
class WriteOptions:
    """How a tree becomes a tar.

    `owner` turns user and group of the file system into those of the tar. With `layer`, the marks of overlayfs become
    whiteouts; those of `user.` if mounts are `rootless`, else those of `trusted.`, as others mean nothing there. With
    `layer` or `unpacked`, which says that the whole tree is to be a layer, names are refused that are whiteouts in one.
    `skipped` are names (without a leading slash) that are left out with all below them. With `content` the
    tar is that of files that people keep: an entry for the directory itself comes first, and of extended attributes
    there are those of users and the capabilities of programs. With `adopt` the tree is to become what unpacking its tar
    would make: sockets, and what overlayfs noted for itself, are removed from it, and no file is older than 1970.
    `times` says which times files have in the tar, and with `adopt` in the tree. `stripped` leaves out what gives
    rights to whoever executes a file: set-user-ID, set-group-ID, and extended attributes altogether.
    """

    owner: Callable[[int, int], tuple[int, int]] = _same
    layer: bool = False
    unpacked: bool = False
    skipped: frozenset[bytes] = frozenset()
    content: bool = False
    adopt: bool = False
    times: FileTimes | None = None
    stripped: bool = False
    rootless: bool = field(default_factory=ids.is_limited)


class _Unrecorded:
    """Records nothing."""

    def header(self, data: bytes) -> None:
        """Forget it."""

    def rest(self, data: bytes) -> None:
        """Forget it."""


@dataclass
class _Writing:
    options: WriteOptions
    record: Record = field(default_factory=_Unrecorded)
    links: dict[tuple[int, int], bytes] = field(default_factory=dict)

    def seconds(self, found: os.stat_result) -> int:
        """Return the time of a file in the tar."""
        times = self.options.times
        return int(found.st_mtime) if times is None else times.of(found)


def tar_of(root: int, options: WriteOptions | None = None, record: Record | None = None) -> Iterator[bytes]:
    """Yield the tar of what lies below a directory's fd, the end mark included. Raises OSError, StorageError."""
    yield from _gathered(_pieces_of(root, _Writing(options or WriteOptions(), record or _Unrecorded())))


def _pieces_of(root: int, writing: _Writing) -> Iterator[bytes]:
    descriptor = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=root)
    if writing.options.content:
        yield from _node(writing, root, os.fstat(root), b".")
    yield from _directory(writing, descriptor, b"")
    writing.record.rest(_END)
    yield _END


def _gathered(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Pass on a stream in fewer pieces: a call for each small file would cost as much as the file."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= _SMALL:
            yield b"".join(held) if len(held) > 1 else piece
            held.clear()
            size = 0
    if held:
        yield b"".join(held)


def one_of(parent: int, name: bytes, written: bytes, options: WriteOptions | None = None) -> Iterator[bytes]:
    """Yield the tar of one file or tree, `name` in the directory fd `parent`, under the name `written`."""
    writing = _Writing(options or WriteOptions())
    inner = yield from _entry(writing, parent, name, written)
    if inner >= 0:
        yield from _directory(writing, inner, written + b"/")
    yield _END


def _directory(writing: _Writing, descriptor: int, prefix: bytes) -> Iterator[bytes]:
    """Yield the entries of an open directory, which is closed at the end.

    Deep trees need neither a deep stack nor many open files: what is far above is closed, and opened again from below.
    """
    stack = [_Level(descriptor, prefix)]
    try:
        while stack:
            level = stack[-1]
            name = next(level.names, None)
            if name is None:
                if len(stack) > 1:
                    stack[-2].open_again(level)
                stack.pop().close()
                continue
            raw = os.fsencode(name)
            inner = yield from _entry(writing, level.descriptor, raw, level.prefix + raw)
            if inner >= 0:
                stack.append(_Level(inner, level.prefix + raw + b"/"))
                if len(stack) > _MAX_OPEN:
                    stack[-_MAX_OPEN - 1].close()
    finally:
        for level in stack:
            level.close()


class _Level:
    """A directory on the way down to what is being written."""

    def __init__(self, descriptor: int, prefix: bytes) -> None:
        self.descriptor = descriptor
        self.prefix = prefix
        self.names = iter(sorted(os.listdir(descriptor)))
        self._identity = _identity(descriptor)

    def close(self) -> None:
        """Close the directory, if it is open."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def open_again(self, below: _Level) -> None:
        """Open it from a directory in it, unless it is open; raises OSError if that was moved elsewhere since."""
        if self.descriptor < 0:
            self.descriptor = os.open(b"..", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=below.descriptor)
            if _identity(self.descriptor) != self._identity:
                raise OSError(errno.ESTALE, "a directory was moved while it was read", os.fsdecode(below.prefix))


def _identity(descriptor: int) -> tuple[int, int]:
    found = os.fstat(descriptor)
    return found.st_dev, found.st_ino


def _entry(writing: _Writing, parent: int, name: bytes, written: bytes) -> Generator[bytes, None, int]:
    """Yield one entry; return the fd of a directory that is to be read, else -1."""
    options = writing.options
    if written in options.skipped:
        return -1
    try:
        descriptor = os.open(name, _OPEN, dir_fd=parent)
    except FileNotFoundError:
        return -1  # it has just been removed
    try:
        found = os.fstat(descriptor)
        if stat.S_ISSOCK(found.st_mode):
            if options.adopt:
                os.unlink(name, dir_fd=parent)
            return -1
        if name.startswith(_WHITEOUT) and (options.layer or options.unpacked):
            raise StorageError(
                f"/{shown(written)}: an image cannot hold a name that begins with .wh.: there it means a removed file",
                hint="leave the file out, or give it another name",
            )
        if options.adopt and (found.st_mtime_ns < 0 or options.times is not None):
            found = _settle(parent, name, descriptor, found, max(writing.seconds(found), 0))
        if options.layer and stat.S_ISCHR(found.st_mode) and found.st_rdev == 0:
            yield _whiteout(writing, written, _WHITEOUT + name)
            return -1
        yield from _node(writing, descriptor, found, written)
        if not stat.S_ISDIR(found.st_mode):
            return -1
        inner = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=descriptor)
        if options.layer and _is_opaque(descriptor, options):
            yield _whiteout(writing, written + b"/x", b".wh..wh..opq")
        return inner
    finally:
        os.close(descriptor)


def _settle(parent: int, name: bytes, descriptor: int, found: os.stat_result, seconds: int) -> os.stat_result:
    """Give a file the time that it has in the tar, unless that is its own."""
    if seconds == int(found.st_mtime) and found.st_mtime_ns >= 0:
        return found
    ns = (max(found.st_atime_ns, 0), seconds * 10**9)
    os.utime(name, ns=ns, dir_fd=parent, follow_symlinks=False)
    return os.fstat(descriptor)


def _node(writing: _Writing, descriptor: int, found: os.stat_result, written: bytes) -> Iterator[bytes]:
    mode = stat.S_IFMT(found.st_mode)
    uid, gid = writing.options.owner(found.st_uid, found.st_gid)
    if found.st_nlink > 1 and not stat.S_ISDIR(mode):
        first = writing.links.setdefault((found.st_dev, found.st_ino), written)
        if first != written:
            header = _header(writing, written, b"1", found, uid, gid, link=first)
            writing.record.header(header)
            yield header
            return
    path = f"/proc/self/fd/{descriptor}"
    if stat.S_ISREG(mode) and found.st_size:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY)
        try:
            records = _xattrs(file, writing.options)
            header = _header(writing, written, b"0", found, uid, gid, size=found.st_size, records=records)
            writing.record.header(header)
            if found.st_size <= _SMALL:  # in one piece, for each goes through all these generators
                yield b"".join((header, *_content(writing, file, found.st_size)))
            else:
                yield header
                yield from _content(writing, file, found.st_size)
        finally:
            os.close(file)
        return
    name = written + b"/" if stat.S_ISDIR(mode) else written
    link = os.readlink(b"", dir_fd=descriptor) if stat.S_ISLNK(mode) else b""
    records = _xattrs(path, writing.options)
    header = _header(writing, name, _TYPES[mode], found, uid, gid, link=link, records=records)
    writing.record.header(header)
    yield header


def _content(writing: _Writing, file: int, size: int) -> Iterator[bytes]:
    """Yield as many bytes as the header says, whatever happens to the file meanwhile, and the padding."""
    left = size
    while left:
        data = os.read(file, min(left, _CHUNK)) or bytes(min(left, _CHUNK))  # it may have become shorter
        left -= len(data)
        yield data
    if size % BLOCK:
        padding = bytes(-size % BLOCK)
        writing.record.rest(padding)
        yield padding


def _is_opaque(descriptor: int, options: WriteOptions) -> bool:
    try:
        return os.getxattr(f"/proc/self/fd/{descriptor}", opaque_name(rootless=options.rootless)) == b"y"
    except OSError:
        return False


def _whiteout(writing: _Writing, written: bytes, name: bytes) -> bytes:
    directory = written.rpartition(b"/")[0]
    whole = directory + b"/" + name if directory else name
    found = os.stat_result((0o100000, 0, 0, 1, 0, 0, 0, 0, 0, 0))
    header = _header(writing, whole, b"0", found, 0, 0)
    writing.record.header(header)
    return header


def _xattrs(file: int | str, options: WriteOptions) -> list[tuple[bytes, bytes]]:
    """Return the pax records of a file's extended attributes; those of overlayfs itself belong to no layer."""
    if options.stripped:
        return []
    try:
        names = os.listxattr(file)
    except OSError:
        return []
    records = []
    for name in names:
        raw = os.fsencode(name)
        plain = _plain_name(raw, options)
        opaque = opaque_name(rootless=options.rootless)
        if options.adopt and not plain and raw.startswith(_OF_OVERLAY) and raw != opaque:
            os.removexattr(file, name)
        if not plain or (options.content and not plain.startswith(_OF_USERS)):
            continue
        try:
            records.append((b"SCHILY.xattr." + plain, os.getxattr(file, name)))
        except OSError:
            continue  # not ours to read, or it has just gone
    return records


def _plain_name(name: bytes, options: WriteOptions) -> bytes:
    """Return an attribute's name in the tar, empty for one that stays out."""
    if name in (b"security.selinux", b"system.nfs4_acl"):
        return b""
    if name.startswith(_OF_OVERLAY):
        # What an image brought with such a name lies there escaped, if it may have it (storage/layers/xattrs.py).
        space = _OF_OVERLAY[options.rootless]
        rest = name.removeprefix(space + b"overlay.")
        return space + rest if options.layer and rest != name else b""
    return name


def _header(
    writing: _Writing,
    name: bytes,
    kind: bytes,
    found: os.stat_result,
    uid: int,
    gid: int,
    *,
    size: int = 0,
    link: bytes = b"",
    records: list[tuple[bytes, bytes]] | None = None,
) -> bytes:
    """Return the header of one entry, with an extended one before it for what the plain one cannot hold."""
    extended = list(records or [])
    if len(name) > 100:
        extended.append((b"path", name))
    if len(link) > 100:
        extended.append((b"linkpath", link))
    for key, value, largest in ((b"size", size, _LARGEST_SIZE), (b"uid", uid, _LARGEST_ID), (b"gid", gid, _LARGEST_ID)):
        if value > largest:
            extended.append((key, b"%d" % value))
    seconds = writing.seconds(found)
    if not 0 <= seconds <= _LARGEST_SIZE:
        extended.append((b"mtime", b"%d" % seconds))
    device = (os.major(found.st_rdev), os.minor(found.st_rdev)) if kind in (b"3", b"4") else (0, 0)
    mode = found.st_mode & (0o1777 if writing.options.stripped else 0o7777)
    plain = _ustar(name, kind, mode, min(uid, _LARGEST_ID), min(gid, _LARGEST_ID), size, seconds, link, device)
    return _extension(extended) + plain if extended else plain


def _extension(records: list[tuple[bytes, bytes]]) -> bytes:
    data = b"".join(_record(key, value) for key, value in sorted(records))
    return _ustar(b"PaxHeaders.0", b"x", 0o644, 0, 0, len(data), 0, b"", (0, 0)) + data + bytes(-len(data) % BLOCK)


def _record(key: bytes, value: bytes) -> bytes:
    """Return `LENGTH KEY=VALUE`, where the length counts its own digits."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def _ustar(
    name: bytes,
    kind: bytes,
    mode: int,
    uid: int,
    gid: int,
    size: int,
    seconds: int,
    link: bytes,
    device: tuple[int, int],
) -> bytes:
    name, link = name[:100], link[:100]
    sizes = min(size, _LARGEST_SIZE), min(max(seconds, 0), _LARGEST_SIZE)
    numbers = b"%07o\0%07o\0%07o\0%011o\0%011o\0" % (mode, uid, gid, *sizes)
    devices = b"%07o\0%07o\0" % device
    # The field of the checksum itself counts as eight blanks, padding as nothing.
    checksum = sum(b"        ustar00" + name + numbers + kind + link + devices)
    return b"%b%b%06o\0 %b%bustar\00000%b%b%b" % (
        name.ljust(100, b"\0"),
        numbers,
        checksum,
        kind,
        link.ljust(100, b"\0"),
        bytes(64),
        devices,
        bytes(167),
    )
