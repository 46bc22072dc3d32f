"""The image that a stage comes to: its documents, and its way into the store."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pod.build.asked.times import moment
from storage import image_signatures, images
from storage.committer import Added, Draft, config_of, new_image
from storage.errors import ImageNotFoundError
from storage.platform import host
from storage.publish import publish_image

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pod.build.asked.options import BuildOptions
    from pod.build.stages.evaluation import State, StepLayer
    from storage.images import Image
    from storage.publish import NewImage
    from storage.store import Store

_ATTEMPTS = 5


def identity(store: Store, state: State, options: BuildOptions) -> str:
    """Return the ID that the image of a state has, or would have."""
    parent = images.load(store, state.parent) if state.parent else None
    document = config_of(_added(state, parent), _draft(state, parent, options), state.history, parent)
    return hashlib.sha256(document).hexdigest()


def publish(store: Store, state: State, options: BuildOptions, names: Sequence[str]) -> Image:
    """Record the image of a state under these full names, again if it is removed at once, and return it.

    It is signed if that is asked for and it has names; one that was signed, and is made again, stays so.
    With `squash_all` the state's one layer is all that there is. The caller holds `store.publishing()`.
    """
    image = _image(store, state, options, names)
    for _ in range(_ATTEMPTS - 1):
        publish_image(store, image, names)
        with suppress(ImageNotFoundError):
            return images.load(store, image.id)
    publish_image(store, image, names)
    return images.load(store, image.id)


def _image(store: Store, state: State, options: BuildOptions, names: Sequence[str]) -> NewImage:
    parent = images.load(store, state.parent) if state.parent else None
    added, draft, sign = _added(state, parent), _draft(state, parent, options), options.sign if names else None
    image = new_image(store, added, draft, state.history, parent, plain=sign is not None)
    if sign is None:
        return image_signatures.as_signed(store, image)
    return replace(image, signatures=sign(image.manifest, names))


def _added(state: State, parent: Image | None) -> list[Added]:
    layers: Sequence[StepLayer] = state.layers[len(parent.layers) if parent is not None else 0 :]
    return [Added(layer.diff_id, layer.key, layer.size) for layer in layers]


def _draft(state: State, parent: Image | None, options: BuildOptions) -> Draft:
    below: Mapping[str, Any] = json.loads(parent.config) if parent is not None else {}
    author = state.author or below.get("author", "")
    document: dict[str, Any] = {
        "created": moment(state.created),
        **({"author": author} if author else {}),
        **_platform(state, options),
        "config": {key: value for key, value in state.config.items() if value},
    }
    annotations = options.outcome.annotations_of(state) if options.format == "oci" else None
    return Draft(document, state.created, options.format, annotations, history=options.outcome.history)


def _platform(state: State, options: BuildOptions) -> dict[str, Any]:
    """Return what a config says of where the image runs: as asked for, else as the image below."""
    below, asked = state.platform, options.platform
    known = host()
    if asked is None:
        told = (below.get("architecture") or known.architecture, below.get("os") or known.os, below.get("variant"))
    else:
        same = (asked.architecture, asked.os) == (below.get("architecture"), below.get("os"))
        told = (asked.architecture, asked.os, asked.variant or (below.get("variant") if same else ""))
    features = [one for one in below.get("os.features") or () if f"{one}-" not in options.os_features]
    features += [one for one in options.os_features if not one.endswith("-") and one not in features]
    document = {
        "architecture": told[0],
        "os": told[1],
        "variant": told[2],
        "os.version": options.os_version or below.get("os.version"),
        "os.features": features,
    }
    return {name: value for name, value in document.items() if value}
