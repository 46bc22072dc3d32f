"""Compress layers: the same bytes each time for the same recipe, whatever cores there are.

gzip is one member (RFC 1952) without time or name, its deflate stream made of blocks that are compressed each by
itself, as pigz does. Through isal where it is installed, four times as fast as zlib. zstd is one frame of zstandard's
own multi-threaded compressor, whose output does not depend on the number of threads. zstd:chunked, where each file
is a frame that can be fetched alone, is written by storage/chunked/writer.py.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from storage.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Part of what makes the output the same.
_BLOCK = 1 << 20
# Magic, method, no flags, no time, no extra flags, unknown system.
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
# An empty final block with fixed codes (RFC 1951).
_LAST_BLOCK = b"\x03\x00"
_LEVELS = {"gzip": range(1, 10), "zstd": range(1, 23), "zstd:chunked": range(1, 23)}
_KNOWN = (("gzip", "zlib"), ("gzip", "isal"), ("zstd", "zstandard"), ("zstd:chunked", "zstandard"))
_ISAL_LEVEL = 2
_ZLIB_LEVEL = 4
_ZSTD_LEVEL = 3


@dataclass(frozen=True)
class Recipe:
    """How a blob was made from a layer's tar: with the same library, the same digest comes out again."""

    kind: str
    library: str
    level: int

    def __str__(self) -> str:
        return f"{self.kind}:{self.library}:{self.level}"


def recipe(kind: str, level: int | None = None) -> Recipe:
    """Give the recipe for gzip, zstd or zstd:chunked; a level that is asked for is zlib's or zstd's, not isal's.

    Raises StorageError for another kind or a level that there is not.
    """
    if kind not in _LEVELS:
        raise StorageError(f'invalid compression format: unknown compressor "{kind}"')
    if level is not None and level not in _LEVELS[kind]:
        raise StorageError(f"invalid compression level {level}: {kind} has {_LEVELS[kind][0]} to {_LEVELS[kind][-1]}")
    if kind != "gzip":
        return Recipe(kind, "zstandard", level or _ZSTD_LEVEL)
    if level is None and _has_isal():
        return Recipe(kind, "isal", _ISAL_LEVEL)
    return Recipe(kind, "zlib", level or _ZLIB_LEVEL)


def parse(text: str) -> Recipe | None:
    """Read a recipe as the store keeps it; None for one that cannot be followed here."""
    kind, library, level = (["", "", *text.rsplit(":", 2)])[-3:]
    if (kind, library) not in _KNOWN or not level.isdigit() or (library == "isal" and not _has_isal()):
        return None
    return Recipe(kind, library, int(level))


def compress(chunks: Iterator[bytes], recipe: Recipe, annotations: dict[str, str] | None = None) -> Iterator[bytes]:
    """Yield the compressed stream of a tar. Starts threads, which end with the iterator.

    At its end `annotations` has what the blob's descriptor must say of it.
    """
    if recipe.kind == "zstd:chunked":
        return _chunked(chunks, recipe.level, {} if annotations is None else annotations)
    blocks = _blocks(chunks)
    return _zstd(blocks, recipe.level) if recipe.kind == "zstd" else _gzip(blocks, _deflater(recipe))


def _has_isal() -> bool:
    try:
        import isal.isal_zlib  # noqa: F401
    except ImportError:
        return False
    return True


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _blocks(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Cut the stream into pieces of one size, the last one smaller: however it came, what goes in is the same."""
    parts: list[bytes] = []
    size = 0
    for chunk in chunks:
        parts.append(chunk)
        size += len(chunk)
        if size < _BLOCK:
            continue
        whole = b"".join(parts)
        end = size - size % _BLOCK
        for start in range(0, end, _BLOCK):
            yield whole[start : start + _BLOCK]
        parts, size = [whole[end:]], size - end
    if size:
        yield b"".join(parts)


def _deflater(recipe: Recipe) -> Callable[[bytes], bytes]:
    if recipe.library == "isal":
        from isal import isal_zlib

        def deflate_fast(block: bytes) -> bytes:
            stream = isal_zlib.compressobj(recipe.level, isal_zlib.DEFLATED, -15)
            return bytes(stream.compress(block) + stream.flush(isal_zlib.Z_SYNC_FLUSH))

        return deflate_fast

    def deflate(block: bytes) -> bytes:
        stream = zlib.compressobj(recipe.level, zlib.DEFLATED, -15)
        return stream.compress(block) + stream.flush(zlib.Z_SYNC_FLUSH)

    return deflate


def _gzip(blocks: Iterator[bytes], deflate: Callable[[bytes], bytes]) -> Iterator[bytes]:
    from concurrent.futures import Future, ThreadPoolExecutor

    yield _GZIP_HEADER
    checksum = length = 0
    cores = _cores()
    pending: deque[Future[bytes]] = deque()
    with ThreadPoolExecutor(cores) as pool:
        for block in blocks:
            pending.append(pool.submit(deflate, block))
            checksum = zlib.crc32(block, checksum)
            length += len(block)
            if len(pending) > 2 * cores:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    yield _LAST_BLOCK + struct.pack("<II", checksum, length & 0xFFFFFFFF)


def _chunked(chunks: Iterator[bytes], level: int, annotations: dict[str, str]) -> Iterator[bytes]:
    from storage.chunked.writer import Chunked

    blob = Chunked(chunks, level)
    yield from blob.chunks()
    annotations.update(blob.annotations)


def _zstd(blocks: Iterator[bytes], level: int) -> Iterator[bytes]:
    import zstandard

    # Never 0 threads: that is another compressor, with another output. Each further one takes 25 MB, and gains nothing:
    # this one is as busy with a layer as who makes the tar and hashes it.
    compressor = zstandard.ZstdCompressor(level=level, write_checksum=True, threads=1).compressobj()
    for block in blocks:
        output = compressor.compress(block)
        if output:
            yield output
    yield compressor.flush()
