"""What a text stands for that a user types for an image: a short name, a digest, the beginning of an ID.

Apart from images.py for those commands that know their image's ID.
"""

from __future__ import annotations

from storage import reference
from storage.errors import BadReferenceError, NoImageNameError, StorageError
from storage.images import not_known, repository

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sqlite3 import Connection

    from storage.store import Store

_HEX = frozenset("0123456789abcdef")
_ID_LENGTH = 64


def find(store: Store, text: str) -> tuple[str, str | None]:
    """Find an image's ID, and the full name by which the text meant it (None if by ID or digest).

    The text is no full name of an image in the store. One of a list of manifests means the list's image for this
    machine, as it does for podman (libimage's LookupImage). Raises ImageNotFoundError (NoImageNameError for what is
    neither a name nor an ID), or StorageError if several images are meant.
    """
    connection = store.connection
    if connection.execute("SELECT 1 FROM manifest_list LIMIT 1").fetchone() is not None:
        from storage import lists

        listed = lists.find_name(store, text)
        if listed is not None:
            image, name = lists.instance(store, lists.load(connection, listed[0]))
            return image, listed[1] or name
    unknown = not_known(text)
    try:
        wanted = reference.parse(text)
    except BadReferenceError as error:
        wanted = None
        if not _as_id(text):
            unknown = NoImageNameError(str(error))
    if wanted is not None and wanted.digest is not None:
        found = _by_digest(connection, wanted, short=not reference.has_domain(text))
    else:
        found = _by_name(store, text, wanted) if wanted is not None else None
        found = found or _by_id(connection, text)
        if found is None and wanted is not None and not reference.has_domain(text):
            found = _first_of(connection, _likely(store, text))
    if found is None:
        raise unknown
    return found


def _by_name(store: Store, text: str, wanted: reference.Reference) -> tuple[str, str | None] | None:
    connection = store.connection
    tagged = text if wanted.tag is not None else f"{text}:{reference.LATEST}"
    full = str(wanted.with_tag(wanted.tag or reference.LATEST))
    if reference.has_domain(text):
        return _first_of(connection, [full])
    # No LIKE: its wildcards are legal in names.
    rows = connection.execute(
        "SELECT image, name FROM name WHERE substr(name, -length(?1)) = ?1 ORDER BY name", (f"/{tagged}",)
    ).fetchall()
    if len(rows) < 2:
        return rows[0] if rows else None
    found = _first_of(connection, [*_likely(store, text), f"localhost/{tagged}", full])
    if found is None and len({row[0] for row in rows}) > 1:
        raise StorageError(f"short name {text} is ambiguous: it may stand for {', '.join(row[1] for row in rows)}")
    return found or rows[0]


def _likely(store: Store, text: str) -> list[str]:
    """Ask the configuration, which an image that is there by this name and no other does without."""
    return list(store.short_names(text)) if store.short_names is not None else []


def _first_of(connection: Connection, names: list[str]) -> tuple[str, str | None] | None:
    for name in names:
        row = connection.execute("SELECT image FROM name WHERE name = ?", (name,)).fetchone()
        if row is not None:
            return row[0], name
    return None


def _by_digest(connection: Connection, wanted: reference.Reference, *, short: bool) -> tuple[str, str | None] | None:
    """Find repo@digest: by the name it was pulled under, else by any image of that repository with that digest."""
    exact = f"{wanted.name}@{wanted.digest}"
    row = connection.execute("SELECT image FROM name WHERE name = ?", (exact,)).fetchone()
    if row is not None:
        return row[0], exact
    rows = connection.execute(
        "SELECT image, name FROM name JOIN image_digest USING (image) WHERE digest = ?", (wanted.digest,)
    ).fetchall()
    tail = "/" + wanted.path.removeprefix("library/")
    for image, name in rows:
        if repository(name) == wanted.name or (short and repository(name).endswith(tail)):
            return image, None
    return None


def _as_id(text: str) -> str:
    """Return the hexadecimal digits of what may be an ID or its beginning; else nothing."""
    prefix = text.removeprefix("sha256:")
    return prefix if len(prefix) <= _ID_LENGTH and _HEX.issuperset(prefix) else ""


def _by_id(connection: Connection, text: str) -> tuple[str, str | None] | None:
    prefix = _as_id(text)
    if not prefix:
        return None
    query = "SELECT id FROM image WHERE id >= ?1 AND id < ?1 || 'g' ORDER BY id LIMIT 2"
    rows = [row[0] for row in connection.execute(query, (prefix,))]
    if len(rows) > 1:
        raise StorageError(f"image ID {text} is ambiguous: it may stand for {rows[0]} or {rows[1]}")
    if rows:
        return rows[0], None
    row = connection.execute("SELECT image FROM image_digest WHERE digest = ?", (f"sha256:{prefix}",)).fetchone()
    return (row[0], None) if row is not None else None
