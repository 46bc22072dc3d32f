"""The recipe of an image's root file system: the layers to stack. On the run path."""

from __future__ import annotations

from storage.errors import CorruptError
from storage.store import boot_id, is_opaque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from storage.images import Image
    from storage.store import Store


def lowers(store: Store, image: Image) -> list[str]:
    """List the image's layers, the top one first: directories as overlayfs wants them, or indexes (`Store.lower`).

    A layer that the machine may have lost by stopping (unpacked in an earlier boot, never synced) is verified first.
    """
    rows = store.connection.execute(
        "SELECT image_layer.layer, durable, boot_id FROM image_layer LEFT JOIN layer ON layer.key = image_layer.layer"
        " WHERE image = ? ORDER BY position DESC",
        (image.id,),
    ).fetchall()
    if not rows and store.additional:
        from storage import additional

        # Who only reads has adopted nothing.
        return next(filter(None, (lowers(other, image) for other in additional.stores(store))), [])
    suspect = []
    directories = []
    for key, durable, boot in rows:
        path = store.lower(key)
        if durable is None or not path:
            raise _damaged(image, f"layer {key} is missing")
        if not durable:
            suspect.append((key, boot))
        directories.append(path)
    if suspect:
        _verify(store, image, suspect)
    return _visible(directories)


def stack(store: Store, keys: Sequence[str]) -> list[str]:
    """List layers that are known to be whole as `lowers` does; `keys` is from the bottom up."""
    directories = [store.lower(key) for key in reversed(keys)]
    if "" in directories:
        missing = keys[len(keys) - 1 - directories.index("")]
        raise CorruptError(f"layer {missing} is missing", hint="pod system check --repair mends it, or pod pull")
    return _visible(directories)


def _visible(directories: list[str]) -> list[str]:
    """Leave out what adds nothing: what lies below a layer that hides everything, and all but the top one of the same.

    overlayfs ignores an opaque mark on a layer's root, and refuses a layer that it has already.
    """
    # All files and whiteouts of the lower copy are in the upper one, too, and hide what has their names further down.
    directories = list(dict.fromkeys(directories))
    for position, path in enumerate(directories[:-1]):
        if is_opaque(path):
            return directories[: position + 1]
    return directories


def _verify(store: Store, image: Image, suspect: list[tuple[str, str]]) -> None:
    current = boot_id()
    old = [key for key, boot in suspect if boot != current]
    if not old:
        return
    from storage.durability import confirm

    for key in old:
        if not confirm(store, key):
            raise _damaged(image, f"layer {key} was damaged when the machine stopped")


def _damaged(image: Image, what: str) -> CorruptError:
    name = image.names[0] if image.names else image.id
    return CorruptError(f"image {name}: {what}", hint="pod system check --repair mends it, or pod pull")
