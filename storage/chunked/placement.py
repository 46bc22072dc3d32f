"""Where a layer's descriptor says that its tables are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storage.documents import Descriptor

PREFIX = "io.github.containers.zstd-chunked."
CHECKSUM = f"{PREFIX}manifest-checksum"
POSITION = f"{PREFIX}manifest-position"
TAR_SPLIT = f"{PREFIX}tarsplit-position"

# What a reader takes into memory; the tables of a layer of 100,000 files have 5 MB and 30 MB.
_MAX_COMPRESSED = 64 << 20
_MAX_INFLATED = 256 << 20
_KIND = 1


@dataclass(frozen=True)
class Place:
    """Bytes of a blob, and how many they inflate to."""

    start: int
    end: int
    inflated: int


@dataclass(frozen=True)
class Tables:
    """The places of the TOC and, unless an old tool made the blob, of the tar-split; the TOC's digest."""

    toc: Place
    digest: str
    tar_split: Place | None


def read(descriptor: Descriptor) -> Tables | None:
    """Give the places of the tables; None if it has none, or nonsense: then it is a zstd stream like any other."""
    notes = descriptor.annotations
    digest = notes.get(CHECKSUM, "")
    toc = _place(notes.get(POSITION, ""), descriptor.size, kind=True)
    if toc is None or not digest.startswith("sha256:"):
        return None
    return Tables(toc, digest, _place(notes.get(TAR_SPLIT, ""), descriptor.size, kind=False))


def _place(text: str, size: int, *, kind: bool) -> Place | None:
    """Read OFFSET:LENGTH:INFLATED, and :KIND behind it."""
    words = text.split(":")
    if len(words) != 3 + kind or not all(word.isascii() and word.isdigit() and len(word) < 20 for word in words):
        return None
    offset, length, inflated = map(int, words[:3])
    if kind and int(words[3]) != _KIND:
        return None
    if offset + length > size or not 0 < length <= _MAX_COMPRESSED or inflated > _MAX_INFLATED:
        return None
    return Place(offset, offset + length, inflated)
