"""How an image is called that a stage stands on. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storage.images import Image


def full_name(image: Image, name: str) -> str:
    """Return the image's full name that a name stands for; empty if it was named by its ID or in another way."""
    for one in sorted(image.names):
        if f"/{one}".endswith((f"/{name}", f"/{name}:latest")):
            return one
    return ""
