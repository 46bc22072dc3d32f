"""Write a tree down as an EROFS file system whose data is in a tar.

Everything in it comes from the tree, whose sizes, names and numbers were checked; all that is computed here is bounded
by the number of nodes. Inodes come first, each with its attributes and what fits into its block (a link's target, a
small directory), then the blocks of larger directories. The UUID is the beginning of the SHA-256 of the rest.
"""

from __future__ import annotations

import hashlib
import os
import stat
from typing import BinaryIO

from storage.layers.erofs import format
from storage.layers.erofs.format import BLOCK, BLOCK_BITS, SLOT, UnfitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from storage.layers.erofs.nodes import Node

_METADATA = format.METADATA_BLOCK * BLOCK
_ALIGNMENT = 64
_FLUSH = 1 << 18
_MAX_CHUNKS = 1 << 22
_MAX_METADATA = 1 << 31


def write(file: BinaryIO, root: Node, tar_size: int) -> None:
    """Write the index of a tar of that many bytes to an empty file; raises UnfitError if it cannot be told so."""
    tar_blocks = -(-tar_size // BLOCK)
    plan = _Plan(root)
    blocks = plan.blocks
    if blocks + tar_blocks > format.BLOCKS_MAX:
        raise UnfitError
    head = format.head(root=root.place // SLOT, inodes=len(plan.nodes), blocks=blocks, tar_blocks=tar_blocks)
    digest = hashlib.sha256()
    for data in _pieces(head, plan):
        digest.update(data)
        file.write(data)
    file.flush()
    os.pwrite(file.fileno(), digest.digest()[: format.UUID_SIZE], format.UUID_OFFSET)


def is_whole(file: BinaryIO) -> bool:
    """Tell whether an index is as it was written."""
    head = file.read(_METADATA)
    end = format.UUID_OFFSET + format.UUID_SIZE
    digest = hashlib.sha256(head[: format.UUID_OFFSET] + bytes(format.UUID_SIZE) + head[end:])
    while data := file.read(1 << 20):
        digest.update(data)
    return len(head) == _METADATA and head[format.UUID_OFFSET : end] == digest.digest()[: format.UUID_SIZE]


class _Plan:
    """Where everything goes. `place` of each node becomes the offset of its inode in the metadata."""

    def __init__(self, root: Node) -> None:
        self.nodes: list[Node] = []
        self.parents: dict[Node, Node] = {root: root}  # of directories
        self.chunk_bits: dict[Node, int] = {}
        # What does not fit behind its inode, by the first block of its contents, counted from the end of the inodes.
        self.outside: dict[Node, int] = {}
        self.bodies: dict[tuple[tuple[bytes, bytes], ...], bytes] = {}
        self._chunks = 0
        self._collect(root)
        self._end = 0
        for node in self.nodes:
            self._place(node)
        self.inode_blocks = -(-self._end // BLOCK)
        self._outside_blocks = 0
        for node in self.outside:
            self.outside[node] = self._outside_blocks
            self._outside_blocks += -(-node.size // BLOCK)

    @property
    def blocks(self) -> int:
        """How many blocks the index has."""
        return format.METADATA_BLOCK + self.inode_blocks + self._outside_blocks

    def body(self, node: Node) -> bytes:
        """Return the node's extended attributes; few combinations make up a layer."""
        if not node.xattrs:
            return b""
        key = tuple(node.xattrs.items())
        body = self.bodies.get(key)
        if body is None:
            body = self.bodies[key] = format.xattr_body(node.xattrs)
        return body

    def _collect(self, root: Node) -> None:
        """List all nodes, the root first, and count their names."""
        self.nodes.append(root)
        for node in self.nodes:
            children = node.children
            if children is None:
                continue
            node.names = 2
            for child in children.values():
                if child.children is not None:
                    node.names += 1
                    self.parents[child] = node
                    self.nodes.append(child)
                else:
                    child.names += 1
                    if child.names == 1:
                        self.nodes.append(child)

    def _place(self, node: Node) -> None:
        size = format.INODE_SIZE + len(self.body(node))
        inline = 0
        if node.children is not None:
            node.size = _directory_size(node.children)
            if size + node.size <= BLOCK:
                inline = node.size
            else:
                self.outside[node] = 0
        elif node.link:
            if size + len(node.link) <= BLOCK:
                inline = len(node.link)
            else:
                self.outside[node] = 0
        elif _needs_chunks(node):
            bits = self._bits_of(node)
            self.chunk_bits[node] = bits
            size = size + -size % format.CHUNK.size + format.CHUNK.size * _count(node.size, bits)
        start = self._end + -self._end % _ALIGNMENT
        if inline and start % BLOCK + size + inline > BLOCK:
            start += -start % BLOCK
        node.place = start
        self._end = start + size + inline
        if self._end > _MAX_METADATA:
            raise UnfitError

    def _bits_of(self, node: Node) -> int:
        """Choose the largest chunks of which each is either a hole or in one place of the tar."""
        everything = 0
        for start, _, length in node.extents:
            everything |= start | (length if start + length < node.size else 0)
        bits = 0
        while bits < format.CHUNK_BITS_MAX and not everything >> BLOCK_BITS + bits & 1 and _count(node.size, bits) > 1:
            bits += 1
        self._chunks += _count(node.size, bits)
        if everything % BLOCK or self._chunks > _MAX_CHUNKS:
            raise UnfitError
        return bits


def _needs_chunks(node: Node) -> bool:
    """Tell whether a file is anything but one run of the tar."""
    if not node.size or not stat.S_ISREG(node.mode):
        return False
    return len(node.extents) != 1 or node.extents[0][0] != 0 or node.extents[0][2] != node.size


def _count(size: int, bits: int) -> int:
    return -(-size >> BLOCK_BITS + bits)


def _blocks_of(children: dict[bytes, Node]) -> Iterator[tuple[list[bytes], int]]:
    """Split the sorted names of a directory into blocks; yield those of each, and how much of it they take."""
    block: list[bytes] = []
    used = 0
    for name in sorted([b".", b"..", *children]):
        need = format.DIRENT.size + len(name)
        if used + need > BLOCK:
            yield block, used
            block, used = [], 0
        block.append(name)
        used += need
    yield block, used


def _directory_size(children: dict[bytes, Node]) -> int:
    """Return the size of a directory: all blocks but the last count as full."""
    sizes = [used for _, used in _blocks_of(children)]
    return (len(sizes) - 1) * BLOCK + sizes[-1]


def _directory(node: Node, parent: Node) -> bytes:
    """Make the contents of a directory."""
    children = node.children
    assert children is not None
    known = {b".": node, b"..": parent}
    blocks = []
    for names, _ in _blocks_of(children):
        position = format.DIRENT.size * len(names)
        entries = []
        for name in names:
            child = known.get(name) or children[name]
            entries.append(format.DIRENT.pack(child.place // SLOT, position, format.dirent_type(child.mode)))
            position += len(name)
        blocks.append((b"".join(entries) + b"".join(names)).ljust(BLOCK, b"\0"))
    return b"".join(blocks)[: node.size]


def _pieces(head: bytes, plan: _Plan) -> Iterator[bytes]:
    """Yield the whole index."""
    yield head
    parts: list[bytes] = []
    size = position = 0
    for number, node in enumerate(plan.nodes, 1):
        data = bytes(node.place - position) + _inode(plan, node, number)
        position += len(data)
        parts.append(data)
        size += len(data)
        if size > _FLUSH:
            yield b"".join(parts)
            parts.clear()
            size = 0
    parts.append(bytes(plan.inode_blocks * BLOCK - position))
    for node in plan.outside:
        data = node.link or _directory(node, plan.parents[node])
        parts.append(data + bytes(-len(data) % BLOCK))
        size += len(data)
        if size > _FLUSH:
            yield b"".join(parts)
            parts.clear()
            size = 0
    yield b"".join(parts)


def _inode(plan: _Plan, node: Node, number: int) -> bytes:
    """Make an inode with all that directly follows it."""
    body = plan.body(node)
    layout, union, tail = format.PLAIN, node.rdev, b""
    if node in plan.outside:
        union = format.METADATA_BLOCK + plan.inode_blocks + plan.outside[node]
    elif node.children is not None:
        layout, tail = format.INLINE, _directory(node, plan.parents[node])
    elif node.link:
        layout, tail = format.INLINE, node.link
    elif node in plan.chunk_bits:
        bits = plan.chunk_bits[node]
        layout, union = format.CHUNKED, format.CHUNK_INDEXES | bits
        tail = bytes(-len(body) % format.CHUNK.size) + _chunks(node, bits)
    elif node.size:
        union = plan.blocks + node.extents[0][1] // BLOCK
    head = format.inode(
        layout=layout,
        xattrs=len(body),
        mode=node.mode,
        size=node.size,
        union=union,
        number=number,
        uid=node.uid,
        gid=node.gid,
        mtime=node.mtime,
        links=node.names,
    )
    return head + body + tail


def _chunks(node: Node, bits: int) -> bytes:
    """Make the index of a sparse file: where in the tar each chunk is, if anywhere."""
    hole = format.CHUNK.pack(0, 0, format.HOLE)
    chunks = [hole] * _count(node.size, bits)
    for start, offset, length in node.extents:
        for distance in range(0, length, BLOCK << bits):
            chunk = format.CHUNK.pack(0, 1, (offset + distance) // BLOCK)
            chunks[start + distance >> BLOCK_BITS + bits] = chunk
    return b"".join(chunks)
