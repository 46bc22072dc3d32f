"""Looking for damage: whether rows, documents, directories and trees agree with each other and with their digests.

Reads only. What a crash left a moment ago is no damage, for nobody sees it: the collector takes it.
"""

from __future__ import annotations

import json
import os
import stat
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from storage import database, reference
from storage.chain import chain_ids
from storage.documents import digest_of
from storage.errors import StorageError
from storage.layers import verify
from storage.layers.erofs import verify as packed
from storage.store import INDEX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storage.store import Store

DATABASE, IMAGE, LAYER, NAME = "database", "image", "layer", "name"


@dataclass(frozen=True)
class Damage:
    """Something that is wrong with the database, an image (by ID), a layer (by key), or a name."""

    kind: str
    subject: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}: {self.text}" if self.subject else f"{self.kind}: {self.text}"


def check(store: Store, *, deep: bool = False) -> list[str]:
    """Describe all damage, one line each: none if all is well. `deep` reads every byte of every layer again."""
    return [str(one) for one in find(store, deep=deep)]


def find(store: Store, *, deep: bool = False, unused_seconds: float | None = None) -> list[Damage]:
    """Find all damage. Layers that no image has count as such after `unused_seconds`, if they are given."""
    found: list[Damage] = []
    with _moment(store):
        for part in (_database(store), _images(store), _names(store)):
            _collect(found, part)
    _collect(found, _layers(store, deep=deep))
    if unused_seconds is not None:
        _collect(found, _unused(store, time.time() - unused_seconds))
    if store.additional:
        from storage import additional

        for other in additional.stores(store):
            found += [Damage(f"read-only {one.kind}", one.subject, one.text) for one in find(other, deep=deep)]
    return found


def persists(store: Store, damage: Damage) -> bool:
    """Tell whether damage is still there; always of what is neither an image nor a layer, for that is not looked at."""
    if damage.kind == IMAGE:
        return any(True for _ in _images(store, damage.subject))
    if damage.kind == LAYER:
        return any(True for _ in _layers(store, deep=True, only=damage.subject))
    return True


def layer_is_whole(store: Store, key: str) -> bool:
    """Tell whether a layer's tree still gives the tar that its diffID is the digest of."""
    row = store.connection.execute("SELECT diff_id FROM layer WHERE key = ?", (key,)).fetchone()
    # A copy with shifted owners has no log of its own: it is made again rather than verified.
    if row is None or "." in key:
        return False
    path = store.layer_path(key)
    if store.lower(key).endswith(INDEX) and packed.damage(path):
        return False
    return not verify.content_damage(path, row[0])


@contextmanager
def _moment(store: Store) -> Iterator[None]:
    """See all rows as they are at one moment, whatever others write meanwhile."""
    store.connection.execute("BEGIN")
    try:
        yield
    finally:
        if store.connection.in_transaction:
            store.connection.execute("ROLLBACK")


def _collect(found: list[Damage], part: Iterator[Damage]) -> None:
    """Take what one part finds; a damaged table must not hide what is wrong elsewhere."""
    try:
        found.extend(part)
    except database.Error as error:
        found.append(Damage(DATABASE, "", str(error)))


def _database(store: Store) -> Iterator[Damage]:
    for (text,) in store.connection.execute("PRAGMA integrity_check").fetchall():
        if text != "ok":
            yield from (Damage(DATABASE, "", line) for line in text.splitlines())
    for row in store.connection.execute("PRAGMA foreign_key_check").fetchall():
        yield Damage(DATABASE, "", f"a row of table {row[0]} refers to a row of {row[2]} that is missing")


def _images(store: Store, only: str = "") -> Iterator[Damage]:
    connection = store.connection
    query = "SELECT id, digest, config, manifest FROM image WHERE ? IN (id, '')"
    rows = connection.execute(query, (only,)).fetchall()
    for image, digest, config, manifest in rows:
        if digest_of(config) != f"sha256:{image}":
            yield Damage(IMAGE, image, "its config has another digest")
        else:
            diff_ids = (json.loads(config).get("rootfs") or {}).get("diff_ids") or []
            yield from _layer_rows(store, image, diff_ids)
        algorithm = "sha512" if digest.startswith("sha512:") else "sha256"
        if digest_of(manifest, algorithm) != digest:
            yield Damage(IMAGE, image, "its manifest has another digest")
        known = "SELECT 1 FROM image_digest WHERE image = ? AND digest = ?"
        if connection.execute(known, (image, digest)).fetchone() is None:
            yield Damage(IMAGE, image, f"it is not known by its digest {digest}")
    missing = "SELECT image, position, layer FROM image_layer WHERE layer NOT IN (SELECT key FROM layer)"
    for image, position, key in connection.execute(f"{missing} AND ? IN (image, '')", (only,)).fetchall():
        yield Damage(IMAGE, image, f"layer {position} ({key}) is missing")


def _layer_rows(store: Store, image: str, diff_ids: list[str]) -> Iterator[Damage]:
    """The rows that say which layers an image has agree with its config."""
    query = "SELECT diff_id, layer FROM image_layer WHERE image = ? ORDER BY position"
    rows = store.connection.execute(query, (image,)).fetchall()
    if [row[0] for row in rows] != diff_ids:
        yield Damage(IMAGE, image, "its layers are others than its config says")
        return
    for position, ((diff_id, key), chain_id) in enumerate(zip(rows, chain_ids(diff_ids), strict=True)):
        if f"sha256:{key}" not in (diff_id, chain_id):
            yield Damage(IMAGE, image, f"layer {position} is another one than its config says")


def _names(store: Store) -> Iterator[Damage]:
    for (name,) in store.connection.execute("SELECT name FROM name").fetchall():
        try:
            well_formed = str(reference.parse(name)) == name
        except StorageError:
            well_formed = False
        if not well_formed:
            yield Damage(NAME, name, "it is no name of an image")


def _layers(store: Store, *, deep: bool, only: str = "") -> Iterator[Damage]:
    connection = store.connection
    query = "SELECT key, diff_id, pending_links, created FROM layer WHERE ? IN (key, '')"
    rows = connection.execute(query, (only,)).fetchall()
    for key, diff_id, pending_links, created in rows:
        damage = _layer(store, key, diff_id, incomplete=bool(pending_links), deep=deep)
        # If somebody removed it meanwhile, its row went before its files; one that was pulled anew has another moment.
        same = "SELECT 1 FROM layer WHERE key = ? AND created = ?"
        if damage and connection.execute(same, (key, created)).fetchone() is not None:
            yield from (Damage(LAYER, key, line) for line in damage)


def _layer(store: Store, key: str, diff_id: str, *, incomplete: bool, deep: bool) -> list[str]:
    path = store.layer_path(key)
    lower = store.lower(key)
    if not lower:
        return ["its directory is missing"]
    if "." in key:
        return []
    # What it lacks of its parents is in the copy that stands above them (storage/chain.py).
    own = f"sha256:{key}" == diff_id
    if lower.endswith(INDEX):
        damage = packed.damage(path)
    else:
        damage = verify.tree_damage(path, incomplete=incomplete and own, completed=not own)
    if deep and not damage and (line := verify.content_damage(path, diff_id)):
        return [line]
    return damage


def _unused(store: Store, before: float) -> Iterator[Damage]:
    """Layers that no image has, and directories that no row knows, from before a moment."""
    connection = store.connection
    for (key,) in connection.execute(
        "SELECT key FROM layer WHERE substr(key, 1, 64) NOT IN"
        " (SELECT layer FROM image_layer UNION ALL SELECT layer FROM build_step) AND created < ?",
        (before,),
    ).fetchall():
        yield Damage(LAYER, key, "no image has it")
    known = {row[0] for row in connection.execute("SELECT key FROM layer")}
    try:
        names = os.listdir(store.layers)
    except FileNotFoundError:
        return
    for name in names:
        try:
            status = os.lstat(store.layer_path(name))
        except FileNotFoundError:
            continue
        if name not in known and max(status.st_mtime, status.st_ctime) < before:
            kind = "directory" if stat.S_ISDIR(status.st_mode) else "file"
            yield Damage(LAYER, name, f"nothing knows of this {kind}")
