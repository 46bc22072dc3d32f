"""Making a zstd:chunked blob of a tar: each file a frame of its own, then the tables and a footer."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from storage.chunked import placement
from storage.chunked.tarsplit import Writer as TarSplit
from storage.chunked.tarsplit import crc64
from storage.documents import digest_of
from storage.errors import StorageError
from storage.layers.stream import Stream
from storage.layers.tar import BLOCK_DEVICE, CHARACTER, DIRECTORY, FIFO, LINK, REGULAR, SYMLINK, Reader, shown

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from storage.layers.tar import Entry

DEFAULT_LEVEL = 3
_KINDS = {
    REGULAR: "reg",
    LINK: "hardlink",
    SYMLINK: "symlink",
    CHARACTER: "char",
    BLOCK_DEVICE: "block",
    DIRECTORY: "dir",
    FIFO: "fifo",
}
_PIECE = 1 << 20
_SKIPPABLE = 0x184D2A50
_MAGIC = b"GNUlInUx"


class Chunked:
    """The blob of a tar, yielded once; `annotations` are for its descriptor and known at the end.

    The same tar and level give the same blob, with one version of the zstd library.
    Raises CorruptError for a bad tar, StorageError for one that the format cannot hold.
    """

    def __init__(self, tar: Iterator[bytes], level: int = DEFAULT_LEVEL) -> None:
        import zstandard

        self.annotations: dict[str, str] = {}
        self._tar = tar
        self._compressor = zstandard.ZstdCompressor(level=level)
        self._rest: list[bytes] = []  # bytes of the tar that are in no file, not yet noted
        self._pending: list[bytes] = []  # noted, and not yet written
        self._split = TarSplit()
        # Of one compressor only one frame can be under way.
        self._lines = zstandard.ZstdCompressor(level=level).compressobj()
        self._split_data: list[bytes] = []
        self._split_size = 0
        self._entries: list[str] = []  # as JSON: the dictionaries of 100,000 entries would take 100 MB
        self._offset = 0

    def chunks(self) -> Iterator[bytes]:
        """Yield the blob."""
        for chunk in self._blob():
            self._offset += len(chunk)
            yield chunk

    def _blob(self) -> Iterator[bytes]:
        stream = Stream(self._tar, self._rest.append)
        reader = Reader(stream)
        for entry in reader:
            described = _described(entry)
            size = entry.size if entry.kind == REGULAR else 0
            checksum = 0
            if size:
                if entry.segments is not None:
                    raise StorageError(
                        f"`{shown(entry.name)}` is sparse, which zstd:chunked cannot hold", hint="choose zstd"
                    )
                reader.unread = 0
                stream.flush()
                yield from self._headers()
                checksum = yield from self._contents(stream, size, described)
            else:
                stream.flush()
                self._segment()
            self._entries.append(json.dumps(described, separators=(",", ":")))
            self._note(self._split.file(described["name"], size, checksum))
        stream.flush()
        yield from self._headers()
        yield from self._tables()

    def _headers(self) -> Iterator[bytes]:
        """End the frame of what is in no file."""
        self._segment()
        if self._pending:
            yield self._compressor.compress(b"".join(self._pending))
            self._pending.clear()

    def _segment(self) -> None:
        data = b"".join(self._rest)
        self._rest.clear()
        if data:
            self._pending.append(data)
            self._note(self._split.segment(data))

    def _contents(self, stream: Stream, size: int, described: dict[str, Any]) -> Generator[bytes, None, int]:
        """Write the contents of a file as a frame; return their checksum."""
        described["offset"] = self._offset
        digest, checksum, left = hashlib.sha256(), 0, size
        frame = self._compressor.compressobj(size=size)
        while left:
            data = stream.read(min(left, _PIECE))
            self._rest.clear()  # It records the contents too.
            left -= len(data)
            digest.update(data)
            checksum = crc64(data, checksum)
            if compressed := frame.compress(data):
                yield compressed
        yield frame.flush()
        stream.flush()
        self._rest.clear()
        described["endOffset"] = self._offset
        described["digest"] = f"sha256:{digest.hexdigest()}"
        return checksum

    def _note(self, line: bytes) -> None:
        self._split_size += len(line)
        self._split_data.append(self._lines.compress(line))

    def _tables(self) -> Iterator[bytes]:
        split = b"".join([*self._split_data, self._lines.flush()])
        entries = ",".join(self._entries)
        text = f'{{"version":1,"entries":[{entries}],"tarSplitDigest":"{digest_of(split)}"}}'.encode()
        toc = self._compressor.compress(text)
        start = self._offset + 8
        split_start = start + len(toc) + 8
        self.annotations = {
            placement.CHECKSUM: digest_of(toc),
            placement.POSITION: f"{start}:{len(toc)}:{len(text)}:1",
            placement.TAR_SPLIT: f"{split_start}:{len(split)}:{self._split_size}",
        }
        yield _skippable(toc)
        yield _skippable(split)
        yield _skippable(
            struct.pack("<7Q8s", start, len(toc), len(text), 1, split_start, len(split), self._split_size, _MAGIC)
        )


def _skippable(data: bytes) -> bytes:
    """RFC 8878 §3.1.2."""
    return struct.pack("<II", _SKIPPABLE, len(data)) + data


def _described(entry: Entry) -> dict[str, Any]:
    """Give the entry of the table for one of the tar; the place and the digest come later."""
    described: dict[str, Any] = {"type": _KINDS[entry.kind], "name": _text(entry.name)}
    if entry.kind in (LINK, SYMLINK):
        described["linkName"] = _text(entry.link)
    if entry.kind == DIRECTORY:
        described["name"] += "/"
    numbers = {"mode": entry.mode, "size": entry.size if entry.kind == REGULAR else 0, "uid": entry.uid}
    numbers["gid"] = entry.gid
    if entry.kind in (CHARACTER, BLOCK_DEVICE):
        numbers |= {"devMajor": entry.major, "devMinor": entry.minor}
    described |= {key: value for key, value in numbers.items() if value}
    described["modtime"] = datetime.fromtimestamp(entry.mtime // 10**9, UTC).isoformat().replace("+00:00", "Z")
    if entry.xattrs:
        described["xattrs"] = {_text(key): base64.b64encode(value).decode() for key, value in entry.xattrs}
    return described


def _text(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        raise StorageError(
            f"`{shown(name)}` is not UTF-8, which zstd:chunked cannot hold", hint="choose zstd"
        ) from None
