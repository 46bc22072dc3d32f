"""Making things visible: layers into layers/ with their rows, an image with its names in one transaction.

Each function here is atomic, and gives way to whoever did the same before.
"""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from storage import database, image_signatures
from storage.errors import StorageError
from storage.gc import release_layers
from storage.store import Staging, Store, boot_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from sqlite3 import Connection

    from storage.documents import Descriptor
    from storage.image_signatures import Signature


@dataclass(frozen=True)
class Layer:
    """A layer as the store keeps it.

    `implied` are the directories that its tar names only as parents, `pending_links` pairs of a hard link and its
    target in a lower layer: see storage/chain.py.
    """

    key: str
    diff_id: str
    size: int
    entries: int
    implied: tuple[str, ...] = ()
    pending_links: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class NewImage:
    """An image to record; `layers` are pairs of diffID and key, from the bottom up."""

    config: bytes
    manifest: bytes
    media_type: str
    digests: tuple[str, ...]
    created: float
    architecture: str
    os: str
    layers: tuple[tuple[str, str], ...]
    signatures: tuple[Signature, ...] = ()

    @property
    def id(self) -> str:
        """The digest of the config."""
        return hashlib.sha256(self.config).hexdigest()


class LayerGoneError(StorageError):
    """A layer that was there was removed meanwhile, with the image that it was part of: fetch it again."""


def find_layer(store: Store, key: str) -> Layer | None:
    """Find a layer that can be used as it is; one that the machine may have lost is verified, and forgotten if bad."""
    row = store.connection.execute(
        "SELECT diff_id, size, entries, implied, pending_links, durable, boot_id, created FROM layer WHERE key = ?",
        (key,),
    ).fetchone()
    if row is None and store.additional:
        from storage import additional

        return find_layer(store, key) if additional.adopt_layer(store, key) else None
    if row is None:
        return None
    whole = bool(store.lower(key))
    if whole and not row[5] and row[6] != boot_id():
        from storage import durability

        whole = durability.confirm(store, key)
    if not whole:
        return None if _forget_layer(store, key, row[7]) else find_layer(store, key)
    links = _unpacked(row[4])
    return Layer(key, row[0], row[1], row[2], _unpacked(row[3]), tuple(zip(links[::2], links[1::2], strict=True)))


def _forget_layer(store: Store, key: str, created: float) -> bool:
    """Drop a damaged layer; images that have it are broken until it is pulled again.

    False if another process, which found the damage too, was faster: what it made anew since is no damage.
    """
    with database.transaction(store.connection) as connection:
        gone = connection.execute("DELETE FROM layer WHERE key = ? AND created = ?", (key, created)).rowcount
    if gone:
        release_layers(store, [key])
    return bool(gone)


def publish_layer(store: Store, staging: Staging, layer: Layer, blob: Descriptor | None = None) -> None:
    """Move a finished layer into place and record it, unless another process was faster."""
    path = store.layer_path(layer.key)
    with database.transaction(store.connection) as connection:
        if blob is not None:
            connection.execute(
                "INSERT INTO layer_blob (digest, diff_id, size, media_type) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (digest) DO UPDATE SET media_type = excluded.media_type",
                (blob.digest, layer.diff_id, blob.size, blob.media_type),
            )
        if connection.execute("SELECT 1 FROM layer WHERE key = ?", (layer.key,)).fetchone() is not None:
            return
        store.discard(path)  # What has no row is what a crash left.
        staging.publish(path)
        connection.execute(
            "INSERT INTO layer (key, diff_id, size, entries, implied, pending_links, boot_id, created)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                layer.key,
                layer.diff_id,
                layer.size,
                layer.entries,
                _packed(layer.implied),
                _packed(name for pair in layer.pending_links for name in pair),
                boot_id(),
                time.time(),
            ),
        )


def publish_image(store: Store, image: NewImage, names: Sequence[str]) -> None:
    """Record an image and its names, which move to it; raises LayerGoneError if a layer is not there any more."""
    publish_images(store, [(image, names)])


def publish_images(store: Store, images: Iterable[tuple[NewImage, Sequence[str]]]) -> None:
    """Record images and their names, all or none; as `publish_image`."""
    with database.transaction(store.connection) as connection:
        for image, names in images:
            _record(connection, image, names)


def _record(connection: Connection, image: NewImage, names: Sequence[str]) -> None:
    sizes = _sizes(connection, {key for _, key in image.layers})
    connection.execute(
        "INSERT INTO image VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
        " digest = excluded.digest, media_type = excluded.media_type, manifest = excluded.manifest,"
        " config = excluded.config, size = excluded.size, created = excluded.created,"
        " architecture = excluded.architecture, os = excluded.os",
        (
            image.id,
            image.digests[0],
            image.media_type,
            image.manifest,
            image.config,
            sum(sizes.values()),
            image.created,
            image.architecture,
            image.os,
        ),
    )
    for digest in image.digests:
        connection.execute("INSERT OR IGNORE INTO image_digest VALUES (?, ?)", (image.id, digest))
    connection.execute("DELETE FROM image_layer WHERE image = ?", (image.id,))
    for position, (diff_id, key) in enumerate(image.layers):
        connection.execute("INSERT OR REPLACE INTO image_layer VALUES (?, ?, ?, ?)", (image.id, position, diff_id, key))
    image_signatures.record(connection, image.id, image.digests[0], image.signatures)
    for name in names:
        connection.execute("INSERT OR REPLACE INTO name VALUES (?, ?)", (name, image.id))


def _packed(names: Iterable[str]) -> bytes:
    """Names may hold any byte but NUL, which SQLite's text may not."""
    return b"".join(os.fsencode(name) + b"\0" for name in names)


def _unpacked(data: bytes) -> tuple[str, ...]:
    return tuple(os.fsdecode(name) for name in data.split(b"\0")[:-1])


def _sizes(connection: Connection, keys: set[str]) -> dict[str, int]:
    sizes = {}
    for key in keys:
        row = connection.execute("SELECT size FROM layer WHERE key = ?", (key,)).fetchone()
        if row is None:
            raise LayerGoneError(f"layer {key} was removed meanwhile")
        sizes[key] = row[0]
    return sizes
