"""Further stores that are only read: their images are listed and used as if they were here, and never changed.

What is used of one is adopted: the image gets a row of its own here, without a name, and each of its layers a symbolic
link to the directory there. Everything else then finds it where it finds all images. Who adopted nothing has no trace
of such a store; an adopted image that no container has any more goes after a while (the row's age spares those whose
container is about to be made).

A store that is only read is opened without a lock and without shared memory, so that it may be on a read-only medium.
"""

from __future__ import annotations

import os
import time

from storage import database, images
from storage.errors import ImageNotFoundError, ReadOnlyImageError, StorageError
from storage.store import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from sqlite3 import Connection

    from storage.images import Image
    from storage.lists import ManifestList

_IMAGE = "id, digest, media_type, manifest, config, size, created, architecture, os"
_LAYER = "key, diff_id, size, entries, implied, pending_links, boot_id, durable, created"
_UNUSED_SECONDS = 3600.0


def stores(store: Store) -> list[Store]:
    """Open the further stores of a store, each once; what is none, or cannot be read, is left out."""
    if store.opened is None:
        store.opened = [found for root in store.additional if (found := _open(root, store.root)) is not None]
        for found in store.opened:
            found.short_names = store.short_names
    return store.opened


def find(store: Store, text: str) -> tuple[str, str | None]:
    """Find an image's ID and name in the further stores, as `images.find` does."""
    for other in stores(store):
        try:
            return images.find(other, text)
        except ImageNotFoundError:
            continue
    raise images.not_known(text)


def find_list(store: Store, text: str) -> tuple[ManifestList, str | None] | None:
    """Find a list of manifests in the further stores, and the full name by which the text meant it.

    None if an image is meant, of this store or of a further one that comes before, or nothing.
    """
    from storage import finding, lists

    for one in (store, *stores(store)):
        listed = lists.find_name(one, text) if one is not store else None
        if listed is not None:
            return lists.load(one.connection, listed[0]), listed[1]
        try:
            finding.find(one, text)
        except ImageNotFoundError:
            continue
        return None
    return None


def load(store: Store, image_id: str) -> Image:
    """Give an image of a further store; if `store` may be written to, it is adopted."""
    for other in stores(store):
        try:
            found = images.load(other, image_id)
        except ImageNotFoundError:
            continue
        if not store.readonly:
            _adopt(store, other, image_id)
        found.readonly = True
        return found
    raise images.not_known(image_id)


def listed(store: Store, own: list[Image]) -> list[Image]:
    """Add the images of further stores to a list, the newest first; those that were only adopted give way to them."""
    found: dict[str, Image] = {}
    for other in stores(store):
        for image in images.list_images(other):
            image.readonly = True
            found.setdefault(image.id, image)
    kept = [image for image in own if image.names or image.id not in found]
    return sorted([*kept, *found.values()], key=lambda image: (-image.created, image.id))


def names(store: Store, image_id: str) -> list[str]:
    """Give the names that further stores have for an image."""
    query = "SELECT name FROM name WHERE image = ? ORDER BY name"
    return [row[0] for other in stores(store) for row in other.connection.execute(query, (image_id,))]


def check_removable(store: Store, image_id: str, name: str | None) -> None:
    """Raise ReadOnlyImageError for an image, or a name of one, that only a further store has."""
    row = store.connection.execute("SELECT 1 FROM name WHERE image = ?1 AND name = ifnull(?2, name)", (image_id, name))
    if row.fetchone() is not None or not any(image_id in images.ids(other) for other in stores(store)):
        return
    raise ReadOnlyImageError(f'cannot remove read-only image "{image_id}"')


def adopt_layer(store: Store, key: str) -> bool:
    """Let a layer that a further store has be one of this store, too; False if none has it."""
    for other in stores(store):
        if "." not in key and other.lower(key):
            with store.publishing(), _transaction(store.connection) as connection:
                return _link_layer(store, other, connection, key)
    return False


def drop_unused(store: Store) -> None:
    """Forget the adopted images that nothing uses."""
    before = time.time() - _UNUSED_SECONDS
    unused = (
        "SELECT image FROM adopted WHERE since < ? AND image NOT IN (SELECT image FROM name)"
        " AND image NOT IN (SELECT image FROM pin)"
    )
    if store.connection.execute(unused, (before,)).fetchone() is not None:
        with database.transaction(store.connection) as connection:
            connection.execute(f"DELETE FROM image WHERE id IN ({unused})", (before,))


def _open(root: str, own: str) -> Store | None:
    # storage.conf may name a directory that podman has its own store in: ours is the directory `pod` in it.
    for path in (root, f"{root}/pod"):
        if path == own or not os.path.exists(f"{path}/pod.db"):
            continue
        try:
            return Store(path, database.connect_foreign(f"{path}/pod.db"), readonly=True)
        except (StorageError, database.Error, OSError):
            continue
    return None


def _adopt(store: Store, other: Store, image_id: str) -> None:
    row = other.connection.execute(f"SELECT {_IMAGE} FROM image WHERE id = ?", (image_id,)).fetchone()
    layers = other.connection.execute(
        "SELECT image, position, diff_id, layer FROM image_layer WHERE image = ?", (image_id,)
    ).fetchall()
    digests = other.connection.execute("SELECT image, digest FROM image_digest WHERE image = ?", (image_id,)).fetchall()
    with store.publishing(), _transaction(store.connection) as connection:
        connection.execute(f"INSERT OR IGNORE INTO image ({_IMAGE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        connection.executemany("INSERT OR IGNORE INTO image_digest VALUES (?, ?)", digests)
        for key in {layer[3] for layer in layers}:
            if not _link_layer(store, other, connection, key):
                raise StorageError(f"image {image_id}: layer {key} is missing in the store {other.root}")
        connection.executemany("INSERT OR IGNORE INTO image_layer VALUES (?, ?, ?, ?)", layers)
        connection.execute("INSERT OR REPLACE INTO adopted VALUES (?, ?)", (image_id, time.time()))


def _link_layer(store: Store, other: Store, connection: Connection, key: str) -> bool:
    if connection.execute("SELECT 1 FROM layer WHERE key = ?", (key,)).fetchone() is not None:
        return True
    row = other.connection.execute(f"SELECT {_LAYER} FROM layer WHERE key = ?", (key,)).fetchone()
    if row is None or not other.lower(key):
        return False
    blobs = "SELECT digest, diff_id, size, media_type FROM layer_blob WHERE diff_id = ?"
    connection.executemany(
        "INSERT OR IGNORE INTO layer_blob (digest, diff_id, size, media_type) VALUES (?, ?, ?, ?)",
        other.connection.execute(blobs, (row[1],)).fetchall(),
    )
    store.discard(store.layer_path(key))  # What has no row is what a crash left.
    os.symlink(other.layer_path(key), store.layer_path(key))
    connection.execute(f"INSERT INTO layer ({_LAYER}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    return True


class _transaction(database.transaction):
    """A write transaction, or a part of the one that the caller is in."""

    __slots__ = ("_outer",)

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._outer = connection.in_transaction

    def __enter__(self) -> Connection:
        return self._connection if self._outer else super().__enter__()

    def __exit__(self, *what: object) -> None:
        if not self._outer:
            super().__exit__(*what)  # type: ignore[arg-type]


def adopted(store: Store) -> Iterator[str]:
    """Give the IDs of the adopted images that have no name here."""
    query = "SELECT image FROM adopted WHERE image NOT IN (SELECT image FROM name)"
    return (row[0] for row in store.connection.execute(query).fetchall())
