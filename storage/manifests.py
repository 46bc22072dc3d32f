"""Manifests that we write: the two families of documents, and an image's manifest with other blobs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from storage import documents
from storage.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storage.documents import Descriptor, Manifest

_FORMATS = {"oci": documents.OCI_MANIFEST, "v2s2": documents.DOCKER_MANIFEST}


@dataclass(frozen=True)
class Family:
    """The media types that go together: OCI's or docker's."""

    manifest: str

    @staticmethod
    def choose(present: str, format: str | None, compression: str | None, accepted: Sequence[str]) -> Family:
        """Choose the type of the manifest: what is asked for, else what the image has, else what is accepted.

        Docker's has no zstd. Raises StorageError for what does not go together.
        """
        zstd = compression in ("zstd", "zstd:chunked")
        if format is not None and format not in _FORMATS:
            raise StorageError(
                f'unknown format "{format}". Choose on of the supported formats: "oci", "v2s1", or "v2s2"'
            )
        if format == "v2s2" and zstd:
            raise StorageError("compression using zstd is not supported by the manifest format v2s2")
        wanted = _FORMATS[format] if format is not None else documents.OCI_MANIFEST if zstd else present
        if wanted in accepted:
            return Family(wanted)
        if format is not None or zstd or not accepted:
            raise StorageError(f"the destination takes no manifest of type {wanted}")
        return Family(next(one for one in accepted if one in documents.MANIFEST_TYPES))

    @property
    def is_oci(self) -> bool:
        """Tell which of the two it is."""
        return self.manifest == documents.OCI_MANIFEST

    def layer(self, media_type: str) -> str:
        """Give the type of a layer in this family."""
        return documents.layer_type(documents.compression_of(media_type), oci=self.is_oci)


def rewrite(manifest: Manifest, family: Family, layers: Sequence[tuple[str, Descriptor]]) -> bytes:
    """Give the manifest with these blobs as layers; its very bytes if nothing of it changes.

    Annotations of a layer are of its blob, and go with it.
    """
    unchanged = [one.digest for _, one in layers] == [one.digest for one in manifest.layers]
    if unchanged and family.manifest == manifest.media_type:
        return manifest.raw
    document = json.loads(manifest.raw)
    written = [_layer(old, one, family) for old, (_, one) in zip(document.get("layers") or [], layers, strict=True)]
    config = documents.OCI_CONFIG if family.is_oci else documents.DOCKER_CONFIG
    changed: dict[str, Any] = {
        **document,
        "schemaVersion": 2,
        "mediaType": family.manifest,
        "config": {"mediaType": config, "digest": manifest.config.digest, "size": manifest.config.size},
        "layers": written,
    }
    if not family.is_oci:
        for name in ("annotations", "subject", "artifactType"):
            changed.pop(name, None)
    return dump(changed)


def _layer(old: dict[str, Any], one: Descriptor, family: Family) -> dict[str, Any]:
    foreign = any(word in one.media_type for word in ("nondistributable", "foreign"))
    media_type = one.media_type if foreign else family.layer(one.media_type)
    written: dict[str, Any] = {"mediaType": media_type, "digest": one.digest, "size": one.size}
    if one.urls:
        written["urls"] = list(one.urls)
    annotations = old.get("annotations") if old.get("digest") == one.digest else one.annotations
    if annotations and family.is_oci:
        written["annotations"] = annotations
    return written


def dump(document: dict[str, Any]) -> bytes:
    """Give a document's bytes: the same each time."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
