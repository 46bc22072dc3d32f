"""The files of a layer by their contents: what a later pull need not fetch.

Kept beside the layer as zstd of records: 32 bytes of a digest, a name, NUL. It is a hint: what it says is checked by
the diffID of what is made of it.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from storage.errors import CorruptError
from storage.layers.tar import clean
from storage.layers.tree import NotThereError, Tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from storage.chunked.toc import File

NAME = "files.zst"
_DIGEST = 32
_MAX = 256 << 20
_CHUNK = 256 << 10


def write(directory: str, files: Iterable[File]) -> None:
    """Remember the files of a layer in its directory."""
    import zstandard

    records = [file.digest + clean(os.fsencode(file.name)) + b"\0" for file in files]
    data = zstandard.ZstdCompressor(level=1, write_checksum=True).compress(b"".join(records))
    with open(os.path.join(directory, NAME), "xb") as file:
        file.write(data)


def layers(store_layers: str) -> list[str]:
    """List the directories of layers of which the files are remembered, and are there one by one."""
    found = []
    for name in os.listdir(store_layers):
        path = os.path.join(store_layers, name)
        if os.path.exists(os.path.join(path, NAME)) and os.path.isdir(os.path.join(path, "diff")):
            found.append(path)
    return found


class Contents:
    """Files of layers by the digest of their contents, opened as they are needed; hostile trees are walked safely."""

    def __init__(self, layers: Iterable[str], wanted: set[bytes]) -> None:
        self._places: dict[bytes, tuple[Tree, bytes]] = {}
        self._trees: list[Tree] = []
        self._current: Tree | None = None
        for layer in layers:
            if len(self._places) < len(wanted):
                self._add(layer, wanted)

    def has(self, digest: bytes, size: int) -> bool:
        """Tell whether there is a file of this digest and size."""
        try:
            fd = self._open(digest)
        except (OSError, NotThereError, KeyError):
            return False
        try:
            return os.fstat(fd).st_size == size
        finally:
            os.close(fd)

    def read(self, digest: bytes) -> Iterator[bytes]:
        """Yield the contents; CorruptError if they have gone since."""
        try:
            fd = self._open(digest)
        except (OSError, NotThereError, KeyError):
            raise CorruptError("a file of another layer is gone") from None
        try:
            while data := os.read(fd, _CHUNK):
                yield data
        finally:
            os.close(fd)

    def close(self) -> None:
        """Close what is open."""
        for tree in self._trees:
            tree.close()

    def _add(self, layer: str, wanted: set[bytes]) -> None:
        try:
            records = _records(_inflated(os.path.join(layer, NAME)))
            found = {digest: name for digest, name in records if digest in wanted and digest not in self._places}
            if not found:
                return
            tree = Tree(os.path.join(layer, "diff"))
        except OSError:
            return
        self._trees.append(tree)
        self._places |= {digest: (tree, name) for digest, name in found.items()}

    def _open(self, digest: bytes) -> int:
        tree, name = self._places[digest]
        if self._current is not None and self._current is not tree:
            self._current.forget()  # each keeps up to 256 directories open
        self._current = tree
        parent, _, last = name.rpartition(b"/")
        directory = tree.open(parent)
        # What the table calls a file may be a device, and to open one is an act already.
        if not stat.S_ISREG(os.stat(last, dir_fd=directory, follow_symlinks=False).st_mode):
            raise NotThereError
        return os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)


def _records(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 0
    while (end := data.find(b"\0", position + _DIGEST)) >= 0:
        yield data[position : position + _DIGEST], data[position + _DIGEST : end]
        position = end + 1


def _inflated(path: str) -> bytes:
    """Inflate a record; nothing of one that is damaged."""
    import zstandard

    with open(path, "rb") as file:
        try:
            return zstandard.ZstdDecompressor().stream_reader(file).read(_MAX)
        except zstandard.ZstdError:
            return b""
