"""The table of contents: which files a layer has, their digests, and where in the blob their contents are."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from storage.documents import check_digest, check_digest_syntax
from storage.errors import CorruptError
from storage.layers.tar import clean

if TYPE_CHECKING:
    from storage.chunked.placement import Tables


# A table of 100,000 files has a third of that; lists of nothing would take all memory.
_MAX_VALUES = 4_000_000


class File(NamedTuple):
    """A regular file that is not empty: its content's digest, and the bytes of the blob that inflate to it.

    `name` is as the table has it, `path` without what means nothing.
    """

    name: str
    path: bytes
    digest: bytes
    size: int
    start: int
    end: int


@dataclass(frozen=True)
class Toc:
    """The files in the order of the tar, and the digest of the tar-split ("" if an old tool made the blob)."""

    files: tuple[File, ...]
    tar_split: str


def read(compressed: bytes, tables: Tables, blob_size: int) -> Toc:
    """Read a table, of which the annotations gave the digest; CorruptError if it is none."""
    check_digest(compressed, tables.digest, "table of contents")
    return parse(inflate(compressed, tables.toc.inflated, "table of contents"), blob_size)


def parse(text: bytes, blob_size: int) -> Toc:
    """Read the JSON of a table; CorruptError if it contradicts itself."""
    if text.count(b"[") + text.count(b",") > _MAX_VALUES:
        raise CorruptError("table of contents: too many values")
    try:
        # Reduced as they are read: the dictionaries of 100,000 entries would take 150 MB.
        document = json.loads(text, object_hook=_reduced)
    except (ValueError, RecursionError, CorruptError) as error:
        raise CorruptError(f"table of contents: {error}") from None
    if not isinstance(document, dict) or document.get("version") != 1 or not isinstance(document["entries"], list):
        raise CorruptError("table of contents: not of version 1")
    files = tuple(entry for entry in document["entries"] if isinstance(entry, File))
    position = 0
    for file in files:
        if not position <= file.start < file.end <= blob_size:
            raise CorruptError(f"table of contents: {file.name!r} is at an impossible place")
        position = file.end
    digest = document.get("tarSplitDigest") or ""
    if not isinstance(digest, str):
        raise CorruptError("table of contents: tarSplitDigest is not a string")
    return Toc(files, digest)


def inflate(compressed: bytes, size: int, what: str) -> bytes:
    """Inflate what must have exactly this many bytes."""
    import zstandard

    try:
        data = zstandard.ZstdDecompressor().stream_reader(compressed).read(size + 1)
    except zstandard.ZstdError as error:
        raise CorruptError(f"{what}: {error}") from None
    if len(data) != size:
        raise CorruptError(f"{what}: {len(data)} bytes instead of {size}")
    return data


def _reduced(entry: dict[str, Any]) -> object:
    """Keep of an entry what is needed; of the table itself, all."""
    if "entries" in entry:
        return entry
    if entry.get("type") != "reg" or not entry.get("digest"):
        return None
    name, digest = entry.get("name"), entry["digest"]
    numbers = [entry.get(key, 0) for key in ("size", "offset", "endOffset")]
    if not isinstance(name, str) or not isinstance(digest, str) or any(type(one) is not int for one in numbers):
        raise ValueError("a file's entry is malformed")
    path = clean(os.fsencode(name))  # raises for a name that leads out, or that cannot be one
    check_digest_syntax(digest)
    if not digest.startswith("sha256:"):
        raise ValueError("a file's digest is not of sha256")
    return File(name, path, bytes.fromhex(digest[7:]), *numbers)
