"""What later entries of a tar replaced: its contents go into the header log."""

from __future__ import annotations

import os

from storage.layers.stream import Stream
from storage.layers.tar import REGULAR, Reader
from storage.layers.tree import Tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from storage.layers.apply import Displaced
    from storage.layers.headerlog import Writer
    from storage.layers.pax import Segments


def save(
    path: str,
    displaced: list[Displaced],
    inline: list[int],
    paths: dict[int, bytes],
    headers: Iterator[bytes],
    log: Writer,
) -> dict[int, tuple[int, int]]:
    """Copy displaced contents into the log; return the place of each by the ordinal of its entry."""
    events: dict[bytes, list[Displaced]] = {}
    for event in displaced:
        events.setdefault(event.path, []).append(event)
    places: dict[int, tuple[int, int]] = {}
    skipped = set(inline)
    tree = Tree(path)
    try:
        reader = Reader(Stream(headers, _nothing))
        for ordinal, entry in enumerate(reader):
            if entry.kind != REGULAR or not entry.size or ordinal in skipped:
                continue
            reader.unread = 0  # It is not in the log.
            found = _place(events, ordinal, paths.get(ordinal, entry.name))
            if found is not None:
                places[ordinal] = log.displaced(_contents(tree, found, entry.segments or [(0, entry.size)]))
    finally:
        tree.close()
    return places


def _nothing(_data: bytes) -> None:
    """Record nothing."""


def _place(events: dict[bytes, list[Displaced]], ordinal: int, path: bytes) -> bytes | None:
    """Return where the file of an entry was moved first, itself or with a directory above it."""
    first: Displaced | None = None
    above = path
    while above:
        for event in events.get(above, ()):
            if event.ordinal > ordinal:
                if first is None or event.ordinal < first.ordinal:
                    first = event
                break
        above = above.rpartition(b"/")[0]
    return None if first is None else first.name + path[len(first.path) :]


def _contents(tree: Tree, path: bytes, segments: Segments) -> Iterator[bytes]:
    parent, _, name = path.rpartition(b"/")
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=tree.open(parent))
    try:
        for offset, length in segments:
            yield from read_range(fd, offset, length)
    finally:
        os.close(fd)


def read_range(fd: int, offset: int, length: int) -> Iterator[bytes]:
    """Yield what the file holds there; it may be less than asked for."""
    while length and (data := os.pread(fd, min(length, 1 << 20), offset)):
        yield data
        offset += len(data)
        length -= len(data)
