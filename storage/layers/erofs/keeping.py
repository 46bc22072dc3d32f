"""From the stream of a tar to a layer that is not unpacked: the tar, and its index."""

from __future__ import annotations

import os
from typing import BinaryIO

from storage.errors import CorruptError
from storage.layers.complete import inherited
from storage.layers.erofs import index
from storage.layers.erofs.apply import Builder
from storage.layers.erofs.format import UnfitError
from storage.layers.stream import Stream, write_all
from storage.layers.tar import Reader, bounded_time
from storage.layers.tree import Tree
from storage.layers.xattrs import opaque_name
from storage.store import INDEX, TAR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CHUNK = 1 << 20


class Keeping:
    """Keeps one tar in `staging`. UnfitError from `run` or `finish` leaves the whole tar, for it to be unpacked."""

    def __init__(self, staging: str) -> None:
        self._index = os.path.join(staging, INDEX)
        self._tar = os.path.join(staging, TAR)
        self._builder = Builder()

    @property
    def entries(self) -> int:
        """How many entries the tar has."""
        return self._builder.ordinal + 1

    @property
    def implied(self) -> tuple[str, ...]:
        """The directories that the tar has no entry of."""
        return tuple(os.fsdecode(path) for path in self._builder.implied())

    @property
    def pending_links(self) -> tuple[tuple[str, str], ...]:
        """The hard links whose targets are in lower layers, with these."""
        pending = self._builder.pending_links
        return tuple((os.fsdecode(path), os.fsdecode(target)) for path, (_, _, target) in pending.items())

    def run(self, pieces: Iterator[bytes]) -> None:
        """Write the stream down, and take in what it says."""
        with open(self._tar, "xb", buffering=0, opener=_privately) as file:
            stream = Stream(pieces, _writer(file))
            reader = Reader(stream)
            try:
                self._builder.run(reader)
            except UnfitError:
                stream.drain()
                raise

    def finish(self, lowers: tuple[str, ...]) -> None:
        """Write the index; what the tar only implies is taken from `lowers`, the layers below as directories."""
        builder = self._builder
        if lowers:
            self._inherit(lowers)
        builder.finish()
        if builder.pending_links:
            raise UnfitError  # Their data is in another layer.
        with open(self._index, "xb", opener=_privately) as file:
            index.write(file, builder.nodes.root, os.path.getsize(self._tar))
        if builder.nodes.root.opaque:
            # The file says it too, so that a recipe can be made without mounting anything.
            os.setxattr(self._index, opaque_name(rootless=False), b"y")

    def _inherit(self, lowers: tuple[str, ...]) -> None:
        below = [Tree(lower) for lower in lowers]
        try:
            for path in self._builder.implied():
                found = inherited(below, path)
                if found is not None:
                    node, status = self._builder.nodes.find(path), found.status
                    node.mode, node.uid, node.gid = status.st_mode, status.st_uid, status.st_gid
                    node.mtime = bounded_time(status.st_mtime_ns)
                    node.xattrs = found.xattrs()
        finally:
            for tree in below:
                tree.close()


def _privately(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def _writer(file: BinaryIO) -> Callable[[bytes], None]:
    descriptor = file.fileno()

    def record(data: bytes) -> None:
        write_all(descriptor, memoryview(data))

    return record


def kept_tar(layer_dir: str) -> Iterator[bytes]:
    """Yield the tar of a layer that is not unpacked; raises CorruptError if it cannot be read."""
    try:
        with open(os.path.join(layer_dir, TAR), "rb", buffering=0) as file:
            while data := file.read(_CHUNK):
                yield data
    except OSError as error:
        raise CorruptError(f"rebuild layer `{layer_dir}`: {error.strerror}") from error
