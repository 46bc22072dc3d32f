"""Mending what is damaged: a layer from its own files where their content is whole, else from where images come from.

Whoever calls this knows that no running container stands on the layers: their directories are replaced. What cannot
be had again is put back as it was, for damaged is better than gone.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from storage import chain, database, documents, gc
from storage.check import DATABASE, IMAGE, LAYER, NAME
from storage.errors import StorageError
from storage.layers import verify
from storage.layers.rebuild import rebuild_tar
from storage.layers.unpacking import UnpackOptions
from storage.layers.worker import fork_unpack
from storage.publish import Layer, publish_layer
from storage.source import locate
from storage.store import TAR
from storage.transfer import copy_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from sqlite3 import Connection

    from storage.check import Damage
    from storage.store import Staging, Store
    from storage.transports.protocols import Origin
    from storage.trust.verification import Trust

_COLUMNS = "key, diff_id, size, entries, implied, pending_links, boot_id, durable, created"


@dataclass
class Report:
    """What was mended, and what could not be and why, a line each; images that a running container keeps from it."""

    mended: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    postponed: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Repairer:
    """Mends a store; `origins` gives the places where an image (by ID and digest of its manifest) may be had again.

    `trust` says whether they may be had from there; it is asked for when that is needed, for it may fail.
    `busy` gives the IDs of images that running containers stand on, with a word on who they are: those are left alone.
    """

    store: Store
    origins: Callable[[str, str], Iterable[Origin]]
    trust: Callable[[], Trust]
    busy: Callable[[], dict[str, str]]
    rootless: bool = False
    single_id: bool = False

    def repair(self, damage: Sequence[Damage]) -> Report:
        """Mend what can be mended of the damage that check.find found."""
        report = Report()
        kinds = {one.kind for one in damage}
        if DATABASE in kinds:
            self._database(report)
        if NAME in kinds:
            self._names([one.subject for one in damage if one.kind == NAME], report)
        for image in dict.fromkeys(one.subject for one in damage if one.kind == IMAGE):
            self._image(image, report)
        for diff_id in dict.fromkeys(self._diff_ids(damage)):
            self._layer(diff_id, report)
        gc.sweep(self.store)
        return report

    def _database(self, report: Report) -> None:
        """Write the indexes anew, and drop rows that refer to nothing: all that SQLite can mend by itself."""
        connection = self.store.connection
        try:
            connection.execute("REINDEX")
            with database.transaction(connection):
                _drop_orphans(connection)
            state = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        except (StorageError, database.Error) as error:
            state = str(error)
        if state == "ok":
            report.mended.append("database: indexes were written anew")
        else:
            report.failed.append(f"database: {state}: bring pod.db back from a copy, or use `pod system reset`")

    def _names(self, names: list[str], report: Report) -> None:
        with database.transaction(self.store.connection) as connection:
            connection.executemany("DELETE FROM name WHERE name = ?", [(name,) for name in names])
        report.mended += [f"name {name}: taken away" for name in names]

    def _image(self, image: str, report: Report) -> None:
        """Mend the rows of an image: from its own documents if they are whole, else from an origin."""
        if self._rows(image):
            how = "its rows were written anew"
        else:
            found = self._fetch(image, report)
            how = f"fetched from {found}" if found else ""
        if how and self._is_known(image):
            report.mended.append(f"image {image}: {how}")

    def _rows(self, image: str) -> bool:
        """Write anew what follows from an image's documents; False if these are damaged, or layers are missing.

        Of an image that somebody removed meanwhile nothing is wrong.
        """
        connection = self.store.connection
        query = "SELECT config, manifest, digest, media_type FROM image WHERE id = ?"
        row = connection.execute(query, (image,)).fetchone()
        if row is None:
            return True
        config, manifest, digest, media_type = row
        try:
            documents.check_digest(config, f"sha256:{image}", "config")
            documents.check_digest(manifest, digest, "manifest")
            parsed = documents.parse_manifest(manifest, media_type)
            if isinstance(parsed, documents.Index):
                return False
            diff_ids = documents.parse_config(config, parsed).diff_ids
            if not all(self._is_present(diff_id) for diff_id in diff_ids):
                return False
            with self.store.publishing():
                keys = chain.keys(self.store, diff_ids)
                with database.transaction(connection):
                    if not self._is_known(image):
                        return True
                    connection.execute("INSERT OR IGNORE INTO image_digest VALUES (?, ?)", (image, digest))
                    connection.execute("DELETE FROM image_layer WHERE image = ?", (image,))
                    connection.executemany(
                        "INSERT INTO image_layer VALUES (?, ?, ?, ?)",
                        [(image, n, *pair) for n, pair in enumerate(zip(diff_ids, keys, strict=True))],
                    )
        except StorageError:
            return False
        return True

    def _is_known(self, image: str) -> bool:
        return self.store.connection.execute("SELECT 1 FROM image WHERE id = ?", (image,)).fetchone() is not None

    def _is_present(self, diff_id: str) -> bool:
        key = diff_id.removeprefix("sha256:")
        return self.store.connection.execute("SELECT 1 FROM layer WHERE key = ?", (key,)).fetchone() is not None

    def _fetch(self, image: str, report: Report) -> str:
        """Copy an image in once more, with those of its layers that are missing; give where from, or ""."""
        query = "SELECT digest FROM image_digest WHERE image = ?1 UNION SELECT digest FROM image WHERE id = ?1"
        causes = []
        for (digest,) in self.store.connection.execute(query, (image,)).fetchall():
            for origin in self.origins(image, digest):
                try:
                    trust = self.trust()
                    found = documents.digest_of(locate(origin, None, trust).config.raw)
                    if found != f"sha256:{image}":
                        causes.append(f"{origin.scope} is another image")
                        continue
                    if not self._is_known(image):
                        return ""  # lest it came back
                    copy_in(self.store, origin, trust=trust, rootless=self.rootless, single_id=self.single_id)
                except (StorageError, OSError) as error:
                    causes.append(str(error))
                else:
                    return origin.scope
                finally:
                    origin.close()
        if self._is_known(image):
            causes = causes or ["no registry is known to have it"]
            report.failed += [f"image {image}: {cause}" for cause in dict.fromkeys(causes)]
        return ""

    def _diff_ids(self, damage: Sequence[Damage]) -> Iterator[str]:
        """Give the layers to mend: those that are damaged, and those that images lack."""
        for key in [one.subject for one in damage if one.kind == LAYER]:
            row = self.store.connection.execute("SELECT diff_id FROM layer WHERE key = ?", (key,)).fetchone()
            if row is not None:
                yield row[0]

    def _layer(self, diff_id: str, report: Report) -> None:
        """Mend a layer and the copies that were made of it (storage/chain.py, storage/remap.py)."""
        query = "SELECT DISTINCT image FROM image_layer WHERE diff_id = ? ORDER BY image"
        images = [row[0] for row in self.store.connection.execute(query, (diff_id,))]
        busy = self.busy()  # each time: what is mended before takes as long as a registry does
        running = [busy[image] for image in images if image in busy]
        if running:
            report.failed.append(f"layer {_hex(diff_id)}: {running[0]} is running on it: stop it first")
            report.postponed.update(images)
        elif images:
            with self.store.publishing(), _aside(self.store, diff_id) as kept:
                how = self._from_itself(kept, diff_id) or self._from_origins(images, diff_id, report)
                if how and all(self._rows(image) for image in images):
                    report.mended.append(f"layer {_hex(diff_id)}: {how}")

    def _from_itself(self, kept: dict[str, tuple[object, ...]], diff_id: str) -> str:
        """Unpack a layer again from its own files, if their content is whole."""
        key = _hex(diff_id)
        path = next((path for path in kept if os.path.basename(path) == key), "")
        if not path or verify.content_damage(path, diff_id):
            return ""
        options = UnpackOptions(
            rootless=self.rootless,
            ignore_chown_errors=self.single_id,
            defer_links=True,
            keep=os.path.lexists(os.path.join(path, TAR)),
            inflated=True,
        )
        with self.store.staging() as staging:
            worker = fork_unpack(lambda: rebuild_tar(path), staging.path, options=options, expected_diff_id=diff_id)
            try:
                result = worker.result()
            except StorageError:
                return ""
            finally:
                worker.kill()
            layer = Layer(key, diff_id, result.size, result.entries, result.implied, result.pending_links)
            publish_layer(self.store, staging, layer)
        return "made again from its own files"

    def _from_origins(self, images: list[str], diff_id: str, report: Report) -> str:
        for image in images:
            found = self._fetch(image, report)
            if found and self._is_present(diff_id):
                return f"fetched from {found}"
        return ""


@contextmanager
def _aside(store: Store, diff_id: str) -> Iterator[dict[str, tuple[object, ...]]]:
    """Take a layer and its copies out of the store for the block, and put them back unless it was published anew.

    Yields their rows by the paths where their directories are meanwhile; what is not put back goes with the block.
    """
    with store.staging() as staging:
        rows = _take(store, staging, diff_id)
        try:
            yield rows
        finally:
            with database.transaction(store.connection) as connection:
                key = _hex(diff_id)
                if connection.execute("SELECT 1 FROM layer WHERE key = ?", (key,)).fetchone() is None:
                    for path, row in rows.items():
                        if os.path.isdir(path):
                            os.rename(path, store.layer_path(os.path.basename(path)))
                        connection.execute(f"INSERT INTO layer ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def _take(store: Store, staging: Staging, diff_id: str) -> dict[str, tuple[object, ...]]:
    """Move the directories of a layer into a staging directory, and their rows out of the table."""
    with database.transaction(store.connection) as connection:
        rows = connection.execute(f"SELECT {_COLUMNS} FROM layer WHERE diff_id = ?", (diff_id,)).fetchall()
        connection.execute("DELETE FROM layer WHERE diff_id = ?", (diff_id,))
        taken = {f"{staging.path}/{row[0]}": row for row in rows}
        for path, row in taken.items():
            try:
                os.rename(store.layer_path(row[0]), path)
            except FileNotFoundError:
                pass  # that is the damage
    return taken


def _drop_orphans(connection: Connection) -> None:
    """Delete the rows that refer to rows that are missing."""
    for table in {row[0] for row in connection.execute("PRAGMA foreign_key_check").fetchall()}:
        for key in connection.execute(f"PRAGMA foreign_key_list({table})").fetchall():
            parent, column, wanted = key[2:5]
            connection.execute(f"DELETE FROM {table} WHERE {column} NOT IN (SELECT {wanted} FROM {parent})")


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")
