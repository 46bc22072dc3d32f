"""The layers of an image, or of all that build on it, with the images whose topmost layer each is: `image tree`."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from storage import chain, images
from storage.sizes import layer_sizes

if TYPE_CHECKING:
    from storage.images import Image
    from storage.store import Store


@dataclass(frozen=True)
class Node:
    """A layer above others: its ID (that of the chain up to it), its size in bytes, the names of its images."""

    id: str
    size: int
    tags: tuple[str, ...]
    above: tuple[Node, ...] = ()


def layers(store: Store, image: Image) -> list[Node]:
    """Return the layers of an image from the bottom up."""
    tops = _tops(images.list_images(store))
    ids = chain.chain_ids(image.layers)
    sizes = layer_sizes(store, image.id)
    return [Node(_hex(one), size, tuple(tops.get(one, ()))) for one, size in zip(ids, sizes, strict=True)]


def requiring(store: Store, image: Image) -> list[Node]:
    """Return the first layer of an image with all that lies above it in the images of the store."""
    every = images.list_images(store)
    sizes: dict[str, int] = {}
    above: dict[str, dict[str, None]] = {}
    for one in every:
        ids = chain.chain_ids(one.layers)
        sizes.update(zip(ids, layer_sizes(store, one.id), strict=True))
        for below, top in pairwise(ids):
            above.setdefault(below, {})[top] = None
    tops = _tops(every)

    def node(layer: str) -> Node:
        return Node(
            _hex(layer), sizes[layer], tuple(tops.get(layer, ())), tuple(map(node, sorted(above.get(layer, ()))))
        )

    return [node(one) for one in chain.chain_ids(image.layers)[:1]]


def _tops(every: list[Image]) -> dict[str, list[str]]:
    """Return the names of the images whose topmost layer is each."""
    found: dict[str, list[str]] = {}
    for one in every:
        if one.layers:
            found.setdefault(chain.chain_ids(one.layers)[-1], []).extend(one.names)
    return found


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")
