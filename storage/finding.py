"""What a text stands for that a user types for an image: a short name, a digest, the beginning of an ID.

Apart from images.py for those commands that know their image's ID.
"""

from __future__ import annotations

from storage import reference
from storage.errors import BadReferenceError, StorageError
from storage.images import not_known, repository

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sqlite3 import Connection

_HEX = frozenset("0123456789abcdef")
_ID_LENGTH = 64


def find(connection: Connection, text: str) -> tuple[str, str | None]:
    """Find an image's ID, and the full name by which the text meant it (None if by ID or digest).

    The text is no full name in the store. Raises ImageNotFoundError, or StorageError if several images are meant.
    """
    try:
        wanted = reference.parse(text)
    except BadReferenceError:
        wanted = None
    if wanted is not None and wanted.digest is not None:
        found = _by_digest(connection, wanted, short=not reference.has_domain(text))
    else:
        found = _by_name(connection, text, wanted) if wanted is not None else None
        found = found or _by_id(connection, text)
    if found is None:
        raise not_known(text)
    return found


def _by_name(connection: Connection, text: str, wanted: reference.Reference) -> tuple[str, str | None] | None:
    tagged = text if wanted.tag is not None else f"{text}:{reference.LATEST}"
    if reference.has_domain(text):
        candidates = [str(wanted.with_tag(wanted.tag or reference.LATEST))]
    else:
        candidates = [f"localhost/{tagged}", str(wanted.with_tag(wanted.tag or reference.LATEST))]
    for name in candidates:
        row = connection.execute("SELECT image FROM name WHERE name = ?", (name,)).fetchone()
        if row is not None:
            return row[0], name
    if reference.has_domain(text):
        return None
    # No LIKE: its wildcards are legal in names.
    rows = connection.execute(
        "SELECT image, name FROM name WHERE substr(name, -length(?1)) = ?1 ORDER BY name", (f"/{tagged}",)
    ).fetchall()
    if len({row[0] for row in rows}) > 1:
        raise StorageError(f"short name {text} is ambiguous: it may stand for {', '.join(row[1] for row in rows)}")
    return rows[0] if rows else None


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


def _by_id(connection: Connection, text: str) -> tuple[str, str | None] | None:
    prefix = text.removeprefix("sha256:")
    if not prefix or len(prefix) > _ID_LENGTH or not _HEX.issuperset(prefix):
        return None
    query = "SELECT id FROM image WHERE id >= ?1 AND id < ?1 || 'g' ORDER BY id LIMIT 2"
    rows = [row[0] for row in connection.execute(query, (prefix,))]
    if len(rows) > 1:
        raise StorageError(f"image ID {text} is ambiguous: it may stand for {rows[0]} or {rows[1]}")
    if rows:
        return rows[0], None
    row = connection.execute("SELECT image FROM image_digest WHERE digest = ?", (f"sha256:{prefix}",)).fetchone()
    return (row[0], None) if row is not None else None
