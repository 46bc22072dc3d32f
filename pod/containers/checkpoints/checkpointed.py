"""Where a container's saved images are, and what tells when they were made or used; apart from how, for `inspect`."""

from __future__ import annotations

from runtime import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.config import Config

IMAGES, PREVIOUS, RECORD = "checkpoint", "pre-checkpoint", "checkpointed"


def images_path(config: Config, container_id: str) -> str:
    """Return where the images of a container are."""
    return f"{config.container_dir(container_id)}/{IMAGES}"


def record_of(config: Config, container_id: str) -> dict[str, float]:
    """Return when the container was saved (`checkpointed`) or restored (`restored`) in its present life, if it was."""
    try:
        with open(f"{config.container_dir(container_id)}/{RECORD}", encoding="ascii") as file:
            found: dict[str, float] = jsontext.loads(file.read())
            return found
    except (FileNotFoundError, ValueError):
        return {}
