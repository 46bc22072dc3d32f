"""Make the tar of a layer again, byte for byte, from its header log and its tree."""

from __future__ import annotations

import os

from storage.errors import CorruptError
from storage.layers import headerlog
from storage.layers.displaced import read_range
from storage.layers.erofs.keeping import kept_tar
from storage.layers.stream import Stream
from storage.layers.tar import REGULAR, Reader, shown
from storage.layers.tree import NotThereError, Tree
from storage.pieces import gathered
from storage.store import TAR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from storage.layers.tar import Entry


def rebuild_tar(layer_dir: str) -> Generator[bytes]:
    """Yield the tar that was unpacked into `layer_dir`; its digest is the layer's diffID.

    Raises CorruptError as soon as something of the layer is missing or has another size.
    """
    if not os.path.isdir(os.path.join(layer_dir, "diff")) and os.path.lexists(os.path.join(layer_dir, TAR)):
        yield from kept_tar(layer_dir)
        return
    log = headerlog.Log(os.path.join(layer_dir, headerlog.NAME))
    try:
        tree = Tree(os.path.join(layer_dir, "diff"))
        try:
            yield from gathered(_rebuild(log, tree))
        finally:
            tree.close()
    except OSError as error:
        raise CorruptError(f"rebuild layer `{layer_dir}`: {error.strerror}") from error
    finally:
        log.close()


def _rebuild(log: headerlog.Log, tree: Tree) -> Iterator[bytes]:
    inline = set(log.footer["inline"])
    paths = log.footer["paths"]
    displaced = log.footer["displaced"]
    raw: list[bytes] = []
    stream = Stream(log.headers(), raw.append)
    reader = Reader(stream)
    for ordinal, entry in enumerate(reader):
        if len(raw) > 1000:
            yield b"".join(raw)
            raw.clear()
        if entry.kind != REGULAR or not entry.size or ordinal in inline:
            continue
        reader.unread = 0
        stream.flush()
        yield b"".join(raw)
        raw.clear()
        place = displaced.get(str(ordinal))
        if place is not None:
            contents = log.frame(*place)
        else:
            path = paths.get(str(ordinal))
            contents = _contents(tree, os.fsencode(path) if path is not None else entry.name, entry)
        size = 0
        for data in contents:
            size += len(data)
            yield data
        if size != entry.size:
            raise CorruptError(f"rebuild layer: `{shown(entry.name)}` has {size} of {entry.size} bytes")
    stream.flush()
    yield b"".join(raw)


def _contents(tree: Tree, path: bytes, entry: Entry) -> Iterator[bytes]:
    parent, _, name = path.rpartition(b"/")
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        fd = os.open(name, flags, dir_fd=tree.open(parent))
    except (OSError, NotThereError) as error:
        raise CorruptError(f"rebuild layer: `{shown(path)}` is missing") from error
    try:
        if os.fstat(fd).st_size != entry.real_size:
            raise CorruptError(f"rebuild layer: `{shown(path)}` has another size")
        for offset, length in entry.segments or ((0, entry.size),):
            yield from read_range(fd, offset, length)
    finally:
        os.close(fd)
