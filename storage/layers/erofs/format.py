"""The on-disk format of EROFS, as far as an index of a tar needs it.

Source: the kernel's Documentation/filesystems/erofs.rst. Numbers are little-endian. The blocks are those of a tar, so
that a file of it starts at a block; the tar itself is an extra device, whose blocks come after the index's own.
"""

from __future__ import annotations

import struct

BLOCK_BITS = 9
BLOCK = 1 << BLOCK_BITS
# Inodes are numbered by their place, in these units, from the first block of metadata.
SLOT = 32
NAME_MAX = 255

MAGIC = 0xE0F5E1E2
SUPERBLOCK_OFFSET = 1024
UUID_OFFSET = SUPERBLOCK_OFFSET + 48
UUID_SIZE = 16
_DEVICE_OFFSET = SUPERBLOCK_OFFSET + 128
_DEVICE_UNIT = 128
METADATA_BLOCK = 3

_COMPATIBLE_MTIME = 0x2
_INCOMPATIBLE_CHUNKED_FILE = 0x4
_INCOMPATIBLE_DEVICE_TABLE = 0x8

PLAIN, INLINE, CHUNKED = 0, 2, 4
_EXTENDED = 1
CHUNK_INDEXES = 0x20
CHUNK_BITS_MAX = 31 - BLOCK_BITS
HOLE = 0xFFFFFFFF
BLOCKS_MAX = 0xFFFFFFFE

# magic, checksum, compatible features, block bits, extension slots, root; inodes, time, its nanoseconds, blocks,
# first block of metadata, of shared attributes; UUID, name; incompatible features, compression, extra devices, where
# their table is; the rest is of features that are not used.
_SUPERBLOCK = struct.Struct("<IIIBBHQQIIII16s16sIHHHBBIQB23x")
_DEVICE = struct.Struct("<64sII56x")
# format, attributes, mode, reserved, size, address or device or chunk format, number, owner, group, time, its
# nanoseconds, links
_INODE = struct.Struct("<HHHHQIIIIQII16x")
INODE_SIZE = _INODE.size
DIRENT = struct.Struct("<QHBx")
CHUNK = struct.Struct("<HHI")
_XATTR_HEADER = struct.Struct("<IB7x")
_XATTR = struct.Struct("<BBH")
_XATTR_PREFIXES = {b"user.": 1, b"trusted.": 4, b"security.": 6}
# What the count of an inode's attributes, in units of four bytes, can say.
_XATTRS_MAX = _XATTR_HEADER.size + 4 * 0xFFFE

_FILE_TYPES = {0o10: 1, 0o4: 2, 0o2: 3, 0o6: 4, 0o1: 5, 0o12: 7}


class UnfitError(Exception):
    """The index cannot say what the tar holds: the layer has to be unpacked."""


def head(*, root: int, inodes: int, blocks: int, tar_blocks: int, uuid: bytes = bytes(UUID_SIZE)) -> bytes:
    """Make all that precedes the metadata: superblock and table of devices. `blocks` are the index's own."""
    superblock = _SUPERBLOCK.pack(
        MAGIC,
        0,
        _COMPATIBLE_MTIME,
        BLOCK_BITS,
        0,
        root,
        inodes,
        0,
        0,
        blocks,
        METADATA_BLOCK,
        0,
        uuid,
        b"",
        _INCOMPATIBLE_CHUNKED_FILE | _INCOMPATIBLE_DEVICE_TABLE,
        0,
        1,
        _DEVICE_OFFSET // _DEVICE_UNIT,
        0,
        0,
        0,
        0,
        0,
    )
    device = _DEVICE.pack(b"", tar_blocks, blocks)
    return (bytes(SUPERBLOCK_OFFSET) + superblock + device).ljust(METADATA_BLOCK * BLOCK, b"\0")


def tar_blocks(head: bytes) -> int:
    """Return how many blocks the tar has, from what `head` made."""
    return int(_DEVICE.unpack_from(head, _DEVICE_OFFSET)[1])


def inode(
    *,
    layout: int,
    xattrs: int,
    mode: int,
    size: int,
    union: int,
    number: int,
    uid: int,
    gid: int,
    mtime: int,
    links: int,
) -> bytes:
    """Make an inode; `xattrs` is the size of what `xattr_body` made, `mtime` in nanoseconds."""
    count = (xattrs - _XATTR_HEADER.size) // 4 + 1 if xattrs else 0
    seconds, nanoseconds = divmod(mtime, 1_000_000_000)
    return _INODE.pack(
        _EXTENDED | layout << 1,
        count,
        mode,
        0,
        size,
        union,
        number & 0xFFFFFFFF,
        uid,
        gid,
        seconds,
        nanoseconds,
        links,
    )


def xattr_body(attributes: dict[bytes, bytes]) -> bytes:
    """Make what follows an inode that has extended attributes; raises UnfitError for those that have no room."""
    parts = [_XATTR_HEADER.pack(0, 0)]
    for name, value in attributes.items():
        prefix = name[: name.index(b".") + 1]
        rest = name[len(prefix) :]
        if len(value) > 0xFFFF or prefix not in _XATTR_PREFIXES:
            raise UnfitError
        entry = _XATTR.pack(len(rest), _XATTR_PREFIXES[prefix], len(value)) + rest + value
        parts.append(entry + bytes(-len(entry) % 4))
    body = b"".join(parts)
    if len(body) > _XATTRS_MAX:
        raise UnfitError
    return body


def has_prefix(name: bytes) -> bool:
    """Tell whether an extended attribute is of a kind that EROFS keeps."""
    return name.startswith(tuple(_XATTR_PREFIXES))


def device_number(major: int, minor: int) -> int:
    """Encode a device number as an inode has it."""
    return minor & 0xFF | major << 8 | (minor & ~0xFF) << 12


def dirent_type(mode: int) -> int:
    """Return the type that a directory entry has for a mode."""
    return _FILE_TYPES[mode >> 12]
