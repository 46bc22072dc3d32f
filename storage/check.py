"""Looking for damage: whether rows, directories and trees agree with each other and with their digests.

Reads only. What a crash leaves without a row is no damage, for nobody sees it: the collector takes it.
"""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING

from storage import database
from storage.documents import digest_of
from storage.errors import CorruptError, StorageError
from storage.layers import headerlog
from storage.layers.rebuild import rebuild_tar
from storage.layers.stream import Stream
from storage.layers.tar import BLOCK_DEVICE, CHARACTER, DIRECTORY, FIFO, LINK, REGULAR, SYMLINK, Reader, shown
from storage.layers.tree import NotThereError, Tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storage.store import Store

_FORMATS = {
    REGULAR: stat.S_IFREG,
    SYMLINK: stat.S_IFLNK,
    CHARACTER: stat.S_IFCHR,
    BLOCK_DEVICE: stat.S_IFBLK,
    DIRECTORY: stat.S_IFDIR,
    FIFO: stat.S_IFIFO,
}
_MOST = 20  # damaged files that are named of one layer

# kind, permissions, size, target
_Expected = tuple[int, int, int, bytes]


def check(store: Store, *, deep: bool = False) -> list[str]:
    """Describe all damage, one line each: none if all is well. `deep` reads every byte of every layer again."""
    try:
        return [*_database(store), *_images(store), *_layers(store, deep=deep)]
    except database.Error as error:
        return [f"database: {error}"]


def layer_is_whole(store: Store, key: str) -> bool:
    """Tell whether a layer's tree still gives the tar that its diffID is the digest of."""
    row = store.connection.execute("SELECT diff_id FROM layer WHERE key = ?", (key,)).fetchone()
    # A copy with shifted owners has no log of its own: it is made again rather than verified.
    return row is not None and "." not in key and not _wrong_content(store.layer_path(key), row[0])


def _database(store: Store) -> Iterator[str]:
    for (line,) in store.connection.execute("PRAGMA integrity_check"):
        if line != "ok":
            yield f"database: {line}"
    for row in store.connection.execute("PRAGMA foreign_key_check"):
        yield f"database: a row of table {row[0]} refers to a row of {row[2]} that is missing"


def _images(store: Store) -> Iterator[str]:
    for image, digest, config, manifest in store.connection.execute("SELECT id, digest, config, manifest FROM image"):
        if digest_of(config) != f"sha256:{image}":
            yield f"image {image}: its config has another digest"
        if digest_of(manifest, digest.partition(":")[0]) != digest:
            yield f"image {image}: its manifest has another digest"
    for image, position, key in store.connection.execute(
        "SELECT image, position, layer FROM image_layer WHERE layer NOT IN (SELECT key FROM layer)"
    ):
        yield f"image {image}: layer {position} ({key}) is missing"


def _layers(store: Store, *, deep: bool) -> Iterator[str]:
    rows = store.connection.execute("SELECT key, diff_id, pending_links FROM layer").fetchall()
    for key, diff_id, pending_links in rows:
        path = store.layer_path(key)
        if not os.path.isdir(f"{path}/diff"):
            yield f"layer {key}: its directory is missing"
        elif "." not in key:
            # What it lacks of its parents is in the copy that stands above them (storage/chain.py).
            damage = _tree(path, incomplete=bool(pending_links) and f"sha256:{key}" == diff_id)
            yield from (f"layer {key}: {line}" for line in damage)
            if deep and not damage and (line := _wrong_content(path, diff_id)):
                yield f"layer {key}: {line}"


def _wrong_content(path: str, diff_id: str) -> str:
    """Say what is wrong with the bytes of a layer, if anything."""
    digest = hashlib.sha256()
    try:
        for data in rebuild_tar(path):
            digest.update(data)
    except StorageError as error:
        return str(error)
    return "" if f"sha256:{digest.hexdigest()}" == diff_id else "its content has another digest"


def _tree(path: str, *, incomplete: bool) -> list[str]:
    """Compare the tree of a layer with the log of its tar."""
    try:
        tree = Tree(f"{path}/diff")
        try:
            damage = []
            for name, expected in _canonical(tree, _entries(f"{path}/{headerlog.NAME}")).items():
                wrong = _compare(tree, name, expected)
                if wrong and not (incomplete and expected[0] == LINK):
                    damage.append(f"{shown(name)}: {wrong}")
                    if len(damage) == _MOST:
                        break
            return damage
        finally:
            tree.close()
    except (CorruptError, OSError) as error:
        return [str(error)]


def _entries(path: str) -> dict[bytes, _Expected]:
    """Read from the log what stands at the end of the tar, by name."""
    log = headerlog.Log(path)
    try:
        inline = set(log.footer["inline"])
        reader = Reader(Stream(log.headers(), _nothing))
        standing: dict[bytes, _Expected] = {}
        for ordinal, entry in enumerate(reader):
            if entry.kind == REGULAR and entry.size and ordinal not in inline:
                reader.unread = 0  # Its data is not in the log.
            name = entry.name
            if name.rpartition(b"/")[2][:4] == b".wh." or name[:12] == b".wh..wh.plnk":
                continue
            if entry.kind != DIRECTORY and standing.get(name, (REGULAR,))[0] == DIRECTORY:
                standing = {one: value for one, value in standing.items() if not one.startswith(name + b"/")}
            standing.pop(name, None)
            size = entry.real_size if entry.kind == REGULAR else 0
            standing[name] = (entry.kind, entry.mode, size, entry.link)
        return standing
    finally:
        log.close()


def _canonical(tree: Tree, entries: dict[bytes, _Expected]) -> dict[bytes, _Expected]:
    """Give the entries by the names that they have without symbolic links; of two that are the same, the later one."""
    found: dict[bytes, _Expected] = {}
    for name, expected in entries.items():
        parent, _, last = name.rpartition(b"/")
        try:
            tree.open(parent)
        except NotThereError:
            found[name] = expected
            continue
        parent = tree.canonical(parent)
        found[parent + b"/" + last if parent else last] = expected
    return found


def _compare(tree: Tree, name: bytes, expected: _Expected) -> str:
    kind, mode, size, target = expected
    parent, _, last = name.rpartition(b"/")
    try:
        fd = tree.open(parent)
        status = os.stat(last or b".", dir_fd=fd, follow_symlinks=False)
    except (NotThereError, FileNotFoundError):
        # An ordinary user cannot make devices: the unpacking left them out.
        return "" if kind in (CHARACTER, BLOCK_DEVICE) else "is missing"
    if kind == LINK:
        return ""
    if stat.S_IFMT(status.st_mode) != _FORMATS[kind]:
        return "is of another kind"
    if kind == SYMLINK:
        return "" if os.readlink(last, dir_fd=fd) == target else "is a link to something else"
    if kind == REGULAR and status.st_size != size:
        return f"has {status.st_size} bytes instead of {size}"
    if stat.S_IMODE(status.st_mode) != mode & 0o7777:
        return f"has mode {stat.S_IMODE(status.st_mode):o} instead of {mode:o}"
    return ""


def _nothing(_: bytes) -> None:
    """Keep nothing of what is read."""
