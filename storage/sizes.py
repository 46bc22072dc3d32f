"""How large the layers of an image are, unpacked."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from storage.store import Store


def layer_sizes(store: Store, image_id: str) -> list[int]:
    """Return the size of the tar of each layer, from the bottom up."""
    query = "SELECT layer.size FROM image_layer JOIN layer ON key = image_layer.layer WHERE image = ? ORDER BY position"
    found = [row[0] for row in store.connection.execute(query, (image_id,))]
    if not found and store.additional:
        from storage import additional

        found = next(filter(None, (layer_sizes(other, image_id) for other in additional.stores(store))), [])
    return found


def sizes_of_images(store: Store) -> dict[str, dict[str, int]]:
    """Return, for each image, the keys of its layers and the size of the tar of each."""
    query = "SELECT image, layer.key, layer.size FROM image_layer JOIN layer ON key = image_layer.layer"
    found: dict[str, dict[str, int]] = {}
    for image, key, size in store.connection.execute(query):
        found.setdefault(image, {})[key] = size
    if store.additional:
        from storage import additional

        for other in additional.stores(store):
            found = sizes_of_images(other) | found
    return found
