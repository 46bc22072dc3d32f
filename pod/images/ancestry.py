"""Which images of the store others were made of. Nothing records it: their layers and their histories tell."""

from __future__ import annotations

from runtime import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from storage.images import Image


class Ancestry:
    """Relates images to those of a store, of which `of_layers` gives the ones that have just these layers."""

    def __init__(self, of_layers: Callable[[tuple[str, ...]], Iterable[Image]]) -> None:
        self._of_layers = of_layers
        self._histories: dict[str, list[dict[str, Any]]] = {}

    @classmethod
    def among(cls, images: Iterable[Image]) -> Ancestry:
        """Relate images to these, which are in memory already."""
        by_layers: dict[tuple[str, ...], list[Image]] = {}
        for image in images:
            by_layers.setdefault(image.layers, []).append(image)
        return cls(lambda layers: by_layers.get(layers, ()))

    def parent(self, image: Image) -> str:
        """Return the ID of the image that this one is one step and at most one layer above; "" if it is not there."""
        layers = image.layers
        # What has no layer is below nothing that has some, as for podman.
        for near in (layers, layers[:-1]) if layers[1:] else (layers,):
            for one, steps in self._below(image, near):
                if steps == len(self._history(image)) - 1:
                    return one.id
        return ""

    def ancestors(self, image: Image) -> dict[int, Image]:
        """Return the images that this one begins as, by how many steps of its history they have."""
        layers = image.layers
        found: dict[int, Image] = {}
        for count in range(1 if layers else 0, len(layers) + 1):
            for one, steps in self._below(image, layers[:count]):
                found.setdefault(steps, one)
        return found

    def _below(self, image: Image, layers: tuple[str, ...]) -> Iterator[tuple[Image, int]]:
        """Yield the images of just these layers whose history is the beginning of an image's, and its length."""
        for one in self._of_layers(layers):
            if one.id != image.id:
                history, whole = self._history(one), self._history(image)
                if len(history) < len(whole) and history == whole[: len(history)]:
                    yield one, len(history)

    def _history(self, image: Image) -> list[dict[str, Any]]:
        if image.id not in self._histories:
            found = jsontext.loads(image.config).get("history")
            self._histories[image.id] = found if isinstance(found, list) else []  # be it what it may: nobody checked it
        return self._histories[image.id]
