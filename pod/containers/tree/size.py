"""How many bytes a container has written over its image."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.config import Config


def written_by(config: Config, container_id: str) -> int:
    """Return the bytes that a container has written over its image."""
    from storage.measuring import size_of

    return size_of([f"{config.container_dir(container_id)}/upper"])
