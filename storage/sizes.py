"""How large the layers of an image are, unpacked."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from storage.store import Store


def layer_sizes(store: Store, image_id: str) -> list[int]:
    """Return the size of the tar of each layer, from the bottom up."""
    query = "SELECT layer.size FROM image_layer JOIN layer ON key = image_layer.layer WHERE image = ? ORDER BY position"
    return [row[0] for row in store.connection.execute(query, (image_id,))]
