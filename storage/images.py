"""Images: what is known of them, and how they come and go; finding.py has how a text that a user types finds one.

An image's ID is the digest of its config. Names are full references. On the run path; SQL does the work.
"""

from __future__ import annotations

from storage import database
from storage.errors import ImageInUseError, ImageNotFoundError, StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from sqlite3 import Connection

    from storage.store import Store

    Row = tuple[str, str, str, bytes, bytes, int, float, str, str]

# The images that lists with a name have: their source is `image:` and the ID (lists.py).
_LISTED = (
    "SELECT substr(source, 7) FROM manifest_list_member JOIN manifest_list_name USING (list)"
    " WHERE substr(source, 1, 6) = 'image:'"
)
_COLUMNS = "id, digest, media_type, manifest, config, size, created, architecture, os"


class Image:
    """An image of the store: its documents as they were pulled, its names, its layers from the bottom up."""

    __slots__ = (
        "architecture",
        "config",
        "created",
        "digest",
        "digests",
        "id",
        "layers",
        "manifest",
        "media_type",
        "names",
        "os",
        "readonly",
        "size",
    )

    def __init__(self, row: Row, names: Iterable[str], digests: Iterable[str], layers: Iterable[str]) -> None:
        self.id, self.digest, self.media_type, self.manifest, self.config = row[:5]
        self.size, self.created, self.architecture, self.os = row[5:]
        self.names = tuple(names)
        self.digests = tuple(digests)  # of the manifest, and of the index that led to it
        self.layers = tuple(layers)  # diffIDs
        self.readonly = False  # in a further store, which is only read

    @property
    def repo_digests(self) -> tuple[str, ...]:
        """Every repository that the image has a name in, with every digest it is known by."""
        repositories = {repository(name) for name in self.names}
        return tuple(sorted(f"{name}@{digest}" for name in repositories for digest in self.digests))


class Removed:
    """What a removal did: names that were taken away, the ID of the image if it went too, and bytes, if measured."""

    __slots__ = ("deleted", "freed", "untagged")

    def __init__(self, untagged: tuple[str, ...], deleted: str | None, freed: int = 0) -> None:
        self.untagged = untagged
        self.deleted = deleted
        self.freed = freed


def resolve(store: Store, text: str) -> Image:
    """Find the image that a name, short name, digest, ID or unambiguous beginning of an ID stands for."""
    return load(store, find(store, text)[0])


def find(store: Store, text: str) -> tuple[str, str | None]:
    """Find an image's ID, and the full name by which the text meant it (None if by ID or digest)."""
    try:
        row = store.connection.execute("SELECT image FROM name WHERE name = ?", (text,)).fetchone()
        if row is not None:
            return row[0], text
        from storage import finding

        try:
            return finding.find(store, text)
        except ImageNotFoundError:
            if not store.additional:
                raise
            from storage import additional

            return additional.find(store, text)
    except database.Error as error:
        raise database.translated(error, "read database") from error


def load(store: Store, image_id: str) -> Image:
    """Read an image by its full ID."""
    connection = store.connection
    row = connection.execute(f"SELECT {_COLUMNS} FROM image WHERE id = ?", (image_id,)).fetchone()
    if row is None and store.additional:
        from storage import additional

        return additional.load(store, image_id)
    if row is None:
        raise not_known(image_id)
    names = _column(connection, "SELECT name FROM name WHERE image = ? ORDER BY name", image_id)
    if not names and store.additional:
        from storage import additional

        names = additional.names(store, image_id)
    return Image(
        row,
        names,
        _column(connection, "SELECT digest FROM image_digest WHERE image = ? ORDER BY digest", image_id),
        _column(connection, "SELECT diff_id FROM image_layer WHERE image = ? ORDER BY position", image_id),
    )


def layers(store: Store, image_id: str) -> list[tuple[str, str, int]]:
    """Return diffID, key and size of the tar of each layer of an image, from the bottom up."""
    query = (
        "SELECT image_layer.diff_id, layer.key, layer.size FROM image_layer JOIN layer ON key = image_layer.layer"
        " WHERE image = ? ORDER BY position"
    )
    return store.connection.execute(query, (image_id,)).fetchall()


def list_images(store: Store) -> list[Image]:
    """Read all images, the newest first."""
    connection = store.connection
    names = _grouped(connection, "SELECT image, name FROM name ORDER BY name")
    digests = _grouped(connection, "SELECT image, digest FROM image_digest ORDER BY digest")
    layers = _grouped(connection, "SELECT image, diff_id FROM image_layer ORDER BY image, position")
    rows = connection.execute(f"SELECT {_COLUMNS} FROM image ORDER BY created DESC, id").fetchall()
    found = [Image(row, names.get(row[0], ()), digests.get(row[0], ()), layers.get(row[0], ())) for row in rows]
    if store.additional:
        from storage import additional

        return additional.listed(store, found)
    return found


def of_layers(store: Store, diff_ids: tuple[str, ...]) -> list[Image]:
    """Read the images that consist of just these layers, given from the bottom up."""
    if store.additional:
        return [one for one in list_images(store) if one.layers == diff_ids]
    query = "SELECT id FROM image WHERE id NOT IN (SELECT image FROM image_layer)"
    if diff_ids:
        query = "SELECT image FROM image_layer WHERE diff_id = ?"
    found = []
    for image_id in dict.fromkeys(_column(store.connection, query, *diff_ids[-1:])):
        try:
            found.append(load(store, image_id))
        except ImageNotFoundError:
            continue  # somebody has removed it meanwhile
    return [one for one in found if one.layers == diff_ids]


def tag(store: Store, image_id: str, name: str) -> None:
    """Give an image a further name, which moves if another image has it; `name` is normalized as `pod tag` does."""
    full = tag_name(name)
    with database.transaction(store.connection) as connection:
        if connection.execute("SELECT 1 FROM image WHERE id = ?", (image_id,)).fetchone() is None:
            raise not_known(image_id)
        connection.execute("INSERT OR REPLACE INTO name VALUES (?, ?)", (full, image_id))


def tag_name(name: str) -> str:
    """Complete a name that a user gives to an image: localhost where no registry is named; digests are refused."""
    from storage import reference

    full = reference.normalize(name, default_domain="localhost")
    if full.digest is not None:
        raise StorageError(f"tag by digest not supported: {name}")
    return str(full)


def untag(store: Store, image_id: str, names: Iterable[str] = ()) -> tuple[str, ...]:
    """Take these full names (without any: all) from an image, which stays; tell which were taken."""
    with database.transaction(store.connection) as connection:
        present = _column(connection, "SELECT name FROM name WHERE image = ? ORDER BY name", image_id)
        taken = tuple(names) or tuple(present)
        for name in taken:
            if name not in present:
                raise ImageNotFoundError(f"{name}: tag not known")
            connection.execute("DELETE FROM name WHERE name = ?", (name,))
    return taken


def pin(connection: Connection, image_id: str, owner: str) -> None:
    """Keep an image for an owner (a container's ID); the caller is in the transaction that creates the owner."""
    try:
        connection.execute("INSERT OR IGNORE INTO pin VALUES (?, ?)", (owner, image_id))
    except database.IntegrityError as error:
        raise not_known(image_id) from error


def unpin(connection: Connection, owner: str) -> None:
    """Let go of what an owner kept."""
    connection.execute("DELETE FROM pin WHERE owner = ?", (owner,))


def pins(store: Store, image_id: str) -> list[str]:
    """Tell who keeps an image."""
    return _column(store.connection, "SELECT owner FROM pin WHERE image = ? ORDER BY owner", image_id)


def owners(store: Store, prefix: str) -> list[str]:
    """Return the owners whose names begin so, and go on with ASCII."""
    return _column(store.connection, "SELECT DISTINCT owner FROM pin WHERE owner >= ?1 AND owner < ?1 || x'7f'", prefix)


def ids(store: Store) -> set[str]:
    """Return the IDs of all images."""
    return set(_column(store.connection, "SELECT id FROM image"))


def with_layer(store: Store, key: str) -> list[str]:
    """Return the IDs of the images that have a layer, or the one that it is a copy of."""
    return _column(store.connection, "SELECT image FROM image_layer WHERE layer = ?", key.partition(".")[0])


def all_pins(store: Store) -> list[tuple[str, str]]:
    """Tell who keeps which image."""
    return store.connection.execute("SELECT owner, image FROM pin ORDER BY owner, image").fetchall()


def remove(
    store: Store, image_id: str, *, name: str | None = None, force: bool = False, measure: bool = False
) -> Removed:
    """Take one name from an image, or delete it with its names if that was the last (podman's rules).

    `name` is what `find` gave: None if the user meant the image by its ID, which needs `force` if it has several names.
    An image that is pinned raises ImageInUseError, with force too: who may remove the owners does it before.
    One that is in a store that is only read raises ReadOnlyImageError.
    """
    if store.additional:
        from storage import additional

        additional.check_removable(store, image_id, name)
    with database.transaction(store.connection) as connection:
        if connection.execute("SELECT 1 FROM image WHERE id = ?", (image_id,)).fetchone() is None:
            raise not_known(image_id)
        names = _column(connection, "SELECT name FROM name WHERE image = ? ORDER BY name", image_id)
        if name is not None and len(names) > 1:
            connection.execute("DELETE FROM name WHERE name = ? AND image = ?", (name, image_id))
            return Removed((name,), None)
        if name is None and len(names) > 1 and not force:
            raise ImageInUseError(
                f"unable to delete image {image_id} by ID with more than one tag ({' '.join(names)}): "
                "please force removal"
            )
        owners = _column(connection, "SELECT owner FROM pin WHERE image = ? ORDER BY owner", image_id)
        if owners:
            raise ImageInUseError(f"image used by {owners[0]}: image is in use by a container")
        layers = _column(connection, "SELECT layer FROM image_layer WHERE image = ?", image_id)
        connection.execute("DELETE FROM image WHERE id = ?", (image_id,))
        drop_unreferenced(connection, layers)
    return Removed(tuple(names), image_id, _release(store, layers, measure=measure))


def prune(store: Store, *, all: bool = False, keep: Iterable[str] = ()) -> list[Removed]:
    """Delete the images without a name (with `all`: those that nobody uses), but for the IDs in `keep`; measured.

    A list that has a name is one for its images as well. On a full disk it takes the reserve, image by image: what went
    before is told of.
    """
    from functools import partial

    from storage import reserve

    condition = "" if all else f"AND id NOT IN (SELECT image FROM name) AND id NOT IN ({_LISTED})"
    candidates = _column(
        store.connection, f"SELECT id FROM image WHERE id NOT IN (SELECT image FROM pin) {condition} ORDER BY created"
    )
    kept = set(keep)
    if store.additional:
        from storage import additional

        kept.update(additional.adopted(store))
    removed = []
    for image_id in candidates:
        if image_id not in kept:
            try:
                removed.append(reserve.removing(store, partial(remove, store, image_id, force=True, measure=True)))
            except (ImageInUseError, ImageNotFoundError):
                pass  # Somebody began to use it, or removed it, since the list was made.
    return removed


def drop_unreferenced(connection: Connection, keys: Iterable[str]) -> None:
    """Delete the rows of those of these layers that no image or build step has any more, and of their copies."""
    kept = "SELECT 1 FROM image_layer WHERE layer = ?1 UNION ALL SELECT 1 FROM build_step WHERE layer = ?1"
    for key in set(keys):
        if connection.execute(kept, (key,)).fetchone() is not None:
            continue
        # The keys of copies are this one, a dot, and more; the slash follows the dot.
        rows = connection.execute(
            "DELETE FROM layer WHERE key >= ?1 AND key < ?1 || '/' RETURNING diff_id", (key,)
        ).fetchall()
        for row in rows:
            connection.execute(
                "DELETE FROM layer_blob WHERE diff_id = ?1 AND ?1 NOT IN (SELECT diff_id FROM layer)", row
            )


def repository(name: str) -> str:
    """Cut tag and digest from a full name."""
    name = name.partition("@")[0]
    colon = name.rfind(":")
    return name[:colon] if colon > name.rfind("/") else name


def not_known(text: str) -> ImageNotFoundError:
    """Make the error for an image that is not in the store, in podman's words."""
    return ImageNotFoundError(f"{text}: image not known")


def _release(store: Store, keys: Iterable[str], *, measure: bool) -> int:
    from storage import gc, reserve

    # By itself: a removal that is done again finds no image.
    freed = reserve.removing(store, lambda: gc.release_layers(store, keys, measure=measure))
    gc.empty_trash(store)
    return freed


def _column(connection: Connection, query: str, *values: str) -> list[str]:
    return [row[0] for row in connection.execute(query, values)]


def _grouped(connection: Connection, query: str) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for key, value in connection.execute(query):
        groups.setdefault(key, []).append(value)
    return groups
