"""What tells one selection from another: names, types, modes, owners as they will be copied, contents; no times."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from itertools import groupby

from pod.build.context import known, resolution
from pod.build.context.attributes import copied_xattrs
from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pod.build.context.known import KnownDigests
    from pod.build.context.selection import Entry, Selection

_READ = 1 << 20
_SET_IDS = stat.S_ISUID | stat.S_ISGID
_KIND = 0o170000
# What is read in less than about a second: bytes, and what it takes to open a file as if that were bytes.
_LONG = 64 << 20
_OPENING = 16 << 10
_READ_KINDS = (stat.S_IFREG, stat.S_IFDIR)


def takes_long(selections: Sequence[Selection], digests: KnownDigests) -> bool:
    """Tell whether the contents that are not known are many or large."""
    files = [entry.status for one in selections for tree in one.trees for entry in tree.entries]
    return _cost(files) > _LONG and _cost([status for status in files if digests.find(status) is None]) > _LONG


def _cost(files: Sequence[os.stat_result]) -> int:
    return sum([status.st_size for status in files]) + _OPENING * len(files)


def digest(selection: Selection, digests: KnownDigests) -> str:
    """Return the digest of all that a selection would copy; contents are read unless they are known.

    Raises PodError for what cannot be read. A file that is written to meanwhile has the digest of one of its states;
    `copying` tells if it has copied another.
    """
    contents = _contents(selection, digests)
    mask = 0o177777 if selection.from_image else 0o177777 & ~_SET_IDS
    total = sha256()
    for tree in selection.trees:
        lines = [b"%s\0%s" % (os.fsencode(tree.name), os.fsencode(tree.under))]
        lines += [_line(entry, mask, selection.from_image) for entry in tree.above]
        links: dict[tuple[int, int], int] = {}
        for entry in tree.entries:
            status = entry.status
            line = _line(entry, mask, selection.from_image)
            kind = status.st_mode & _KIND
            if kind == stat.S_IFLNK:
                line += os.fsencode(entry.link)
            elif kind in _READ_KINDS:
                line += contents[id(entry)]
                if kind == stat.S_IFREG and status.st_nlink > 1:
                    line += b"%d" % links.setdefault((status.st_dev, status.st_ino), len(lines))
            else:
                line += b"%d" % status.st_rdev
            lines.append(line)
        total.update(b"%d\0" % len(lines))
        total.update(b"".join([b"%d\0%s" % (len(line), line) for line in lines]))
    return f"sha256:{total.hexdigest()}"


def _line(entry: Entry, mask: int, owners: bool) -> bytes:
    status = entry.status
    name = os.fsencode(entry.path)
    if owners:
        return b"%s\0%o %d %d\0" % (name, status.st_mode & mask, status.st_uid, status.st_gid)
    return b"%s\0%o\0" % (name, status.st_mode & mask)


def _contents(selection: Selection, digests: KnownDigests) -> dict[int, bytes]:
    """Return the digests of the contents of files and directories, by the id of their entries."""
    found: dict[int, bytes] = {}
    unknown: list[tuple[str, list[Entry]]] = []
    for tree in selection.trees:
        missing = []
        for entry in tree.entries:
            if entry.content is not None:
                found[id(entry)] = sha256(entry.content).digest()
            elif entry.status.st_mode & _KIND in _READ_KINDS:
                known_digest = digests.find(entry.status)
                if known_digest is None:
                    missing.append(entry)
                else:
                    found[id(entry)] = known_digest
        for above, entries in groupby(missing, key=_directory):
            unknown.append((f"{tree.place}/{above}" if tree.place and above else tree.place or above, list(entries)))
    with ThreadPoolExecutor(2) as threads:
        for learned in threads.map(lambda one: _read_all(selection, *one), unknown):
            for entry, content, started in learned:
                found[id(entry)] = content
                digests.learn(entry.status, content, started)
    return found


def _directory(entry: Entry) -> str:
    return entry.path.rpartition("/")[0]


def _read_all(selection: Selection, directory: str, entries: list[Entry]) -> list[tuple[Entry, bytes, int]]:
    """Return the digests of files and directories in one directory, each with the time before it was read."""
    name = ""
    try:
        parent = resolution.open_directory(selection.root, directory)
    except OSError as error:
        raise _unreadable(selection, directory, error) from error
    try:
        found = []
        for entry in entries:
            started = known.now()
            name = entry.path.rpartition("/")[2]
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
            try:
                content = _read(descriptor)
                # Of another file than was seen, nothing is learned.
                same = known.key(os.fstat(descriptor)) == known.key(entry.status)
                found.append((entry, content, started if same else 0))
            finally:
                os.close(descriptor)
        return found
    except OSError as error:
        raise _unreadable(selection, f"{directory}/{name}" if directory else name, error) from error
    finally:
        os.close(parent)


def _unreadable(selection: Selection, path: str, error: OSError) -> PodError:
    return PodError(f'reading "{selection.told(path)}": {(error.strerror or "").lower()}')


def _read(descriptor: int) -> bytes:
    """Return the digest of a file's content, or of nothing for a directory, and of its attributes."""
    total = sha256()
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        while data := os.read(descriptor, _READ):
            total.update(data)
    attributes = copied_xattrs(descriptor)
    if not attributes:
        return total.digest()
    for name, value in attributes:
        text = os.fsencode(name)
        total = sha256(b"%s%d\0%s%d\0%s" % (total.digest(), len(text), text, len(value), value))
    return total.digest()
