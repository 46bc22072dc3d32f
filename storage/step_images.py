"""Steps of builds at a registry: what `build --cache-to` writes and `--cache-from` reads.

A step is an image of its one layer, under the step's key as tag, as buildah has it; the layers below are not in it, so
that a step costs what it changes. Nothing of its config counts but the layer's diffID and the time. The key stands in
the manifest, too: what a signature covers cannot be shown as the result of another step.

Whoever may write to the repository decides what a step comes to: nothing but running it would tell another result from
the right one. policy.json holds for these images as for all others.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from storage import documents, platform
from storage.documents import Descriptor, ImageConfig, Manifest
from storage.errors import CorruptError, ImageNotFoundError, StorageError, UnauthorizedError
from storage.fetch import Fetcher
from storage.manifests import dump
from storage.outgoing.image import send_layers
from storage.outgoing.push import Pusher
from storage.registry.origin import Clients, RegistryOrigin
from storage.source import Source, locate
from storage.transfer import NoProgress
from storage.trust.errors import RejectedError

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence

    from storage.build_cache import Step
    from storage.interrupts import Interrupts
    from storage.reference import Reference
    from storage.registry.options import RegistryOptions
    from storage.store import Store
    from storage.trust.verification import Trust

KEY = "pod.build.step.key"
MADE = "pod.build.step.made"  # in seconds, to the last digit, so that two machines' images are the same
# A cache that does not answer is to cost less than what it saves.
_PATIENCE = 5.0
_CLOCKS_APART = 3600.0


@dataclass(frozen=True)
class StepImage:
    """A step at a registry: its layer's diffID and blob, and when it was made."""

    key: str
    diff_id: str
    blob: Descriptor
    made: float
    origin: RegistryOrigin

    def document(self) -> dict[str, Any]:
        """Return what another process needs to know of it, for `Repository.step`."""
        blob = {"media_type": self.blob.media_type, "digest": self.blob.digest, "size": self.blob.size}
        described = {**blob, "annotations": self.blob.annotations, "urls": self.blob.urls}
        return {"diff_id": self.diff_id, "blob": described, "made": self.made}


class Repository:
    """A repository of steps."""

    def __init__(self, reference: Reference, options: RegistryOptions, trust: Trust) -> None:
        self.reference = reference
        self._options = replace(options, retries=0, connect_timeout=min(options.connect_timeout, _PATIENCE))
        self._full = options
        self._trust = trust
        self._clients = Clients(self._options)

    def find(self, key: str) -> StepImage:
        """Find what a step came to. Raises ImageNotFoundError, CorruptError for what is no such step, StorageError."""
        origin = RegistryOrigin(self._clients, self.reference.with_tag(key))
        source = locate(origin, None, self._trust)
        annotations = source.manifest.annotations
        made = _seconds(annotations.get(MADE, ""))
        if annotations.get(KEY) != key or len(source.layers) != 1 or made is None:
            raise CorruptError(f"{self.reference.with_tag(key)}: it is not what this step came to")
        diff_id, blob = source.layers[0]
        return StepImage(key, diff_id, blob, made, origin)

    def step(self, key: str, document: Mapping[str, Any]) -> StepImage:
        """Return the step that another process has found here."""
        origin = RegistryOrigin(self._clients, self.reference.with_tag(key))
        return StepImage(key, document["diff_id"], Descriptor(**document["blob"]), document["made"], origin)

    def push(self, store: Store, steps: Sequence[Step], replaced: Container[str]) -> Iterator[str]:
        """Write steps that are not there, or are to be `replaced`; yield the key of each that is written.

        Their layers are in the store, and the caller holds `store.publishing()`. Raises StorageError.
        """
        missing = [step for step in steps if step.key in replaced or not self._has(step.key)]
        if not missing:
            return
        pusher = Pusher(store, self.reference, self._full, None)
        try:
            layers = {step.diff_id: (step.diff_id, step.layer, step.size) for step in missing}
            blobs = dict(send_layers(store, list(layers.values()), pusher.destination))
            for step in missing:
                config = _config(step)
                descriptor = Descriptor(documents.OCI_CONFIG, documents.digest_of(config), len(config))
                if not pusher.destination.has_blob(descriptor):
                    pusher.destination.put_blob(descriptor, iter([config]))
                manifest = _manifest(step, descriptor, blobs[step.diff_id])
                pusher.destination.put_tag(manifest, documents.OCI_MANIFEST, step.key)
                yield step.key
        finally:
            pusher.destination.close()

    def close(self) -> None:
        """Close idle connections."""
        self._clients.close()

    def _has(self, key: str) -> bool:
        try:
            return bool(self.find(key))
        except (ImageNotFoundError, CorruptError, RejectedError, UnauthorizedError):
            return False


def fetch(
    store: Store,
    diff_ids: Sequence[str],
    found: Mapping[str, StepImage],
    interrupts: Interrupts,
    *,
    rootless: bool,
    single_id: bool,
) -> tuple[str, ...]:
    """See that layers are in the store, those of `found` from their registries, and return the keys of all.

    The layers are one upon the other, and the caller holds `store.publishing()`. Raises StorageError for what cannot
    be had, or is not what its digests say.
    """
    blobs = [
        found[one].blob if one in found else Descriptor(documents.OCI_LAYER, one, 0)  # is there, and is not fetched
        for one in diff_ids
    ]
    manifest = Manifest(Descriptor(documents.OCI_CONFIG, "", 0), tuple(blobs), documents.OCI_MANIFEST, b"")
    config = ImageConfig(tuple(diff_ids), "", "", "", {}, b"")
    origin = _Origins({one.blob.digest: one.origin for one in found.values()})
    source = Source(origin, manifest, config, ())
    fetcher = Fetcher(store, source, NoProgress(), interrupts, rootless=rootless, single_id=single_id)
    return tuple(key for _, key in fetcher.fetch())


class _Origins:
    """Blobs of several repositories (transports/protocols.py: Origin)."""

    transport = "docker"
    scope = ""

    def __init__(self, origins: Mapping[str, RegistryOrigin]) -> None:
        self._origins = origins

    def manifest(self, digest: str | None = None) -> tuple[bytes, str, str]:
        """There is none."""
        raise StorageError(f"manifest {digest}: these are layers alone")

    def blob(self, descriptor: Descriptor) -> bytes:
        """Fetch a small blob."""
        return self._of(descriptor).blob(descriptor)

    def open_blob(self, descriptor: Descriptor, *, offset: int = 0) -> Iterator[bytes]:
        """Fetch a blob from where it is."""
        return self._of(descriptor).open_blob(descriptor, offset=offset)

    def fresh(self) -> _Origins:
        """Give one with connections of its own."""
        return _Origins({digest: origin.fresh() for digest, origin in self._origins.items()})

    def close(self) -> None:
        """The repositories are closed by whom they belong to."""

    def _of(self, descriptor: Descriptor) -> RegistryOrigin:
        found = self._origins.get(descriptor.digest)
        if found is None:
            raise StorageError(f"layer {descriptor.digest} was removed meanwhile")
        return found


def _seconds(text: str) -> float | None:
    """Return a moment that has been; None for anything else."""
    try:
        moment = float(text)
    except ValueError:
        return None
    return moment if 0 <= moment <= time.time() + _CLOCKS_APART else None


def _config(step: Step) -> bytes:
    here, moment = platform.host(), datetime.fromtimestamp(step.made, UTC).isoformat().replace("+00:00", "Z")
    return dump(
        {
            "created": moment,
            "architecture": here.architecture,
            "os": here.os,
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [step.diff_id]},
            "history": [{"created": moment, "created_by": f"step {step.key}"}],
        }
    )


def _manifest(step: Step, config: Descriptor, layer: Descriptor) -> bytes:
    def written(one: Descriptor) -> dict[str, object]:
        document: dict[str, object] = {"mediaType": one.media_type, "digest": one.digest, "size": one.size}
        return {**document, "annotations": one.annotations} if one.annotations else document

    return dump(
        {
            "schemaVersion": 2,
            "mediaType": documents.OCI_MANIFEST,
            "config": written(config),
            "layers": [written(layer)],
            "annotations": {KEY: step.key, MADE: repr(step.made)},
        }
    )
