"""The image specification's documents: manifests, indexes, image configs (OCI image-spec 1.1, docker schema 2).

All of it comes from strangers: every field that is used is checked here, and what passes is safe to act on.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from storage.errors import BadReferenceError, CorruptError, StorageError
from storage.reference import check_digest_syntax as _check_digest

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
DOCKER_SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+json"
DOCKER_SCHEMA1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"

MANIFEST_TYPES = (OCI_MANIFEST, DOCKER_MANIFEST)
INDEX_TYPES = (OCI_INDEX, DOCKER_LIST)
ACCEPTED = (*MANIFEST_TYPES, *INDEX_TYPES, DOCKER_SCHEMA1_SIGNED, DOCKER_SCHEMA1)
"""What a client asks for; schema 1 only so that the refusal can name it."""

MAX_DOCUMENT = 4 << 20
_MAX_SIZE = (1 << 63) - 1
_MAX_LAYERS = 10_000
_ANNOTATION_TYPE = "vnd.docker.reference.type"

_COMPRESSED = ("", "+gzip", "+zstd")
_LAYER_TYPES = frozenset(
    [f"{OCI_LAYER}{suffix}" for suffix in _COMPRESSED]
    + [f"application/vnd.oci.image.layer.nondistributable.v1.tar{suffix}" for suffix in _COMPRESSED]
    + [DOCKER_LAYER, f"{DOCKER_LAYER}.gzip", f"{DOCKER_LAYER}.zstd"]
    + [
        "application/vnd.docker.image.rootfs.foreign.diff.tar",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    ]
)


@dataclass(frozen=True)
class Platform:
    """What an image runs on; the variant may be empty."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


@dataclass(frozen=True)
class Descriptor:
    """A reference to content by digest and size; `data`, where present, agrees with both."""

    media_type: str
    digest: str
    size: int
    platform: Platform | None = None
    annotations: dict[str, str] = field(default_factory=dict)
    urls: tuple[str, ...] = ()
    data: bytes | None = None

    @property
    def is_attestation(self) -> bool:
        """Tell whether it describes another image (buildkit's provenance) and is none itself."""
        return _ANNOTATION_TYPE in self.annotations or (
            self.platform is not None and self.platform.os == "unknown" and self.platform.architecture == "unknown"
        )


@dataclass(frozen=True)
class Manifest:
    """One image, or an artifact in the shape of one; `raw` are the bytes that its digest covers."""

    config: Descriptor
    layers: tuple[Descriptor, ...]
    media_type: str
    raw: bytes
    annotations: dict[str, str] = field(default_factory=dict)
    artifact_type: str = ""


@dataclass(frozen=True)
class Index:
    """A list of images for several platforms; `raw` are the bytes that its digest covers."""

    manifests: tuple[Descriptor, ...]
    media_type: str
    raw: bytes
    annotations: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ImageConfig:
    """What an image's config promises of its layers and its platform; `document` is all of it."""

    diff_ids: tuple[str, ...]
    os: str
    architecture: str
    variant: str
    document: dict[str, Any]
    raw: bytes


def compression_of(media_type: str) -> str:
    """Tell how a layer of this media type is compressed: none, gzip or zstd."""
    for kind in ("gzip", "zstd"):
        if media_type.endswith((f"+{kind}", f".{kind}")):
            return kind
    return "none"


def layer_type(compression: str, *, oci: bool = True) -> str:
    """Give the media type of a layer that is compressed so; zstd:chunked is a kind of zstd."""
    compression = compression.removesuffix(":chunked")
    if compression == "none":
        return OCI_LAYER if oci else DOCKER_LAYER
    return f"{OCI_LAYER}+{compression}" if oci else f"{DOCKER_LAYER}.{compression}"


def check_digest_syntax(digest: object) -> str:
    """Give the digest back if it is well-formed and of an algorithm we verify; raise CorruptError otherwise."""
    if not isinstance(digest, str):
        raise CorruptError("digest is not a string")
    try:
        _check_digest(digest)
    except BadReferenceError as error:
        raise CorruptError(str(error)) from None
    return digest


def digest_of(raw: bytes, algorithm: str = "sha256") -> str:
    """Compute the digest of bytes."""
    return f"{algorithm}:{hashlib.new(algorithm, raw).hexdigest()}"


def check_digest(raw: bytes, digest: str, what: str) -> None:
    """Raise CorruptError unless the bytes have this digest; `what` names them in the message."""
    check_digest_syntax(digest)
    actual = digest_of(raw, digest.partition(":")[0])
    if actual != digest:
        raise CorruptError(f"{what}: digest does not match: expected {digest}, got {actual}")


def parse_manifest(raw: bytes, content_type: str = "") -> Manifest | Index:
    """Read a manifest or an index; the type in the document and the content type must not contradict each other.

    Raises CorruptError for what no specification allows, StorageError for schema 1.
    """
    document = _document(raw, "manifest")
    media_type = _media_type(document, content_type)
    if document.get("schemaVersion") != 2:
        raise CorruptError(f"manifest: unsupported schemaVersion {document.get('schemaVersion')!r}"[:200])
    # CVE-2021-41190: a document that is both is read differently by different tools.
    if "manifests" in document and ("layers" in document or "config" in document):
        raise CorruptError("manifest: has both manifests and layers: ambiguous")
    if "fsLayers" in document:
        raise CorruptError("manifest: has fsLayers of schema version 1 in a document of version 2")
    if media_type in INDEX_TYPES:
        return _index(document, media_type, raw)
    return _manifest(document, media_type, raw)


def check_image(manifest: Manifest) -> None:
    """Raise StorageError unless the manifest is that of a container image whose layers we can unpack."""
    if manifest.config.media_type not in (OCI_CONFIG, DOCKER_CONFIG):
        kind = manifest.artifact_type or manifest.config.media_type
        raise StorageError(f"not a container image: an artifact of type {kind}")
    for layer in manifest.layers:
        if layer.media_type.endswith("+encrypted"):
            raise StorageError(f"layer {layer.digest} is encrypted: not supported")
        if layer.media_type not in _LAYER_TYPES:
            raise StorageError(f"not a container image: unsupported layer type {layer.media_type}")


def parse_config(raw: bytes, manifest: Manifest | None = None) -> ImageConfig:
    """Read an image config; with a manifest, also check that it promises as many layers."""
    document = _document(raw, "image config")
    rootfs = _object(document.get("rootfs"), "image config: rootfs")
    if rootfs.get("type", "layers") != "layers":
        raise CorruptError("image config: rootfs is not of type layers")
    diff_ids = tuple(check_digest_syntax(one) for one in _array(rootfs.get("diff_ids"), "diff_ids"))
    if any(not one.startswith("sha256:") for one in diff_ids):
        raise CorruptError("image config: diff_ids other than sha256 are not supported")
    if manifest is not None and len(diff_ids) != len(manifest.layers):
        raise CorruptError(f"image config: {len(diff_ids)} diff_ids for {len(manifest.layers)} layers")
    texts = [_text(document.get(key), f"image config: {key}") for key in ("os", "architecture", "variant")]
    config = document.get("config")
    if config is not None:
        _object(config, "image config: config")
    return ImageConfig(diff_ids, texts[0], texts[1], texts[2], document, raw)


def _document(raw: bytes, what: str) -> dict[str, Any]:
    if len(raw) > MAX_DOCUMENT:
        raise CorruptError(f"{what}: larger than {MAX_DOCUMENT >> 20} MiB")
    try:
        found = _object(json.loads(raw, parse_constant=_refuse_constant), what)
        if b"\\u" in raw:
            # Half a character cannot be stored or written: a ValueError here.
            json.dumps(found, ensure_ascii=False).encode()
        return found
    except RecursionError:
        raise CorruptError(f"{what}: not valid JSON: nested too deeply") from None
    except ValueError as error:
        raise CorruptError(f"{what}: not valid JSON: {error}") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _media_type(document: dict[str, Any], content_type: str) -> str:
    declared = _text(document.get("mediaType"), "manifest: mediaType")
    served = content_type.partition(";")[0].strip().lower()
    if document.get("schemaVersion") == 1 or DOCKER_SCHEMA1 in (declared, served) or served == DOCKER_SCHEMA1_SIGNED:
        raise StorageError(
            "image has a manifest of schema version 1, which is no longer supported",
            hint="push the image again with a current tool, or copy it with `skopeo copy --format v2s2`",
        )
    known = (*MANIFEST_TYPES, *INDEX_TYPES)
    if declared:
        if declared not in known:
            raise CorruptError(f"manifest: unsupported media type {declared[:200]}")
        if served in known and served != declared:
            raise CorruptError(f"manifest: served as {served} but is {declared}")
        return declared
    if served in known:
        return served
    # Some registries serve text/plain or application/json, and mediaType may be left out: then the shape decides.
    return OCI_INDEX if "manifests" in document else OCI_MANIFEST


def _manifest(document: dict[str, Any], media_type: str, raw: bytes) -> Manifest:
    if "config" not in document or "layers" not in document:
        raise CorruptError("manifest: has no config or no layers")
    layers = _array(document["layers"], "manifest: layers")
    if len(layers) > _MAX_LAYERS:
        raise CorruptError(f"manifest: {len(layers)} layers are too many")
    return Manifest(
        config=_descriptor(document["config"], "manifest: config"),
        layers=tuple(_descriptor(layer, "manifest: layer") for layer in layers),
        media_type=media_type,
        raw=raw,
        annotations=_annotations(document, "manifest"),
        artifact_type=_text(document.get("artifactType"), "manifest: artifactType"),
    )


def _index(document: dict[str, Any], media_type: str, raw: bytes) -> Index:
    if "manifests" not in document:
        raise CorruptError("index: has no manifests")
    manifests = _array(document["manifests"], "index: manifests")
    entries = tuple(_descriptor(entry, "index: manifest") for entry in manifests)
    return Index(entries, media_type, raw, _annotations(document, "index"))


def _descriptor(value: object, what: str) -> Descriptor:
    document = _object(value, what)
    size = document.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= _MAX_SIZE:
        raise CorruptError(f"{what}: bad size")
    media_type = _text(document.get("mediaType"), f"{what}: mediaType")
    if not media_type:
        raise CorruptError(f"{what}: has no mediaType")
    digest = check_digest_syntax(document.get("digest"))
    urls = _array(document.get("urls"), f"{what}: urls")
    return Descriptor(
        media_type=media_type,
        digest=digest,
        size=size,
        platform=_platform(document.get("platform"), what),
        annotations=_annotations(document, what),
        urls=tuple(_text(url, f"{what}: urls") for url in urls),
        data=_inline(document.get("data"), digest, size, what),
    )


def _platform(value: object, what: str) -> Platform | None:
    if value is None:
        return None
    document = _object(value, f"{what}: platform")
    parts = [_text(document.get(key), f"{what}: platform") for key in ("os", "architecture", "variant")]
    return Platform(parts[0], parts[1], parts[2]) if parts[0] or parts[1] else None


def _inline(value: object, digest: str, size: int, what: str) -> bytes | None:
    if value is None:
        return None
    import binascii

    try:
        data = binascii.a2b_base64(_text(value, f"{what}: data").encode(), strict_mode=True)
    except ValueError:
        raise CorruptError(f"{what}: data is not base64") from None
    if len(data) != size:
        raise CorruptError(f"{what}: data has {len(data)} bytes instead of {size}")
    check_digest(data, digest, f"{what}: data")
    return data


def _annotations(document: dict[str, Any], what: str) -> dict[str, str]:
    value = document.get("annotations")
    if value is None:
        return {}
    return {key: _text(text, f"{what}: annotations") for key, text in _object(value, f"{what}: annotations").items()}


def _object(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise CorruptError(f"{what} is not an object")
    return value


def _array(value: object, what: str) -> list[Any]:
    if value is None:  # as Go writes an empty list
        return []
    if not isinstance(value, list):
        raise CorruptError(f"{what} is not a list")
    return value


def _text(value: object, what: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise CorruptError(f"{what} is not a string")
    return value
