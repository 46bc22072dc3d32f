"""In which repositories blobs of layers were seen: from there a registry can mount them, and we can read them again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storage import database

if TYPE_CHECKING:
    from collections.abc import Iterable

    from storage.reference import Reference
    from storage.store import Store


def record(store: Store, digests: Iterable[str], reference: Reference) -> None:
    """Remember that blobs are in the repository of a reference; those of layers that are gone are left out."""
    rows = [(digest, reference.domain, reference.path) for digest in digests]
    known = "SELECT 1 FROM blob_place WHERE digest = ? AND domain = ? AND repository = ?"
    if all(store.connection.execute(known, row).fetchone() is not None for row in rows):
        return
    with database.transaction(store.connection) as connection:
        connection.executemany(
            "INSERT OR IGNORE INTO blob_place SELECT ?1, ?2, ?3 WHERE EXISTS"
            " (SELECT 1 FROM layer_blob WHERE digest = ?1)",
            rows,
        )


def of_image(store: Store, image_id: str) -> dict[str, list[tuple[str, str]]]:
    """Give, for each blob of the layers of an image, the domains and repositories that it was seen in."""
    query = (
        "SELECT DISTINCT blob_place.digest, domain, repository FROM blob_place"
        " JOIN layer_blob ON layer_blob.digest = blob_place.digest"
        " JOIN image_layer ON image_layer.diff_id = layer_blob.diff_id WHERE image = ?"
    )
    found: dict[str, list[tuple[str, str]]] = {}
    for digest, domain, repository in store.connection.execute(query, (image_id,)):
        found.setdefault(digest, []).append((domain, repository))
    return found
