"""The files of a layer by their contents: what a later pull need not fetch.

Kept beside the layer as zstd of records: 32 bytes of a digest, a name, NUL. It is a hint: what it says is checked by
the diffID of what is made of it.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Protocol

from storage.errors import CorruptError
from storage.layers.stream import FileStream
from storage.layers.tar import REGULAR, Reader, clean
from storage.layers.tree import NotThereError, Tree
from storage.store import TAR

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
    """List the directories of layers of which the files are remembered, whether they are unpacked or kept as a tar."""
    paths = [os.path.join(store_layers, name) for name in os.listdir(store_layers)]
    return [path for path in paths if os.path.exists(os.path.join(path, NAME))]


class Contents:
    """Files of layers by the digest of their contents, opened as they are needed; hostile layers are read safely."""

    def __init__(self, layers: Iterable[str], wanted: set[bytes]) -> None:
        self._places: dict[bytes, tuple[_Files, bytes]] = {}
        self._opened: list[_Files] = []
        self._current: _Files | None = None
        for layer in layers:
            if len(self._places) < len(wanted):
                self._add(layer, wanted)

    def has(self, digest: bytes, size: int) -> bool:
        """Tell whether there is a file of this digest and size."""
        try:
            files, name = self._turn_to(digest)
            return files.size(name) == size
        except (OSError, NotThereError, KeyError):
            return False

    def read(self, digest: bytes) -> Iterator[bytes]:
        """Yield the contents; CorruptError if they have gone since."""
        try:
            files, name = self._turn_to(digest)
            yield from files.read(name)
        except (OSError, NotThereError, KeyError):
            raise CorruptError("a file of another layer is gone") from None

    def close(self) -> None:
        """Close what is open."""
        for files in self._opened:
            files.close()

    def _add(self, layer: str, wanted: set[bytes]) -> None:
        try:
            records = _records(_inflated(os.path.join(layer, NAME)))
            found = {digest: name for digest, name in records if digest in wanted and digest not in self._places}
            if not found:
                return
            tree = os.path.join(layer, "diff")
            files = _Unpacked(tree) if os.path.isdir(tree) else _Kept(os.path.join(layer, TAR), set(found.values()))
        except OSError:
            return
        self._opened.append(files)
        self._places |= {digest: (files, name) for digest, name in found.items()}

    def _turn_to(self, digest: bytes) -> tuple[_Files, bytes]:
        files, name = self._places[digest]
        if self._current is not None and self._current is not files:
            self._current.forget()
        self._current = files
        return files, name


class _Files(Protocol):
    """The files of one layer by name: what raises OSError, NotThereError or KeyError is not to be had."""

    def size(self, name: bytes) -> int:
        """Tell the size of a file."""

    def read(self, name: bytes) -> Iterator[bytes]:
        """Yield what a file holds."""

    def forget(self) -> None:
        """Close what need not be open while another layer is read."""

    def close(self) -> None:
        """Close all."""


class _Unpacked:
    """The files of a layer that is a directory."""

    def __init__(self, path: str) -> None:
        self._tree = Tree(path)

    def size(self, name: bytes) -> int:
        fd = self._open(name)
        try:
            return os.fstat(fd).st_size
        finally:
            os.close(fd)

    def read(self, name: bytes) -> Iterator[bytes]:
        fd = self._open(name)
        try:
            while data := os.read(fd, _CHUNK):
                yield data
        finally:
            os.close(fd)

    def forget(self) -> None:
        self._tree.forget()  # each keeps up to 256 directories open

    def close(self) -> None:
        self._tree.close()

    def _open(self, name: bytes) -> int:
        parent, _, last = name.rpartition(b"/")
        directory = self._tree.open(parent)
        # What the table calls a file may be a device, and to open one is an act already.
        if not stat.S_ISREG(os.stat(last, dir_fd=directory, follow_symlinks=False).st_mode):
            raise NotThereError
        return os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)


class _Kept:
    """Some files of a layer that is not unpacked, in its tar: of that only the headers are read to find them."""

    def __init__(self, path: str, names: set[bytes]) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        self._places: dict[bytes, tuple[int, int]] = {}
        try:
            self._find(names)
        except CorruptError:
            pass  # What was found before the damage will do.
        except BaseException:
            self.close()
            raise

    def size(self, name: bytes) -> int:
        position, size = self._places[name]
        if position + size > os.fstat(self._fd).st_size:
            raise NotThereError
        return size

    def read(self, name: bytes) -> Iterator[bytes]:
        position, size = self._places[name]
        end = position + size
        while position < end:
            data = os.pread(self._fd, min(_CHUNK, end - position), position)
            if not data:
                raise NotThereError
            position += len(data)
            yield data

    def forget(self) -> None:
        """Keep the one file that is open."""

    def close(self) -> None:
        os.close(self._fd)

    def _find(self, names: set[bytes]) -> None:
        stream = FileStream(self._fd)
        for entry in Reader(stream):
            if entry.name in names and entry.kind == REGULAR and entry.segments is None:
                self._places[entry.name] = (stream.position, entry.size)
                if len(self._places) == len(names):
                    return


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
