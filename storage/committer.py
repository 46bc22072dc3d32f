"""An image of further layers over another image, or of these alone: what commit and build make."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from storage import database, documents, durability, gc, images
from storage.documents import digest_of
from storage.interrupts import Interrupts
from storage.keeping import options_for
from storage.layers.unpacking import UnpackOptions
from storage.layers.worker import fork_unpack
from storage.publish import Layer, NewImage, publish_image, publish_layer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from storage.images import Image
    from storage.store import Store

_CONFIG = {"oci": documents.OCI_CONFIG, "docker": documents.DOCKER_CONFIG}
_MANIFEST = {"oci": documents.OCI_MANIFEST, "docker": documents.DOCKER_MANIFEST}
_LAYER = {"oci": documents.OCI_LAYER, "docker": documents.DOCKER_LAYER}
# The kinds of compressed layers in both families of documents: gzip is in both, zstd in one only.
_COUNTERPARTS = {
    f"{documents.OCI_LAYER}+gzip": f"{documents.DOCKER_LAYER}.gzip",
    documents.OCI_LAYER: documents.DOCKER_LAYER,
}


@dataclass(frozen=True)
class Draft:
    """What the new image says of itself; `config` is the whole document but for rootfs and history.

    Without `history` it has none, not even that of the image below.
    """

    config: dict[str, Any]
    created: float
    format: str = "oci"  # or docker
    annotations: dict[str, str] | None = None
    history: bool = True


@dataclass(frozen=True)
class Added:
    """A layer over those of the parent: its diffID, its key in the store, the size of its tar."""

    diff_id: str
    key: str
    size: int


def commit_layer(
    store: Store,
    chunks: Iterator[bytes],
    draft: Draft,
    history: Callable[[str], dict[str, Any]],
    *,
    parent: Image | None = None,
    reference: str | None = None,
    rootless: bool = False,
    single_id: bool = False,
    compressed: bool = False,
) -> Image:
    """Make an image whose topmost layer is a tar; atomic, and a failure leaves nothing.

    `chunks` is read in a process of its own, and inflated if it may be `compressed`. `history` gives the entry for a
    layer of this diffID. `reference` is a full name to give to the image.
    """
    gc.sweep(store)
    options = options_for(
        store, UnpackOptions(rootless=rootless, ignore_chown_errors=single_id, inflated=not compressed)
    )
    try:
        with Interrupts() as interrupts, store.publishing(), store.staging() as staging:
            database.begin_log(store.connection)
            worker = fork_unpack(lambda: chunks, staging.path, options=options)
            try:
                with interrupts.waiting():
                    result = worker.result()
            finally:
                worker.kill()
            key = result.diff_id.removeprefix("sha256:")
            publish_layer(store, staging, Layer(key, result.diff_id, result.size, result.entries, result.implied))
            added = Added(result.diff_id, key, result.size)
            image = new_image(store, [added], draft, [history(result.diff_id)], parent)
            publish_image(store, image, [reference] if reference is not None else [])
    finally:
        gc.sweep(store)
    durability.begin(store)
    return images.load(store, image.id)


def config_of(
    added: Sequence[Added], draft: Draft, history: Sequence[Mapping[str, Any]], parent: Image | None
) -> bytes:
    """Return the config of an image, whose digest is its ID."""
    below = json.loads(parent.config) if parent is not None else {}
    layers = [*(parent.layers if parent is not None else ()), *(layer.diff_id for layer in added)]
    document = {
        **draft.config,
        "rootfs": {"type": "layers", "diff_ids": layers},
    }
    known = below.get("history") or []
    # Of layers below without a history nobody could tell which entry is whose.
    if draft.history and (known or not layers[: len(layers) - len(added)]):
        document["history"] = [*known, *history]
    return _dump(document)


def new_image(
    store: Store,
    added: Sequence[Added],
    draft: Draft,
    history: Sequence[Mapping[str, Any]],
    parent: Image | None,
    *,
    plain: bool = False,
) -> NewImage:
    """Return an image to record: of layers over a parent's; `history` are the entries over the parent's.

    With `plain` its manifest has the tars of all layers, which the store can always make again.
    """
    raw = config_of(added, draft, history, parent)
    below = _tars(store, draft, parent) if plain else json.loads(parent.manifest)["layers"] if parent else []
    manifest = _manifest(raw, added, draft, below)
    return NewImage(
        config=raw,
        manifest=manifest,
        media_type=_MANIFEST[draft.format],
        digests=(digest_of(manifest),),
        created=draft.created,
        architecture=draft.config.get("architecture", ""),
        os=draft.config.get("os", ""),
        layers=(*_pairs(store, parent), *((layer.diff_id, layer.key) for layer in added)),
    )


def _pairs(store: Store, parent: Image | None) -> list[tuple[str, str]]:
    if parent is None:
        return []
    query = "SELECT diff_id, layer FROM image_layer WHERE image = ? ORDER BY position"
    return [(row[0], row[1]) for row in store.connection.execute(query, (parent.id,))]


def _tars(store: Store, draft: Draft, parent: Image | None) -> list[dict[str, Any]]:
    rows = images.layers(store, parent.id) if parent is not None else []
    return [_tar(draft, diff_id, size) for diff_id, _, size in rows]


def _tar(draft: Draft, diff_id: str, size: int) -> dict[str, Any]:
    return {"mediaType": _LAYER[draft.format], "digest": diff_id, "size": size}


def _manifest(config: bytes, added: Sequence[Added], draft: Draft, below: Sequence[dict[str, Any]]) -> bytes:
    own = [_tar(draft, layer.diff_id, layer.size) for layer in added]
    document = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST[draft.format],
        "config": {"mediaType": _CONFIG[draft.format], "digest": digest_of(config), "size": len(config)},
        "layers": [*(_as(draft.format, layer) for layer in below), *own],
    }
    if draft.annotations:
        document["annotations"] = draft.annotations
    return _dump(document)


def _as(format: str, layer: dict[str, Any]) -> dict[str, Any]:
    """Return a layer's descriptor in the words of a family of documents."""
    words = _COUNTERPARTS if format == "docker" else {value: key for key, value in _COUNTERPARTS.items()}
    return {**layer, "mediaType": words.get(layer["mediaType"], layer["mediaType"])}


def _dump(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
