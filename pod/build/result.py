"""The image that a stage comes to: its documents, and its way into the store."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from runtime.moments import from_seconds, shortest
from storage import images
from storage.committer import Added, Draft, config_of, new_image
from storage.platform import host
from storage.publish import publish_image

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pod.build.evaluation import State, StepLayer
    from pod.build.options import BuildOptions
    from storage.images import Image
    from storage.store import Store


def moment(seconds: float) -> str:
    """Return a time as the documents have it."""
    return shortest(from_seconds(seconds))


def identity(store: Store, state: State, options: BuildOptions) -> str:
    """Return the ID that the image of a state has, or would have."""
    parent = images.load(store, state.parent) if state.parent else None
    document = config_of(_added(state, parent), _draft(state, parent, options), state.history, parent)
    return hashlib.sha256(document).hexdigest()


def publish(store: Store, state: State, options: BuildOptions, names: Sequence[str]) -> str:
    """Record the image of a state under these full names; return its ID. The caller holds `store.publishing()`.

    With `squash_all` the state's one layer is all that there is.
    """
    parent = images.load(store, state.parent) if state.parent else None
    image = new_image(store, _added(state, parent), _draft(state, parent, options), state.history, parent)
    publish_image(store, image, names)
    return image.id


def _added(state: State, parent: Image | None) -> list[Added]:
    layers: Sequence[StepLayer] = state.layers[len(parent.layers) if parent is not None else 0 :]
    return [Added(layer.diff_id, layer.key, layer.size) for layer in layers]


def _draft(state: State, parent: Image | None, options: BuildOptions) -> Draft:
    below: Mapping[str, Any] = json.loads(parent.config) if parent is not None else {}
    platform = host()
    author = state.author or below.get("author", "")
    document: dict[str, Any] = {
        "created": moment(state.created),
        **({"author": author} if author else {}),
        "architecture": state.platform.get("architecture") or platform.architecture,
        "os": state.platform.get("os") or platform.os,
        **({"variant": state.platform["variant"]} if state.platform.get("variant") else {}),
        "config": {key: value for key, value in state.config.items() if value},
    }
    return Draft(document, state.created, options.format, dict(options.annotations) or None)
