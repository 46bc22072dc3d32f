"""Which extended attributes of a tar reach the file system, and under which name."""

from __future__ import annotations

import errno
import os
import struct

from storage.errors import StorageError
from storage.layers.tar import shown
from storage.store import OPAQUE

_IGNORED = frozenset((b"security.selinux", b"system.nfs4_acl"))
_CAPABILITY = b"security.capability"
_REVISION_2, _REVISION_3 = 0x02000000, 0x03000000


def opaque_name(*, rootless: bool) -> bytes:
    """Return the attribute that makes a directory opaque to overlayfs (userxattr when rootless)."""
    return OPAQUE[rootless].encode()


def translate(name: bytes, value: bytes, *, rootless: bool) -> tuple[bytes, bytes] | None:
    """Return the attribute to set, or None if it is to be left out.

    overlayfs would obey its own attributes, and let an image redirect or hide any path: those of the
    name space that mounts use are escaped (Linux 6.7 shows them unescaped in the container), others dropped.
    """
    if name in _IGNORED:
        return None
    if name.startswith((b"trusted.overlay.", b"user.overlay.")):
        prefix, _, rest = name.partition(b".overlay.")
        mounted = prefix == (b"user" if rootless else b"trusted")
        return (prefix + b".overlay.overlay." + rest, value) if mounted else None
    if rootless:
        if name.startswith(b"trusted."):
            return None
        if name == _CAPABILITY:
            return name, _without_root_id(value)
    return name, value


def _without_root_id(value: bytes) -> bytes:
    """Make a capability of revision 2: in a user namespace the kernel itself adds the root's ID."""
    if len(value) == 24:
        revision = struct.unpack_from("<I", value)[0]
        if revision & 0xFF000000 == _REVISION_3:
            return struct.pack("<I", revision & 0xFFFFFF | _REVISION_2) + value[4:20]
    return value


class Policy:
    """Sets the attributes of one layer; what the file system or the name space cannot hold is noted, and left out."""

    def __init__(self, *, rootless: bool) -> None:
        self.rootless = rootless
        self.notes: dict[str, None] = {}

    def put(self, file: int | bytes, name: bytes, value: bytes) -> None:
        """Set an attribute of a tar on a file: an fd, or the path of what is not to be opened."""
        attribute = translate(name, value, rootless=self.rootless)
        if attribute is None:
            return
        try:
            os.setxattr(file, *attribute, follow_symlinks=isinstance(file, int))
        except OSError as error:
            if error.errno == errno.EOPNOTSUPP:
                self.notes[f"the file system does not keep extended attributes such as {shown(name)}"] = None
            elif error.errno == errno.EPERM and self.rootless and name != _CAPABILITY:
                pass  # Other attributes of security.* belong to the host's security modules.
            elif error.errno in {errno.ENOSPC, errno.E2BIG, errno.ERANGE}:
                # ext4 keeps them in one block: the disk is not full.
                raise StorageError(f"set extended attribute {shown(name)}: no room for {len(value)} bytes") from error
            else:
                raise
