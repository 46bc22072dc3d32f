"""Signatures of simple signing that an image of the store has: they are on the manifest that it has here.

So they are of use elsewhere only if the image goes there as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from storage import images
from storage.errors import ImageNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from sqlite3 import Connection

    from storage.images import Image
    from storage.publish import NewImage
    from storage.store import Store


@dataclass(frozen=True)
class Signature:
    """One signature: under which full name, by which key as the user calls it."""

    name: str
    key: str
    data: bytes


def of(store: Store, image: Image) -> tuple[bytes, ...]:
    """Return the signatures that an image has."""
    query = "SELECT signature FROM image_signature WHERE image = ? AND digest = ? ORDER BY name, key"
    return tuple(row[0] for row in store.connection.execute(query, (image.id, image.digest)))


def record(connection: Connection, image: str, digest: str, signatures: Iterable[Signature]) -> None:
    """Keep signatures of an image's manifest, in place of what the same keys said under the same names."""
    for one in signatures:
        connection.execute(
            "INSERT OR REPLACE INTO image_signature VALUES (?, ?, ?, ?, ?)",
            (image, digest, one.name, one.key, one.data),
        )


def as_signed(store: Store, image: NewImage) -> NewImage:
    """Return an image with the manifest that the store has of it, if that is signed: it stays so when made again."""
    try:
        known = images.load(store, image.id)
    except ImageNotFoundError:
        return image
    if known.media_type != image.media_type or not of(store, known):
        return image
    return replace(image, manifest=known.manifest, digests=(known.digest,))
