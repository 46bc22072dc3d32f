"""The files of a layer by their contents: what a later pull need not fetch.

Kept beside the layer as zstd of records: 32 bytes of a digest, a name, NUL. It is a hint: what it says is checked by
the diffID of what is made of it.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Protocol

from storage.errors import CorruptError
from storage.layers.displaced import read_range
from storage.layers.stream import FileStream
from storage.layers.tar import REGULAR, Reader
from storage.layers.tree import NotThereError, Tree
from storage.store import TAR

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from storage.chunked.toc import File
    from storage.layers.donors import Donors

NAME = "files.zst"
_DIGEST = 32
_MAX = 256 << 20
_CHUNK = 256 << 10
# To read the record of a layer takes some ten milliseconds: no more than so many, those that came last.
_MOST_LAYERS = 64


def write(directory: str, files: Iterable[File]) -> None:
    """Remember the files of a layer in its directory."""
    import zstandard

    records = [file.digest + file.path + b"\0" for file in files]
    data = zstandard.ZstdCompressor(level=1, write_checksum=True).compress(b"".join(records))
    with open(os.path.join(directory, NAME), "xb") as file:
        file.write(data)


def layers(store_layers: str) -> list[str]:
    """List the directories of layers of which the files are remembered, unpacked or kept as a tar; the latest first."""
    found = []
    for name in os.listdir(store_layers):
        path = os.path.join(store_layers, name)
        try:
            made = os.stat(os.path.join(path, NAME)).st_mtime_ns
        except OSError:
            continue
        found.append((made, path))
    return [path for _, path in sorted(found, reverse=True)[:_MOST_LAYERS]]


class Contents:
    """Files of layers by the digest of their contents, opened as they are needed; hostile layers are read safely.

    One of the same name is taken before others, and offered to `donors` as it is read.
    """

    def __init__(self, layers: Iterable[str], files: Iterable[File], donors: Donors | None = None) -> None:
        self._wanted = {(file.digest, file.path) for file in files}
        self._digests = {digest for digest, _ in self._wanted}
        self._same: dict[tuple[bytes, bytes], _Files] = {}
        self._places: dict[bytes, tuple[_Files, bytes]] = {}
        self._opened: list[_Files] = []
        self._current: _Files | None = None
        self._donors = donors
        for layer in layers:
            if len(self._same) < len(self._wanted):
                self._add(layer)

    def has(self, file: File) -> bool:
        """Tell whether a layer had a file of this digest; whether it still has it, `read` may find out."""
        place = self._place(file)
        return place is not None and place[0].has(place[1], file.size)

    def read(self, file: File, offset: int) -> Iterator[bytes] | None:
        """Give the contents, which are at this offset of the tar; None if they have gone since."""
        place = self._place(file)
        if place is None:
            return None
        files, name = place
        if self._current is not None and self._current is not files:
            self._current.forget()
        self._current = files
        try:
            return files.read(name, file.size, offset)
        except (OSError, NotThereError):
            return None

    def close(self) -> None:
        """Close what is open."""
        for files in self._opened:
            files.close()

    def _place(self, file: File) -> tuple[_Files, bytes] | None:
        files = self._same.get((file.digest, file.path))
        return (files, file.path) if files is not None else self._places.get(file.digest)

    def _add(self, layer: str) -> None:
        try:
            records = list(_records(_inflated(os.path.join(layer, NAME))))
            same = [record for record in records if record in self._wanted and record not in self._same]
            found = {digest: name for digest, name in records if digest in self._digests and digest not in self._places}
            if not found and not same:
                return
            files: _Files
            if os.path.isdir(os.path.join(layer, "diff")):
                files = _Unpacked(layer, self._donors)
            else:
                files = _Kept(os.path.join(layer, TAR), {*found.values(), *(name for _, name in same)})
        except OSError:
            return
        self._opened.append(files)
        self._same |= dict.fromkeys(same, files)
        self._places |= {digest: (files, name) for digest, name in found.items()}


class _Files(Protocol):
    """The files of one layer by name."""

    def has(self, name: bytes, size: int) -> bool:
        """Tell whether there is a file of this name and size, as far as that is cheap to tell."""

    def read(self, name: bytes, size: int, offset: int) -> Iterator[bytes]:
        """Give what a file of this size holds, for the tar at an offset; OSError or NotThereError if there is none."""

    def forget(self) -> None:
        """Close what need not be open while another layer is read."""

    def close(self) -> None:
        """Close all."""


class _Unpacked:
    """The files of a layer that is a directory."""

    def __init__(self, layer: str, donors: Donors | None) -> None:
        self._tree = Tree(os.path.join(layer, "diff"))
        self._layer = layer
        self._donors = None if os.path.islink(layer) else donors  # other stores get no links from us

    def has(self, _name: bytes, _size: int) -> bool:
        return True  # To look at each of them now would take as long as to open it later.

    def read(self, name: bytes, size: int, offset: int) -> Iterator[bytes]:
        parent, _, last = name.rpartition(b"/")
        directory = self._tree.open(parent)
        # What the table calls a file may be a device, and to open one is an act already.
        status = os.stat(last, dir_fd=directory, follow_symlinks=False)
        if not stat.S_ISREG(status.st_mode) or status.st_size != size:
            raise NotThereError
        fd = os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
        if self._donors is not None:
            self._donors.offer(offset, self._layer, name, fd, status.st_ino)
        return _contents(fd, size)

    def forget(self) -> None:
        self._tree.forget()  # each keeps up to 256 directories open

    def close(self) -> None:
        self._tree.close()


def _contents(fd: int, size: int) -> Iterator[bytes]:
    try:
        while size and (data := os.read(fd, min(size, _CHUNK))):
            size -= len(data)
            yield data
    finally:
        os.close(fd)


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

    def has(self, name: bytes, size: int) -> bool:
        position, found = self._places.get(name, (0, -1))
        return found == size and position + size <= os.fstat(self._fd).st_size

    def read(self, name: bytes, size: int, offset: int) -> Iterator[bytes]:
        if not self.has(name, size):
            raise NotThereError
        return read_range(self._fd, self._places[name][0], size)

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
