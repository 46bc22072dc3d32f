"""Inflate layers, whatever they are compressed with.

The kind is told by the first bytes, never by a media type: registries and archives mislabel.
Output is bounded per step, so that a bomb is met by the caller's limit before it is in memory.
"""

from __future__ import annotations

import zlib
from typing import IO, cast

from storage.errors import CorruptError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from typing import Any

# What a reader gets at once: large enough for hashes to release the interpreter's lock for long.
CHUNK = 1 << 20
_SMALLEST_PIECE = 4096

_MAGIC = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
)


def kind(first: bytes) -> str:
    """Return "gzip", "zstd", "bzip2", "xz", or "plain"."""
    for magic, name in _MAGIC:
        if first.startswith(magic):
            return name
    # RFC 8878 §3.1.2: a stream may begin with a skippable frame, 0x184D2A50 to 0x184D2A5F.
    if len(first) >= 4 and first[1:4] == b"\x2a\x4d\x18" and first[0] & 0xF0 == 0x50:
        return "zstd"
    return "plain"


def inflate(chunks: Iterator[bytes]) -> Generator[bytes]:
    """Yield the inflated stream in pieces of at most about `CHUNK` bytes."""
    first = _at_least(chunks, 6)
    name = kind(first)
    source = _chain(first, chunks)
    if name == "gzip":
        return _members(source, _gzip_decompressor(), "gzip")
    if name == "zstd":
        return _zstd(source)
    if name == "bzip2":
        import bz2

        return _members(source, bz2.BZ2Decompressor, "bzip2")
    if name == "xz":
        import lzma

        return _members(source, lzma.LZMADecompressor, "xz")
    return pieces(source)


def _at_least(chunks: Iterator[bytes], size: int) -> bytes:
    first = b""
    for chunk in chunks:
        first += chunk
        if len(first) >= size:
            break
    return first


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def pieces(chunks: Iterator[bytes]) -> Generator[bytes]:
    """Yield a stream that is not compressed, whatever its first bytes look like, in such pieces too."""
    for chunk in chunks:
        if len(chunk) <= CHUNK:
            yield chunk
        else:
            for start in range(0, len(chunk), CHUNK):
                yield chunk[start : start + CHUNK]


class _ZlibMember:
    """One gzip member, with the interface of `bz2` and `lzma`: output bounded, input kept inside."""

    def __init__(self, decompressor: Any) -> None:
        self._inner = decompressor
        self.eof = False

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        data: bytes = self._inner.unused_data
        return data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        output: bytes = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        self.eof = self._inner.eof
        return output


def _gzip_decompressor() -> Callable[[], _ZlibMember]:
    """Return the maker of gzip decompressors: isal is 2.4 times as fast, where it is installed."""
    try:
        from isal import isal_zlib as library
    except ImportError:
        return lambda: _ZlibMember(zlib.decompressobj(wbits=31))
    return lambda: _ZlibMember(library.decompressobj(wbits=31))


def _members(chunks: Iterator[bytes], new: Callable[[], Any], name: str) -> Generator[bytes]:
    """Inflate any number of members in a row (pigz, eStargz); zeros may follow the last one."""
    member, fed = new(), False
    # After the end of a member the input goes in small pieces: what a decompressor did not use is
    # copied, and a blob of 60 000 small members would be copied 60 000 times.
    piece = CHUNK
    for chunk in chunks:
        rest = memoryview(chunk)
        while rest:
            data, rest = bytes(rest[:piece]), rest[piece:]
            piece = min(piece * 2, CHUNK)
            while True:
                if not fed and not data.strip(b"\0"):
                    break
                try:
                    output = member.decompress(data, CHUNK)
                except Exception as error:
                    raise CorruptError(f"inflate {name}: {error}") from error
                fed = True
                if output:
                    yield output
                if member.eof:
                    data, member, fed, piece = member.unused_data, new(), False, _SMALLEST_PIECE
                    if data:
                        continue
                    break
                data = b""
                if member.needs_input and len(output) < CHUNK:
                    break
    if fed:
        raise CorruptError(f"inflate {name}: the stream ends early")


class _Source:
    """The file-like face of an iterator of chunks."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks

    def read(self, _size: int = -1) -> bytes:
        for chunk in self._chunks:
            if chunk:
                return chunk
        return b""


def _zstd(chunks: Iterator[bytes]) -> Generator[bytes]:
    import zstandard

    # The reader pulls, and so bounds its output; one object for all frames: zstd:chunked has 60 000.
    reader = zstandard.ZstdDecompressor().stream_reader(cast("IO[bytes]", _Source(chunks)), read_across_frames=True)
    while True:
        try:
            output = reader.read(CHUNK)
        except zstandard.ZstdError as error:
            raise CorruptError(f"inflate zstd: {error}") from error
        if not output:
            return
        yield output
