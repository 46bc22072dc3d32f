"""The tar of a layer from the files that the store has, and from those parts of the blob that hold the others.

Nothing of it is trusted: whoever unpacks the tar compares its digest with the layer's diffID, and fetches the blob
whole if that fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from storage import compression
from storage.chunked import known, placement, tarsplit, toc
from storage.documents import check_digest
from storage.errors import CorruptError
from storage.pieces import ahead, gathered
from storage.registry.parallel import fetch_parts, split

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from storage.chunked.toc import File, Toc
    from storage.documents import Descriptor
    from storage.layers.donors import Donors

# What lies between two parts is fetched too if it is no more: a request costs as much.
_GAP = 16 << 10
# Of the contents, so much must be here: else the blob comes faster as a whole.
_WORTHWHILE = 0.25
_MOST_MISSED = 20

Range = tuple[int, int]


@runtime_checkable
class Parts(Protocol):
    """An origin that can give parts of a blob (transports/protocols.py has the rest of it)."""

    def open_part(self, descriptor: Descriptor, start: int, end: int) -> Generator[bytes]:
        """Yield the bytes of a blob from start to end; NoRangesError if there are no parts to be had."""

    def fresh(self) -> Parts:
        """Give the same with a connection of its own."""


@dataclass(frozen=True)
class Layer:
    """A layer at its origin, with the tables that its descriptor tells of."""

    origin: Parts
    blob: Descriptor
    tables: placement.Tables


def layer(origin: object, blob: Descriptor) -> Layer | None:
    """Give the layer if it can come in parts."""
    if not isinstance(origin, Parts):
        return None
    tables = placement.read(blob)
    return Layer(origin, blob, tables) if tables is not None and tables.tar_split is not None else None


def stream(
    source: Layer,
    layers: list[str],
    whole: Callable[[], Iterator[bytes]],
    directory: str,
    donors: Donors | None = None,
) -> Iterator[bytes]:
    """Yield the tar, with contents from other layers where they are there.

    If too little is there, all of it is what `whole` gives, inflated. The files are remembered in `directory`; those
    of other layers are offered to `donors` just before their contents are yielded.
    Raises CorruptError if the tables contradict each other or the blob.
    """
    table = _toc(source)
    contents = known.Contents(layers, table.files, donors)
    try:
        missing = [file for file in table.files if not contents.has(file)]
        size = sum(file.size for file in table.files)
        if sum(file.size for file in missing) > (1 - _WORTHWHILE) * size:
            yield from ahead(compression.inflate(whole()))
        else:
            # A file is to be offered before its header is there.
            yield from gathered(_assembled(source, table, contents, missing))
    finally:
        contents.close()
    known.write(directory, table.files)


def noting(chunks: Iterator[bytes], tables: placement.Tables, blob: Descriptor, directory: str) -> Iterator[bytes]:
    """Pass on a blob that comes whole, and remember its files in `directory`."""
    place, position = tables.toc, 0
    kept = bytearray()
    for chunk in chunks:
        if position < place.end and position + len(chunk) > place.start:
            kept += chunk[max(0, place.start - position) : place.end - position]
        position += len(chunk)
        yield chunk
    try:
        table = toc.read(bytes(kept), tables, blob.size)
    except CorruptError:
        return  # The layer is good all the same.
    known.write(directory, table.files)


def _toc(source: Layer) -> Toc:
    place = source.tables.toc
    return toc.read(
        b"".join(source.origin.open_part(source.blob, place.start, place.end)), source.tables, source.blob.size
    )


def _assembled(source: Layer, table: Toc, contents: known.Contents, missing: list[File]) -> Iterator[bytes]:
    place = source.tables.tar_split
    assert place is not None
    split_data = b"".join(source.origin.open_part(source.blob, place.start, place.end))
    check_digest(split_data, table.tar_split, "tar-split")
    fetched = _Window(_parts(source, _ranges(missing)))
    absent = {file.start for file in missing}
    again = _Missed(source)
    files = iter(table.files)
    offset = 0
    for piece in tarsplit.read(split_data, place.inflated):
        if not isinstance(piece, tarsplit.Payload):
            offset += len(piece)
            yield piece
            continue
        name, size = piece
        file = next(files, None)
        if file is None or (file.name, file.size) != (name, size):
            raise CorruptError(f"table of contents: another file than {name!r} comes next")
        if file.start not in absent:
            yield from contents.read(file, offset) or again.contents(file)
        else:
            yield from compression.inflate(fetched.read(file.start, file.end))
        offset += size


def _ranges(missing: list[File]) -> list[Range]:
    """Give the ranges of the blob to fetch, those that are near each other as one."""
    ranges: list[Range] = []
    for file in missing:
        if ranges and file.start - ranges[-1][1] <= _GAP:
            ranges[-1] = (ranges[-1][0], file.end)
        else:
            ranges.append((file.start, file.end))
    return ranges


def _parts(source: Layer, ranges: list[Range]) -> Iterator[tuple[int, bytes]]:
    def connect() -> Callable[[int, int], Generator[bytes]]:
        origin = source.origin.fresh()
        return lambda start, end: origin.open_part(source.blob, start, end)

    return ((start, b"".join(part)) for start, part in fetch_parts(connect, split(ranges)))


class _Missed:
    """Fetches single files that were to be there, and are not; not many, for each costs a request."""

    def __init__(self, source: Layer) -> None:
        self._source = source
        self._count = 0

    def contents(self, file: File) -> Iterator[bytes]:
        """Yield the contents of a file."""
        self._count += 1
        if self._count > _MOST_MISSED:
            raise CorruptError("many files of other layers are gone")
        yield from compression.inflate(self._source.origin.open_part(self._source.blob, file.start, file.end))


class _Window:
    """Reads parts of the blob in order, as they come, and passes over what lies between them."""

    def __init__(self, parts: Iterator[tuple[int, bytes]]) -> None:
        self._parts = parts
        self._start = 0
        self._data = b""

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """Yield the bytes from start to end; nothing before the last end can be read again."""
        while start < end:
            while start >= self._start + len(self._data):
                following = next(self._parts, None)
                if following is None:
                    raise CorruptError("table of contents: a file is at an impossible place")
                self._start, self._data = following
            if start < self._start:
                raise CorruptError("table of contents: files overlap")
            piece = self._data[start - self._start : end - self._start]
            start += len(piece)
            yield piece
