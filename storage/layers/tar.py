"""Read the entries of a tar stream: ustar, pax, GNU, old V7, in all their mixtures.

Everything is bytes: names in a tar have no encoding. The common header is decoded by a few slices and
one look into a cache; whatever is unusual (base-256, signed checksums, pax) takes the slow way.
"""

from __future__ import annotations

from zlib import adler32

from storage.errors import CorruptError
from storage.layers import pax
from storage.layers.stream import BLOCK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from storage.layers.stream import Stream

REGULAR, LINK, SYMLINK, CHARACTER, BLOCK_DEVICE, DIRECTORY, FIFO = b"0123456"
_OLD_REGULAR, _CONTIGUOUS, _GNU_SPARSE = b"\x007S"
_PAX, _PAX_SOLARIS, _PAX_GLOBAL = b"xXg"
_GNU_LONG_NAME, _GNU_LONG_LINK = b"LK"

_REGULARS = frozenset((_OLD_REGULAR, _CONTIGUOUS, _GNU_SPARSE))
_EXTENSIONS = frozenset((_PAX, _PAX_SOLARIS, _PAX_GLOBAL, _GNU_LONG_NAME, _GNU_LONG_LINK))
_GLOBAL_KEYS = frozenset((b"uid", b"gid", b"mtime", b"atime"))
_NO_XATTRS: list[tuple[bytes, bytes]] = []
_KINDS = frozenset((REGULAR, LINK, SYMLINK, CHARACTER, BLOCK_DEVICE, DIRECTORY, FIFO))

# PATH_MAX: nobody could name a deeper file anyway, and it bounds what a hostile name costs.
MAX_NAME = 4095
# The years 1970 to 2262: what fits into 64 bits of nanoseconds (containerd and docker clamp alike).
_MAX_TIME = (1 << 63) - 1


class Entry:
    """One entry of a tar; the reader uses a single object for all of them."""

    __slots__ = (
        "atime",
        "gid",
        "kind",
        "link",
        "major",
        "minor",
        "mode",
        "mtime",
        "name",
        "real_size",
        "segments",
        "size",
        "uid",
        "xattrs",
    )

    name: bytes  # cleaned: relative, without ".", "..", or empty parts; b"" is the root
    link: bytes  # as stored; of a symbolic link it is never touched
    kind: int
    mode: int
    uid: int
    gid: int
    size: int  # of the data in the stream
    mtime: int  # nanoseconds
    atime: int
    major: int
    minor: int
    xattrs: list[tuple[bytes, bytes]]
    segments: pax.Segments | None  # where the data of a sparse file goes
    real_size: int


def clean(name: bytes) -> bytes:
    """Return the name relative to the root of the layer; a name that leaves the root is refused."""
    if name[:2] == b"./":
        name = name[2:]
    name = name.rstrip(b"/")
    if b"/." not in name and b"//" not in name and name[:1] not in {b".", b"/"}:
        return name
    parts: list[bytes] = []
    for part in name.split(b"/"):
        if part == b"..":
            if not parts:
                raise CorruptError(f"read tar: the name `{shown(name)}` leaves the root")
            parts.pop()
        elif part and part != b".":
            parts.append(part)
    return b"/".join(parts)


def shown(name: bytes) -> str:
    """Return a name as messages show it."""
    return name[:200].decode("utf-8", "backslashreplace")


def number(field: bytes, what: str) -> int:
    """Decode a numeric field: octal with blanks and NULs around, or base-256."""
    digits = field.rstrip(b" \0")
    if not digits.isdigit():
        if not digits:
            return 0
        if digits[0] & 0x80:
            return _base256(field)
        digits = digits.strip(b" \0")
    # int() alone would take signs, blanks and underscores.
    if digits.isdigit():
        try:
            return int(digits, 8)
        except ValueError:
            pass
    raise CorruptError(f"read tar: the field {what} is not a number")


def _base256(field: bytes) -> int:
    """Decode a binary number in two's complement, of whose first byte the highest bit is only a mark."""
    bits = 8 * len(field) - 1
    value = int.from_bytes(field, "big") & ((1 << bits) - 1)
    return value - (1 << bits) if field[0] & 0x40 else value


def bounded_time(value: int) -> int:
    """Clamp a time to what file systems and other engines hold."""
    return min(max(value, 0), _MAX_TIME)


def text(field: bytes) -> bytes:
    """Return what precedes the first NUL."""
    end = field.find(0)
    return field if end < 0 else field[:end]


def is_header(block: bytes) -> bool:
    """Tell whether a tar may begin with this block."""
    try:
        return len(block) == BLOCK and block.count(0) < BLOCK and _has_checksum(block)
    except CorruptError:
        return False


def _has_plain_checksum(header: bytes) -> bool:
    """Compare the checksum as today's programs write it; False says nothing.

    adler32's low half is the sum of the bytes, plus one, modulo 65521: 20 times as fast as sum().
    """
    digits = header[148:154]
    try:
        expected = int(digits, 8) if digits.isdigit() else 0
    except ValueError:
        return False
    return adler32(header[156:], adler32(header[:148])) & 0xFFFF == (expected - 255) % 65521 and len(header) == BLOCK


def _has_checksum(header: bytes) -> bool:
    """Compare the checksum however it is written; some old programs added signed bytes."""
    expected = number(header[148:156], "checksum")
    rest = header[:148] + header[156:]
    unsigned = sum(rest) + 256
    return expected in {unsigned, unsigned - 256 * sum(1 for byte in rest if byte > 127)}


class _Extensions:
    """What extended headers said about the entry to come; later ones win."""

    __slots__ = ("long_link", "long_name", "records")

    def __init__(self) -> None:
        self.records: list[tuple[bytes, bytes]] = []
        self.long_name = self.long_link = b""


class Reader:
    """Iterates over the entries of a stream; data that nobody consumed is skipped."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        # How much of the present entry's data is still in the stream: its consumer sets it to 0.
        self.unread = 0
        self._owners: dict[bytes, tuple[int, int, int]] = {}
        self._times: dict[bytes, int] = {}
        self._globals: list[tuple[bytes, bytes]] = []

    def __iter__(self) -> Iterator[Entry]:
        stream = self.stream
        entry = Entry()
        extensions: _Extensions | None = None
        while True:
            header = stream.block()
            if not _has_plain_checksum(header) and not self._is_header(header):
                break
            kind = header[156]
            if kind not in _KINDS:
                if kind not in _REGULARS:
                    extensions = self._extend(kind, header, extensions or _Extensions())
                    continue
                entry.kind = REGULAR
            else:
                entry.kind = kind
            self._decode(header, kind, entry)
            if extensions is not None or self._globals:
                self._apply(entry, extensions or _Extensions())
                extensions = None
            if kind == _GNU_SPARSE:
                self._read_gnu_sparse(header, entry)
            size = self._finish(entry, kind)
            yield entry
            if size:
                stream.skip(self.unread + -size % BLOCK)
                self.unread = 0
        if extensions is not None:
            raise CorruptError("read tar: an extended header has no entry")
        stream.drain()

    def _is_header(self, header: bytes) -> bool:
        """Tell a header from the end: two blocks of zeros, or one, or just the end of the stream."""
        if not header:
            return False
        if len(header) < BLOCK:
            raise CorruptError("read tar: the stream ends within a header")
        if header.strip(b"\0"):
            if not _has_checksum(header):
                raise CorruptError("read tar: a header has a wrong checksum")
            return True
        if self.stream.block().strip(b"\0"):
            raise CorruptError("read tar: a block of zeros is followed by something else")
        return False

    def _decode(self, header: bytes, kind: int, entry: Entry) -> None:
        """Fill in what the header itself says."""
        field = header[100:124]
        owner = self._owners.get(field)
        if owner is None:
            owner = self._read_owner(field)
        entry.mode, entry.uid, entry.gid = owner
        entry.size = number(header[124:136], "size")
        field = header[136:148]
        mtime = self._times.get(field)
        if mtime is None:
            mtime = self._read_time(field)
        entry.mtime = entry.atime = mtime
        name = text(header[:100])
        if header[345] and header[257:263] == b"ustar\0":
            # star leaves only 131 bytes for the prefix, and signs at the end of the block.
            prefix = text(header[345:476] if header[508:512] == b"tar\0" else header[345:500])
            name = prefix + b"/" + name
        if kind == _OLD_REGULAR and name[-1:] == b"/":
            entry.kind = DIRECTORY  # V7 knew directories only by the slash.
        entry.name = name
        entry.link = text(header[157:257]) if header[157] else b""
        entry.xattrs = _NO_XATTRS
        entry.segments = None
        if kind in {CHARACTER, BLOCK_DEVICE}:
            entry.major = number(header[329:337], "devmajor")
            entry.minor = number(header[337:345], "devminor")

    def _read_owner(self, field: bytes) -> tuple[int, int, int]:
        """Decode mode, uid and gid: few combinations make up a whole layer."""
        if len(self._owners) > 4096:
            self._owners.clear()
        mode, uid, gid = number(field[:8], "mode"), number(field[8:16], "uid"), number(field[16:24], "gid")
        self._owners[field] = owner = (mode & 0o7777, uid, gid)
        return owner

    def _read_time(self, field: bytes) -> int:
        """Decode a time; files of one package have the same."""
        if len(self._times) > 4096:
            self._times.clear()
        self._times[field] = time = number(field, "mtime") * 1_000_000_000
        return time

    def _extend(self, kind: int, header: bytes, extensions: _Extensions) -> _Extensions | None:
        """Read an extended header into `extensions`."""
        if kind not in _EXTENSIONS:
            raise CorruptError(f"read tar: unknown type `{chr(kind)!a}` of entry `{shown(text(header[:100]))}`")
        size = number(header[124:136], "size")
        if not 0 <= size <= pax.MAX_HEADER:
            raise CorruptError("read tar: an extended header is too large")
        data = self.stream.read(size)
        self.stream.skip(-size % BLOCK)
        if kind == _GNU_LONG_NAME:
            extensions.long_name = text(data)
        elif kind == _GNU_LONG_LINK:
            extensions.long_link = text(data)
        elif kind == _PAX_GLOBAL:
            # Defaults for all entries to come; a name or a size for all of them makes no sense.
            self._globals += [record for record in pax.parse_records(data) if record[0] in _GLOBAL_KEYS]
            if len(self._globals) > 1000:
                raise CorruptError("read tar: too many global headers")
            return extensions if extensions.records or extensions.long_name or extensions.long_link else None
        else:
            extensions.records += pax.parse_records(data)
            if len(extensions.records) > 2 * pax.MAX_SEGMENTS:
                raise CorruptError("read tar: too many extended headers")
        return extensions

    def _apply(self, entry: Entry, extensions: _Extensions) -> None:
        """Let extended headers override what the header said; pax goes before GNU."""
        entry.name = extensions.long_name or entry.name
        entry.link = extensions.long_link or entry.link
        records = dict(self._globals)
        records.update(extensions.records)
        values = {key: value for key, value in records.items() if value}
        entry.name = values.get(b"path", entry.name)
        entry.link = values.get(b"linkpath", entry.link)
        if b"\0" in entry.name or b"\0" in entry.link:
            raise CorruptError(f"read tar: the name `{shown(entry.name)}` holds a NUL")
        if b"size" in values:
            entry.size = pax.decimal(values[b"size"], "size")
        if b"uid" in values:
            entry.uid = pax.decimal(values[b"uid"], "uid")
        if b"gid" in values:
            entry.gid = pax.decimal(values[b"gid"], "gid")
        if b"mtime" in values:
            entry.mtime = entry.atime = pax.nanoseconds(values[b"mtime"], "mtime")
        if b"atime" in values:
            entry.atime = max(pax.nanoseconds(values[b"atime"], "atime"), entry.mtime)
        entry.xattrs = pax.xattrs(records)
        if any(key.startswith(b"GNU.sparse.") for key in values):
            self._apply_sparse(entry, values, extensions.records)

    def _apply_sparse(self, entry: Entry, values: dict[bytes, bytes], records: list[tuple[bytes, bytes]]) -> None:
        """Take the map of a sparse file from pax records, in the formats 0.0, 0.1 and 1.0."""
        if entry.kind != REGULAR:
            return
        entry.name = values.get(b"GNU.sparse.name", entry.name)
        if values.get(b"GNU.sparse.major") == b"1":
            entry.real_size = pax.decimal(values.get(b"GNU.sparse.realsize", b""), "GNU.sparse.realsize")
            entry.segments, consumed = pax.sparse_map_of_data(self.stream.read)
            entry.size -= consumed
            return
        if b"GNU.sparse.map" in values:
            numbers = values[b"GNU.sparse.map"].split(b",")
        else:
            numbers = [value for key, value in records if key in {b"GNU.sparse.offset", b"GNU.sparse.numbytes"}]
        entry.segments = pax.sparse_pairs(numbers)
        real_size = values.get(b"GNU.sparse.size") or values.get(b"GNU.sparse.realsize", b"")
        entry.real_size = pax.decimal(real_size, "GNU.sparse.size")

    def _read_gnu_sparse(self, header: bytes, entry: Entry) -> None:
        """Read the map of the old GNU format: four pairs in the header, 21 in each block that follows."""
        entry.real_size = number(header[483:495], "realsize")
        fields, extended = header[386:482], header[482]
        while extended:
            block = self.stream.read(BLOCK)
            fields += block[:504]
            extended = block[504]
            if len(fields) > 24 * pax.MAX_SEGMENTS:
                raise CorruptError("read tar: a sparse map is malformed")
        entry.segments = []
        for start in range(0, len(fields), 24):
            if not fields[start]:
                break
            pair = fields[start : start + 24]
            entry.segments.append((number(pair[:12], "sparse offset"), number(pair[12:], "sparse length")))

    def _finish(self, entry: Entry, kind: int) -> int:
        """Check what is complete now, and return how many bytes of data follow in the stream."""
        if entry.kind != REGULAR:
            # Whatever their size field says, the other types have no data (Go's and GNU's readers agree).
            entry.size = 0
        elif entry.size < 0:
            raise CorruptError(f"read tar: `{shown(entry.name)}` has a negative size")
        if entry.segments is None:
            entry.real_size = entry.size
        else:
            pax.check_segments(entry.segments, entry.real_size, entry.size)
        name = entry.name
        if not name:
            raise CorruptError("read tar: an entry has no name")
        entry.name = name = clean(name)
        if len(name) > MAX_NAME:
            raise CorruptError(f"read tar: the name `{shown(name)}…` is too long")
        if entry.mtime < 0 or entry.atime > _MAX_TIME:
            entry.mtime, entry.atime = bounded_time(entry.mtime), bounded_time(entry.atime)
        if entry.uid or entry.gid:
            _check_owner(entry)
        self.unread = entry.size
        return entry.size


def _check_owner(entry: Entry) -> None:
    # 2**32 - 1 means "leave it" to chown(2).
    if not (0 <= entry.uid < 0xFFFFFFFF and 0 <= entry.gid < 0xFFFFFFFF):
        raise CorruptError(f"read tar: `{shown(entry.name)}` has an impossible owner {entry.uid}:{entry.gid}")
