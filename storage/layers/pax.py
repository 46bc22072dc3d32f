"""PAX extended headers and sparse maps: pure functions from bytes to values.

POSIX.1-2017 pax, "pax Extended Header"; GNU tar's manual, "Storing Sparse Files".
"""

from __future__ import annotations

from storage.errors import CorruptError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# More than any real header has; a bound on what a hostile one makes us hold.
MAX_HEADER = 4 << 20
MAX_SEGMENTS = 1 << 18

Segments = list[tuple[int, int]]


def parse_records(data: bytes) -> list[tuple[bytes, bytes]]:
    """Split the records, each "LENGTH KEY=VALUE" and a newline; keys may come more than once."""
    records, position = [], 0
    while position < len(data):
        space = data.find(b" ", position, position + 20)
        digits = data[position:space] if space > 0 else b""
        if not digits.isdigit():
            if not data[position:].strip(b"\0"):
                break  # Padded with NULs by some writers.
            raise CorruptError("read tar: a pax record has no length")
        stop = position + int(digits)
        equals = data.find(b"=", space, stop)
        if equals < 0 or stop > len(data) or data[stop - 1] != 0x0A:
            raise CorruptError("read tar: a pax record is malformed")
        records.append((data[space + 1 : equals], data[equals + 1 : stop - 1]))
        position = stop
    return records


def decimal(value: bytes, key: str) -> int:
    """Read a number of a pax record."""
    digits = value[1:] if value[:1] == b"-" else value
    if not digits.isdigit() or len(digits) > 20:
        raise CorruptError(f"read tar: the pax record {key} is not a number")
    return int(value)


def nanoseconds(value: bytes, key: str) -> int:
    """Read a time of a pax record: seconds with a fraction, of which nine digits count."""
    whole, _, fraction = value.partition(b".")
    if fraction and not fraction.isdigit():
        raise CorruptError(f"read tar: the pax record {key} is not a time")
    negative = whole[:1] == b"-"
    part = int((fraction + b"000000000")[:9])
    return decimal(whole, key) * 1_000_000_000 + (-part if negative else part)


def sparse_pairs(numbers: list[bytes]) -> Segments:
    """Make (offset, length) pairs of the numbers of a map of format 0.0 or 0.1."""
    if len(numbers) % 2 or len(numbers) > 2 * MAX_SEGMENTS:
        raise CorruptError("read tar: a sparse map is malformed")
    values = [decimal(number, "GNU.sparse.map") for number in numbers]
    return list(zip(values[::2], values[1::2], strict=True))


def sparse_map_of_data(read: Callable[[int], bytes]) -> tuple[Segments, int]:
    """Read the map of format 1.0, which precedes the data in whole blocks; return it and its size."""
    buffer = b""
    size = 0

    def number() -> int:
        nonlocal buffer, size
        while b"\n" not in buffer:
            if len(buffer) > 24:
                raise CorruptError("read tar: a sparse map is malformed")
            buffer += read(512)
            size += 512
        digits, _, buffer = buffer.partition(b"\n")
        return decimal(digits, "GNU.sparse.map")

    count = number()
    if not 0 <= count <= MAX_SEGMENTS:
        raise CorruptError("read tar: a sparse map is malformed")
    return [(number(), number()) for _ in range(count)], size


def check_segments(segments: Segments, real_size: int, stored: int) -> None:
    """Refuse a map that is not in order, leaves the file, or does not fit the stored bytes."""
    end = total = 0
    for offset, length in segments:
        if offset < end or length < 0 or offset + length > real_size:
            raise CorruptError("read tar: a sparse map is not in order")
        end = offset + length
        total += length
    if total != stored:
        raise CorruptError("read tar: a sparse map does not fit its data")


def xattrs(records: dict[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    """Return the extended attributes among the records; libarchive's spelling is URL-quoted and base64."""
    found: dict[bytes, bytes] = {}
    for key, value in records.items():
        if key.startswith(b"LIBARCHIVE.xattr."):
            found.setdefault(_unquote(key[17:]), _base64(value))
        elif key.startswith(b"SCHILY.xattr."):
            found[key[13:]] = value
    if any(not name or b"\0" in name or len(name) > 255 for name in found):
        raise CorruptError("read tar: an extended attribute has an impossible name")
    return list(found.items())


def _unquote(name: bytes) -> bytes:
    from urllib.parse import unquote_to_bytes

    return unquote_to_bytes(name)


def _base64(value: bytes) -> bytes:
    import binascii

    try:
        # Writers leave the padding out.
        return binascii.a2b_base64(value + b"=" * (-len(value) % 4))
    except binascii.Error as error:
        raise CorruptError(f"read tar: an extended attribute is not base64: {error}") from error
