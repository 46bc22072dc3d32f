"""An image of one layer from the tar of a root file system."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from storage import documents, durability, gc, images
from storage.documents import Descriptor, digest_of
from storage.interrupts import Interrupts
from storage.layers.unpacking import UnpackOptions
from storage.layers.worker import fork_unpack
from storage.platform import host
from storage.publish import Layer, NewImage, publish_image, publish_layer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storage.documents import Platform
    from storage.images import Image
    from storage.layers.unpacking import LayerResult
    from storage.store import Store


def import_tar(
    store: Store,
    chunks: Iterator[bytes],
    *,
    reference: str | None = None,
    changes: dict[str, Any] | None = None,
    message: str = "",
    source: str = "-",
    platform: Platform | None = None,
    rootless: bool = False,
    single_id: bool = False,
) -> Image:
    """Make an image of a tar, compressed or not; `changes` is the `config` of the image (Cmd, Env, …).

    `reference` is a full name to give it. A failure leaves nothing.
    """
    gc.sweep(store)
    options = UnpackOptions(rootless=rootless, ignore_chown_errors=single_id)
    try:
        with Interrupts() as interrupts, store.publishing(), store.staging() as staging:
            worker = fork_unpack(lambda: chunks, staging.path, options=options)
            try:
                with interrupts.waiting():
                    result = worker.result()
            finally:
                worker.kill()
            key = result.diff_id.removeprefix("sha256:")
            publish_layer(store, staging, Layer(key, result.diff_id, result.size, result.entries, result.implied))
            image = _image(result, changes or {}, message or f"imported from {source}", platform or host())
            publish_image(store, image, [reference] if reference is not None else [])
    finally:
        gc.sweep(store)
    durability.begin(store)
    return images.load(store, image.id)


def _image(result: LayerResult, config: dict[str, Any], comment: str, platform: Platform) -> NewImage:
    now = time.time()
    created = datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z")
    document = {
        "created": created,
        "architecture": platform.architecture,
        **({"variant": platform.variant} if platform.variant else {}),
        "os": platform.os,
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [result.diff_id]},
        "history": [
            {
                "created": created,
                "created_by": f"/bin/sh -c #(nop) ADD file:{result.diff_id[7:]} in / ",
                "comment": comment,
            }
        ],
    }
    raw = _dump(document)
    manifest = _manifest(raw, result)
    return NewImage(
        config=raw,
        manifest=manifest,
        media_type=documents.OCI_MANIFEST,
        digests=(digest_of(manifest),),
        created=now,
        architecture=platform.architecture,
        os=platform.os,
        layers=((result.diff_id, result.diff_id.removeprefix("sha256:")),),
    )


def _manifest(config: bytes, result: LayerResult) -> bytes:
    """Describe the layer as the plain tar that can be made again from it."""
    return _dump(
        {
            "schemaVersion": 2,
            "mediaType": documents.OCI_MANIFEST,
            "config": _descriptor(Descriptor(documents.OCI_CONFIG, digest_of(config), len(config))),
            "layers": [_descriptor(Descriptor(documents.OCI_LAYER, result.diff_id, result.size))],
        }
    )


def _descriptor(descriptor: Descriptor) -> dict[str, Any]:
    return {"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size}


def _dump(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
