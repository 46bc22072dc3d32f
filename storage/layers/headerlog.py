"""The log of a layer's tar: everything of it but the contents of files, from which it can be made again.

The file is zstd frames: first the bytes of the tar that are in no file of the layer (headers, padding,
end); then the contents of entries that later entries replaced, a frame each; last a skippable frame with
a JSON footer, whose final bytes hold its checksum and its place. `zstd -dc` shows all but the footer.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from typing import IO, cast

from storage.errors import CorruptError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

NAME = "headers.zst"
_LEVEL = 1
_BATCH = 1 << 19
_SKIPPABLE = 0x184D2A5E
_MAGIC = b"podH"
_TAIL = struct.Struct("<IQ4s")
_FOOTER_LIMIT = 256 << 20


class Writer:
    """Writes a log: `record` as the tar is read, `displaced` for contents, `close` for the footer."""

    def __init__(self, path: str) -> None:
        import zstandard

        self._file = open(path, "xb+", buffering=0)  # noqa: SIM115 - closed by close()
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compressobj()
        self._parts: list[bytes] = []
        self._size = 0

    def record(self, data: bytes) -> None:
        """Append bytes of the tar."""
        self._parts.append(data)
        self._size += len(data)
        if self._size >= _BATCH:
            self._compress()

    def _compress(self) -> None:
        self._write(self._compressor.compress(b"".join(self._parts)))
        self._parts.clear()
        self._size = 0

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]

    def end_headers(self) -> int:
        """Finish the first frame, and return its size."""
        self._compress()
        self._write(self._compressor.flush())
        return self._file.tell()

    def displaced(self, contents: Iterator[bytes]) -> tuple[int, int]:
        """Append contents as a frame; return where it is."""
        import zstandard

        start = self._file.tell()
        compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compressobj()
        for data in contents:
            self._write(compressor.compress(data))
        self._write(compressor.flush())
        return start, self._file.tell() - start

    def finish(self, footer: dict[str, Any]) -> None:
        """Append the footer; the log is complete."""
        start = self._file.tell()
        text = json.dumps(footer, separators=(",", ":")).encode()
        text += _TAIL.pack(zlib.crc32(text), start, _MAGIC)
        self._write(struct.pack("<II", _SKIPPABLE, len(text)) + text)

    def fileno(self) -> int:
        """Return the fd of the file."""
        return self._file.fileno()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_frame(fd: int, start: int, size: int) -> Iterator[bytes]:
    """Yield what a frame of the file holds; the file's offset is left alone."""
    import zstandard

    reader = zstandard.ZstdDecompressor().stream_reader(cast("IO[bytes]", _Section(fd, start, size)))
    try:
        while data := reader.read(1 << 20):
            yield data
    except zstandard.ZstdError as error:
        raise CorruptError(f"read header log: {error}") from error


class Log:
    """A complete log, for reading."""

    def __init__(self, path: str) -> None:
        try:
            self._file = open(path, "rb")  # noqa: SIM115 - closed by close()
        except OSError as error:
            raise CorruptError(f"read header log `{path}`: {error.strerror}") from error
        self._path = path
        try:
            self.footer = self._read_footer()
        except (ValueError, struct.error, OSError) as error:
            self._file.close()
            raise CorruptError(f"read header log `{path}`: it is damaged") from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read_footer(self) -> dict[str, Any]:
        size = self._file.seek(0, os.SEEK_END)
        self._file.seek(max(0, size - _TAIL.size))
        checksum, start, magic = _TAIL.unpack(self._file.read(_TAIL.size))
        if magic != _MAGIC or not 0 <= start < size or size - start > _FOOTER_LIMIT:
            raise ValueError("no footer")
        self._file.seek(start + 8)
        text = self._file.read(size - start - 8 - _TAIL.size)
        if zlib.crc32(text) != checksum:
            raise ValueError("wrong checksum")
        footer = json.loads(text)
        if not isinstance(footer, dict) or footer.get("version") != 1:
            raise ValueError("unknown version")
        return footer

    def headers(self) -> Iterator[bytes]:
        """Yield the bytes of the tar that are in no file."""
        return self.frame(0, int(self.footer["headers"]))

    def frame(self, start: int, size: int) -> Iterator[bytes]:
        """Yield the contents of one frame."""
        return read_frame(self._file.fileno(), start, size)


class _Section:
    """A part of a file, read by position: several can be read by turns."""

    def __init__(self, fd: int, start: int, size: int) -> None:
        self._fd, self._start, self._end = fd, start, start + size

    def read(self, size: int = -1) -> bytes:
        left = self._end - self._start
        data = os.pread(self._fd, left if size < 0 else min(size, left), self._start)
        self._start += len(data)
        return data
