"""The files that tell what a build came to: --iidfile, --iidfile-raw, --metadata-file.

Source: buildah-build(1); Docker's buildx_build.md, which documents the keys of the metadata.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pod.errors import PodError
from storage.documents import digest_of
from storage.images import tag_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pod.build.platforms import Made
    from storage.images import Image


class ResultFiles:
    """Which files are asked for; empty for none."""

    def __init__(self) -> None:
        self.identity = ""
        self.raw_identity = ""
        self.metadata = ""

    def check(self, platforms: int) -> None:
        """Say before anything is built that a file has no room for what several builds come to. Raises PodError."""
        if platforms > 1 and self.metadata:
            raise PodError(
                f'building multiple images, but metadata file "{self.metadata}" can only be used to store information'
                " about one image",
                hint="pod manifest inspect tells of the list",
            )

    def write(self, made: Made, names: Sequence[str]) -> None:
        """Write them, for an image of these names. Raises PodError."""
        _write(self.identity, f"sha256:{made.id}", "image ID")
        _write(self.raw_identity, made.id, "image ID")
        _write(self.metadata, json.dumps(metadata(made.images[0], names)), "image metadata")


def metadata(image: Image, names: Sequence[str]) -> dict[str, Any]:
    """Return what --metadata-file holds of an image that was given these names."""
    raw = image.manifest
    told: dict[str, Any] = {
        "containerimage.config.digest": f"sha256:{image.id}",
        "containerimage.descriptor": {"mediaType": image.media_type, "digest": digest_of(raw), "size": len(raw)},
        "containerimage.digest": digest_of(raw),
    }
    return {**told, "image.name": ",".join(map(tag_name, names))} if names else told


def _write(path: str, text: str, what: str) -> None:
    if not path:
        return
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise PodError(f'failed to write {what} to file "{path}": open {path}: {reason}') from error
