"""The owners of a tree's files, changed in place: from those that one user namespace sees to those of another.

The tree is hostile, but nobody writes to it any more: it is walked through directory fds, and links are not followed.
Sources: chown(2), capabilities(7), acl(5).
"""

from __future__ import annotations

import os
import stat
import struct
from typing import TYPE_CHECKING

from storage.descending import DIRECTORY, open_below
from storage.remap import shift

if TYPE_CHECKING:
    from storage.remap import Ranges

# One descriptor is open for each level; below this many, a directory is reached from the top anew.
_DEPTH = 64
_CAPABILITY = "security.capability"
_WITHOUT_ROOT, _WITH_ROOT, _VERSION = 0x02000000, 0x03000000, 0xFF000000
_ACLS = ("system.posix_acl_access", "system.posix_acl_default")
_ACL_ENTRY = struct.Struct("<HHI")
_ACL_HEADER = 4
_ACL_USER, _ACL_GROUP = 0x02, 0x08


def move(path: str, uids: Ranges, gids: Ranges) -> None:
    """Give all files of the tree at `path`, itself too, the owners that `uids` and `gids` map theirs to.

    Each range is (before, after, length); an owner in none of them is left alone. Modes, capabilities and access lists
    stay, with their IDs mapped. Raises OSError.
    """
    _Mover(uids, gids).tree(path)


class _Mover:
    def __init__(self, uids: Ranges, gids: Ranges) -> None:
        self._uid = shift(uids)
        self._gid = shift(gids)
        self._several: set[int] = set()  # files with several names that were seen
        self._pending: list[tuple[str, ...]] = [()]

    def tree(self, path: str) -> None:
        self._entry(-1, path)
        while self._pending:
            names = self._pending.pop()
            self._below(open_below(os.open(path, DIRECTORY), names), names, _DEPTH)

    def _below(self, directory: int, names: tuple[str, ...], depth: int) -> None:
        """Change what is in an open directory and below it; closes it."""
        try:
            for name in os.listdir(directory):
                if not self._entry(directory, name):
                    continue
                if depth:
                    below = os.open(name, DIRECTORY, dir_fd=directory)
                    self._below(below, (*names, name), depth - 1)
                else:
                    self._pending.append((*names, name))
        finally:
            os.close(directory)

    def _entry(self, directory: int, name: str) -> bool:
        """Change one file; tell whether it is a directory."""
        at = directory if directory >= 0 else None
        status = os.stat(name, dir_fd=at, follow_symlinks=False)
        is_directory = stat.S_ISDIR(status.st_mode)
        if status.st_nlink > 1 and not is_directory:
            if status.st_ino in self._several:
                return False
            self._several.add(status.st_ino)
        path = name if at is None else f"/proc/self/fd/{directory}/{name}"
        kept = self._attributes(path) if is_directory or stat.S_ISREG(status.st_mode) else {}
        uid, gid = self._uid(status.st_uid), self._gid(status.st_gid)
        if (uid, gid) != (status.st_uid, status.st_gid):
            os.chown(name, uid, gid, dir_fd=at, follow_symlinks=False)
            # Which has taken set-user-ID and capabilities away.
            if status.st_mode & (stat.S_ISUID | stat.S_ISGID) and not stat.S_ISLNK(status.st_mode):
                os.chmod(name, stat.S_IMODE(status.st_mode), dir_fd=at)
        for attribute, value in kept.items():
            os.setxattr(path, attribute, value, follow_symlinks=False)
        return is_directory

    def _attributes(self, path: str) -> dict[str, bytes]:
        """Return the attributes that tell of IDs, or go with an owner, as they are to be."""
        found = {}
        for name in os.listxattr(path, follow_symlinks=False):
            if name == _CAPABILITY:
                found[name] = self._capability(os.getxattr(path, name, follow_symlinks=False))
            elif name in _ACLS:
                found[name] = self._access(os.getxattr(path, name, follow_symlinks=False))
        return found

    def _capability(self, value: bytes) -> bytes:
        """Map the user whose namespace capabilities count in; for this one's root none is named."""
        (magic,) = struct.unpack_from("<I", value)
        if magic & _VERSION != _WITH_ROOT:
            return value
        root = self._uid(struct.unpack_from("<I", value, len(value) - 4)[0])
        if root:
            return value[:-4] + struct.pack("<I", root)
        return struct.pack("<I", magic & ~_VERSION | _WITHOUT_ROOT) + value[4:-4]

    def _access(self, value: bytes) -> bytes:
        """Map the users and groups of an access list."""
        parts = [value[:_ACL_HEADER]]
        for tag, rights, number in _ACL_ENTRY.iter_unpack(value[_ACL_HEADER:]):
            mapped = {_ACL_USER: self._uid, _ACL_GROUP: self._gid}.get(tag)
            parts.append(_ACL_ENTRY.pack(tag, rights, mapped(number) if mapped else number))
        return b"".join(parts)
