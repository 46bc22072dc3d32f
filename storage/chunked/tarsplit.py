"""The tar-split format: a JSON object a line, for the bytes of a tar that are in no file, and for the files between.

As github.com/vbatts/tar-split writes it: type 1 is a file with the CRC-64 of its contents, type 2 are bytes.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import IO, TYPE_CHECKING, Any

from storage.errors import CorruptError

if TYPE_CHECKING:
    from collections.abc import Iterator

_FILE, _SEGMENT = 1, 2
_ONES = (1 << 64) - 1
_PIECE = 1 << 20


class Payload(tuple[str, int]):
    """The contents of a file, by name and size, which come here in the tar."""

    __slots__ = ()


def read(compressed: bytes, limit: int) -> Iterator[bytes | Payload]:
    """Yield what the tar consists of, in order; CorruptError if it is malformed or longer than `limit` bytes."""
    import zstandard

    try:
        for lines in _lines(zstandard.ZstdDecompressor().stream_reader(compressed), limit):
            for entry in _entries(lines):
                piece = _piece(entry)
                if piece:
                    yield piece
    except zstandard.ZstdError as error:
        raise CorruptError(f"tar-split: {error}") from None


def _lines(reader: IO[bytes], limit: int) -> Iterator[list[bytes]]:
    """Yield the lines, many at once."""
    rest, size = b"", 0
    while data := reader.read(_PIECE):
        size += len(data)
        if size > limit:
            raise CorruptError("tar-split: longer than was said")
        *lines, rest = (rest + data).split(b"\n")
        if lines:
            yield lines
    if rest:
        yield [rest]


def _entries(lines: list[bytes]) -> list[Any]:
    """Read the objects of some lines, all at once: one by one, each costs four times as much."""
    try:
        entries = json.loads(f"[{b','.join(lines).decode()}]")
    except (ValueError, RecursionError) as error:
        raise CorruptError(f"tar-split: {error}") from None
    if len(entries) != len(lines):
        raise CorruptError("tar-split: a line is not an object")
    return list(entries)


def _piece(entry: Any) -> bytes | Payload | None:
    try:
        kind, payload, size = entry["type"], entry.get("payload") or "", entry.get("size") or 0
        if kind == _SEGMENT:
            return binascii.a2b_base64(payload, strict_mode=True)
        if kind != _FILE or type(size) is not int or size < 0:
            raise ValueError("unknown kind of entry")
        if not size:
            return None
        name = entry.get("name") or base64.b64decode(entry["name_raw"]).decode("utf-8", "surrogateescape")
        return Payload((str(name), size))
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
        raise CorruptError(f"tar-split: {error}") from None


class Writer:
    """Makes the lines, uncompressed; they must be written in the order of the tar."""

    def __init__(self) -> None:
        self._position = 0

    def segment(self, data: bytes) -> bytes:
        """Give the line of bytes that are in no file."""
        return self._line({"type": _SEGMENT, "payload": base64.b64encode(data).decode()})

    def file(self, name: str, size: int, checksum: int) -> bytes:
        """Give the line of an entry of the tar; the checksum is that of `crc64`."""
        payload = base64.b64encode(checksum.to_bytes(8, "big")).decode() if size else None
        return self._line({"type": _FILE, "name": name, **({"size": size} if size else {}), "payload": payload})

    def _line(self, entry: dict[str, Any]) -> bytes:
        entry["position"] = self._position
        self._position += 1
        return json.dumps(entry, separators=(",", ":")).encode() + b"\n"


def crc64(data: bytes, checksum: int = 0) -> int:
    """Go on with the CRC-64 of ISO 3309 (as Go's hash/crc64 has it), whose polynomial is x^64 + x^4 + x^3 + x + 1.

    By folding: modulo that, x^(64q) is x^(4q) + x^(3q) + x^q + 1 for each power of two q, so that half of the bits of
    a long integer go away with four shifts. The lowest bit is that of the highest degree.
    """
    value = int.from_bytes(data, "little") ^ checksum ^ _ONES
    bits = 8 * len(data) + 64
    step = 1
    while 120 * step <= bits:
        step *= 2
    while bits > 64:
        while step > 1 and 64 * step + 1 > bits:
            step //= 2
        count = min(60 * step, bits - 64 * step)
        top = value & ((1 << count) - 1)
        value ^= top << 64 * step ^ top << 63 * step ^ top << 61 * step ^ top << 60 * step
        value >>= count
        bits -= count
    return value ^ _ONES
