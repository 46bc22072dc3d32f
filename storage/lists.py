"""Lists of manifests (OCI indexes, docker's manifest lists) that users make: kept in the database, members by digest.

A list has an ID of its own and names like an image; a name is either's. Where a member comes from is kept beside its
descriptor: `image:` and an ID of the store, or a text that names a transport.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from storage import database, documents, images, platform
from storage.errors import BadReferenceError, ImageInUseError, ImageNotFoundError, ReadOnlyImageError, StorageError
from storage.manifests import dump
from storage.reference import normalize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from sqlite3 import Connection

    from storage.store import Store

LOCAL = "image:"


@dataclass(frozen=True)
class ManifestList:
    """A list: its document, its names, and where its members come from by digest."""

    id: str
    document: dict[str, Any]
    created: float
    names: tuple[str, ...]
    sources: dict[str, str]

    @property
    def raw(self) -> bytes:
        """The document's bytes."""
        return dump(self.document)

    @property
    def digest(self) -> str:
        """The digest of these."""
        return documents.digest_of(self.raw)

    @property
    def members(self) -> list[dict[str, Any]]:
        """The descriptors of the members, in order."""
        members: list[dict[str, Any]] = self.document["manifests"]
        return members


class NotListError(StorageError):
    """The name or ID is that of an image."""


def create(store: Store, name: str, *, amend: bool = False) -> str:
    """Make an empty list of this name (localhost, where it names no registry); with `amend` take the one there is.

    Returns its ID. Raises StorageError if something has the name already.
    """
    full = images.tag_name(name)
    with database.transaction(store.connection) as connection:
        for table, column in (("manifest_list_name", "list"), ("name", "image")):
            row = connection.execute(f"SELECT {column} FROM {table} WHERE name = ?", (full,)).fetchone()
            if row is None:
                continue
            if amend and column == "list":
                return str(row[0])
            raise StorageError(
                f'creating image to hold manifest list: image name "{full}" is already associated with image '
                f'"{row[0]}": that name is already in use'
            )
        new = _insert(connection)
        connection.execute("INSERT INTO manifest_list_name VALUES (?, ?)", (full, new))
    return new


def find(store: Store, text: str) -> ManifestList:
    """Find a list by its name or the beginning of its ID, be it in a further store.

    Raises NotListError for what is an image, ImageNotFoundError for what is nothing.
    """
    found = known(store, text)
    if found is None:
        raise _no_list(store, text)
    return found[0]


def meant(store: Store, text: str) -> tuple[str, str | None]:
    """Find as `changeable`, with the errors of `find`."""
    found = changeable(store, text)
    if found is None:
        raise _no_list(store, text)
    return found


def known(store: Store, text: str) -> tuple[ManifestList, str | None] | None:
    """Find a list, be it in a further store, and the full name by which the text meant it; None if no list is meant."""
    found = find_name(store, text)
    return _further(store, text) if found is None else (load(store.connection, found[0]), found[1])


def changeable(store: Store, text: str) -> tuple[str, str | None] | None:
    """Find as `find_name`, for who changes or removes; raises ReadOnlyImageError for a list of a further store."""
    found = find_name(store, text)
    further = _further(store, text) if found is None else None
    if further is not None:
        raise _read_only(further[0].id)
    return found


def _further(store: Store, text: str) -> tuple[ManifestList, str | None] | None:
    """Find a list that a further store has, where this one has none; None if an image of this one, or no list."""
    if not store.additional:
        return None
    from storage import additional

    return additional.find_list(store, text)


def _no_list(store: Store, text: str) -> NotListError:
    """Tell of the image that a text means. Raises ImageNotFoundError if there is none."""
    image_id, name = images.find(store, text)
    return NotListError(f"{name or image_id}: image is not a manifest list")


def _read_only(list_id: str) -> ReadOnlyImageError:
    return ReadOnlyImageError(f'cannot change or remove read-only manifest list "{list_id}"')


def _check_own(store: Store, list_id: str) -> None:
    if store.connection.execute("SELECT 1 FROM manifest_list WHERE id = ?", (list_id,)).fetchone() is None:
        raise _read_only(list_id)


def find_id(store: Store, text: str) -> str | None:
    """Find the ID of a list by its name or the beginning of its ID; None if no list is meant."""
    found = find_name(store, text)
    return found[0] if found is not None else None


def find_name(store: Store, text: str) -> tuple[str, str | None] | None:
    """Find the ID of a list, and the full name by which the text meant it (None if by ID); None if no list is meant."""
    connection = store.connection
    for name in _names(text):
        row = connection.execute("SELECT list FROM manifest_list_name WHERE name = ?", (name,)).fetchone()
        if row is not None:
            return str(row[0]), name
    beginning = text.removeprefix("sha256:")
    if len(beginning) < 4 or beginning.strip("0123456789abcdef"):
        return None
    query = "SELECT id FROM manifest_list WHERE id >= ?1 AND id < ?1 || 'g' LIMIT 2"
    rows = connection.execute(query, (beginning,)).fetchall()
    return (str(rows[0][0]), None) if len(rows) == 1 else None


def instance(store: Store, found: ManifestList, wanted: platform.Platform | None = None) -> tuple[str, str | None]:
    """Find the image that a list has for a platform, by default this machine's; return its ID and a name of the list.

    Raises ImageNotFoundError, with podman's words, if the list has none or the store does not have it.
    """
    index = documents.parse_manifest(found.raw)
    assert isinstance(index, documents.Index)
    try:
        digest = platform.choose(index, wanted or platform.host()).digest
    except ImageNotFoundError as error:
        raise ImageNotFoundError(f"{error}: image not known", hint=error.hint) from error
    name = found.names[0] if found.names else None
    try:
        return images.find(store, digest)[0], name
    except ImageNotFoundError as error:
        raise ImageNotFoundError(
            f"could not find image instance {digest} of manifest list {name or found.id} in local containers storage: "
            "image not known",
            hint="pull the image by its own name first",
        ) from error


def load(connection: Connection, list_id: str) -> ManifestList:
    """Read a list by its full ID."""
    row = connection.execute("SELECT document, created FROM manifest_list WHERE id = ?", (list_id,)).fetchone()
    if row is None:
        raise ImageNotFoundError(f"{list_id}: image not known")
    names = connection.execute("SELECT name FROM manifest_list_name WHERE list = ? ORDER BY name", (list_id,))
    found = tuple(str(one[0]) for one in names)
    sources = connection.execute("SELECT digest, source FROM manifest_list_member WHERE list = ?", (list_id,))
    return ManifestList(list_id, json.loads(row[0]), row[1], found, dict(sources.fetchall()))


def every(store: Store) -> list[ManifestList]:
    """Read all lists, the newest first."""
    rows = store.connection.execute("SELECT id FROM manifest_list ORDER BY created DESC, id").fetchall()
    return [load(store.connection, row[0]) for row in rows]


def as_images(store: Store) -> list[images.Image]:
    """Give the lists as what commands on many images tell of them: names, and the size of their document.

    Those of further stores are among them.
    """
    found = []
    for one in every(store):
        raw, digest = one.raw, one.digest
        row = (one.id, digest, one.document["mediaType"], raw, b"{}", len(raw), one.created, "", "")
        found.append(images.Image(row, one.names, [digest], []))
    if store.additional:
        from storage import additional

        for other in additional.stores(store):
            for foreign in as_images(other):
                foreign.readonly = True
                found.append(foreign)
    return found


def change(store: Store, list_id: str, action: Callable[[ManifestList], None]) -> ManifestList:
    """Change a list's document and sources in one transaction; `action` does it, and may raise.

    Raises ReadOnlyImageError for a list of a further store.
    """
    if store.additional:
        _check_own(store, list_id)
    with database.transaction(store.connection) as connection:
        return _change(connection, list_id, action)


def gather(store: Store, members: Iterable[tuple[dict[str, Any], str]], names: Iterable[str], into: str = "") -> str:
    """Add members, each with its source, to a list; it takes these full names from who has them.

    It is the one that `into` names or is the ID of, else a new one, which gets that name. All in one transaction.
    Returns the list's ID. Raises NotListError for the name of an image.
    """

    def action(found: ManifestList) -> None:
        for one, source in members:
            put(found, one, source)

    with database.transaction(store.connection) as connection:
        found = find_name(store, into) if into else None
        given = [images.tag_name(into)] if into and found is None else []
        for name in given:
            if connection.execute("SELECT 1 FROM name WHERE name = ?", (name,)).fetchone() is not None:
                raise NotListError(f"{name}: image is not a manifest list")
        list_id = found[0] if found is not None else _insert(connection)
        _change(connection, list_id, action)
        for name in (*given, *names):
            connection.execute("DELETE FROM name WHERE name = ?", (name,))
            connection.execute("INSERT OR REPLACE INTO manifest_list_name VALUES (?, ?)", (name, list_id))
    return list_id


def _insert(connection: Connection) -> str:
    document = {"schemaVersion": 2, "mediaType": documents.OCI_INDEX, "manifests": []}
    new = os.urandom(32).hex()
    connection.execute("INSERT INTO manifest_list VALUES (?, ?, ?)", (new, dump(document), time.time()))
    return new


def _change(connection: Connection, list_id: str, action: Callable[[ManifestList], None]) -> ManifestList:
    found = load(connection, list_id)
    action(found)
    connection.execute("UPDATE manifest_list SET document = ? WHERE id = ?", (found.raw, list_id))
    connection.execute("DELETE FROM manifest_list_member WHERE list = ?", (list_id,))
    present = {one["digest"] for one in found.members}
    rows = [(list_id, digest, source) for digest, source in found.sources.items() if digest in present]
    connection.executemany("INSERT INTO manifest_list_member VALUES (?, ?, ?)", rows)
    return found


def put(found: ManifestList, member: dict[str, Any], source: str) -> None:
    """Add a member to a list that is being changed, or replace the one of the same digest."""
    kept = [one for one in found.members if one["digest"] != member["digest"]]
    found.document["manifests"] = [*kept, member]
    found.sources[member["digest"]] = source


def member(found: ManifestList, digest: str) -> dict[str, Any]:
    """Find a member by its digest."""
    for one in found.members:
        if one["digest"] == digest:
            return one
    raise StorageError(f'no image instance matching digest "{digest}" was found in the list or index')


def remove(store: Store, list_id: str, *, name: str | None = None, force: bool = False) -> images.Removed:
    """Take one name from a list, or delete it with its names if that was the last; the images that it names stay.

    The rules are those of `images.remove`: `name` is None if the user meant the list by its ID.
    """
    if store.additional:
        _check_own(store, list_id)
    with database.transaction(store.connection) as connection:
        found = load(connection, list_id)
        if len(found.names) > 1 and not force:
            if name is None:
                raise ImageInUseError(
                    f"unable to delete image {list_id} by ID with more than one tag ({' '.join(found.names)}): "
                    "please force removal"
                )
            return images.Removed(_drop(connection, found, (name,)), None)
        connection.execute("DELETE FROM manifest_list WHERE id = ?", (list_id,))
    return images.Removed(found.names, list_id)


def untag(store: Store, list_id: str, names: Iterable[str] = ()) -> tuple[str, ...]:
    """Take these full names (without any: all) from a list, which stays; tell which were taken."""
    with database.transaction(store.connection) as connection:
        found = load(connection, list_id)
        return _drop(connection, found, tuple(names) or found.names)


def _drop(connection: Connection, found: ManifestList, names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name not in found.names:
            raise ImageNotFoundError(f"{name}: tag not known")
        connection.execute("DELETE FROM manifest_list_name WHERE name = ?", (name,))
    return names


def prune(store: Store, *, all: bool = False, keep: Iterable[str] = ()) -> list[images.Removed]:
    """Delete the lists without a name (with `all`: every one, for no container has a list), but for those in `keep`."""
    removed = []
    with database.transaction(store.connection) as connection:
        for found in every(store):
            if (all or not found.names) and found.id not in keep:
                connection.execute("DELETE FROM manifest_list WHERE id = ?", (found.id,))
                removed.append(images.Removed(found.names, found.id))
    return removed


def tag(store: Store, list_id: str, name: str) -> None:
    """Give a list a further name, which an image may lose by that."""
    full = images.tag_name(name)
    with database.transaction(store.connection) as connection:
        load(connection, list_id)
        connection.execute("DELETE FROM name WHERE name = ?", (full,))
        connection.execute("INSERT OR REPLACE INTO manifest_list_name VALUES (?, ?)", (full, list_id))


def _names(text: str) -> list[str]:
    """Give the full names that a text may mean, the likeliest first."""
    names = [text]
    for domain in ("localhost", "docker.io"):
        try:
            full = str(normalize(text, default_domain=domain))
        except BadReferenceError:
            return []
        if full not in names:
            names.append(full)
    return names
