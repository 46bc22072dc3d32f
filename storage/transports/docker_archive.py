"""The images of an archive that `docker save` or `podman save` wrote (`docker-archive:`): reading them.

manifest.json tells of each image where its config and its layers are, and its names. Docker 25 and later put an OCI
layout into the same archive, whose blobs manifest.json then names: here they are files as any other. The layers are
mostly plain tars, whose digests the config knows as diffIDs; those that are compressed are hashed to get theirs.
Source: docker's image-spec 1.2, "Combined Image JSON + Filesystem Changeset Format".
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from storage import documents, reference
from storage.compression import kind
from storage.documents import DOCKER_CONFIG, DOCKER_LAYER, DOCKER_MANIFEST, Descriptor
from storage.errors import CorruptError, ImageNotFoundError, StorageError
from storage.transports import legacy
from storage.transports.files import read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from storage.transports.files import Files

_TYPES = {"gzip": f"{DOCKER_LAYER}.gzip", "zstd": f"{DOCKER_LAYER}.zstd"}
_MAX_LAYERS = 10_000
_MAX_IMAGES = 10_000


@dataclass(frozen=True)
class Item:
    """One image: how to get its config, its layers from the bottom up as names in the archive, and its full names."""

    config: Callable[[], bytes]
    layers: tuple[str, ...]
    names: tuple[str, ...]


def items(files: Files) -> list[Item]:
    """List the images of an archive in its order; raises StorageError if it is none of docker's."""
    if not files.has("manifest.json"):
        if files.has("repositories"):
            return [Item(*one) for one in legacy.images(files)]
        raise StorageError(f"{files.path}: not an archive of images: it has no manifest.json")
    found = _parse(read(files, "manifest.json", documents.MAX_DOCUMENT), files.path)
    return [_item(files, one) for one in found]


def choose(found: list[Item], path: str, *, name: str = "", number: int | None = None) -> Item:
    """Choose an image by a full name, by its number, or because there is no other."""
    if number is not None:
        if not 0 <= number < len(found):
            raise ImageNotFoundError(
                f"{path}: invalid source index @{number}, only {len(found)} manifest items available"
            )
        return found[number]
    if name:
        for item in found:
            if name in item.names:
                return item
        raise ImageNotFoundError(f'{path}: tag "{name}" not found', hint=_hint(found))
    if len(found) != 1:
        raise StorageError(f"{path}: unexpected manifest.json: expected 1 item, got {len(found)}", hint=_hint(found))
    return found[0]


class DockerArchiveOrigin:
    """One image of an archive (transports/protocols.py: Origin); the archive itself is the caller's to close."""

    def __init__(self, files: Files, item: Item, *, transport: str = "docker-archive", scope: str = "") -> None:
        self.transport = transport
        self.scope = scope or files.path
        self._files = files
        self._config = item.config()
        self._blobs: dict[str, str] = {}
        self._hashes: dict[str, str] = {}
        self._raw = self._manifest(item)

    def manifest(self, digest: str | None = None) -> tuple[bytes, str, str]:
        """Give the manifest that the archive does not have, made of what it has."""
        own = documents.digest_of(self._raw)
        if digest not in (None, own):
            raise ImageNotFoundError(f"{self.scope}: no manifest {digest}")
        return self._raw, DOCKER_MANIFEST, own

    def blob(self, descriptor: Descriptor) -> bytes:
        """Give the config."""
        documents.check_digest(self._config, descriptor.digest, "config")
        return self._config

    def open_blob(self, descriptor: Descriptor, *, offset: int = 0) -> Iterator[bytes]:
        """Read a layer."""
        return self._files.chunks(self._blobs[descriptor.digest], offset)

    def fresh(self) -> DockerArchiveOrigin:
        """Give the same: files are read by offset."""
        return self

    def close(self) -> None:
        """Nothing of its own is open."""

    def _manifest(self, item: Item) -> bytes:
        diff_ids = documents.parse_config(self._config).diff_ids
        if len(diff_ids) != len(item.layers):
            raise CorruptError(f"{self.scope}: {len(diff_ids)} diff_ids for {len(item.layers)} layers")
        config = {
            "mediaType": DOCKER_CONFIG,
            "size": len(self._config),
            "digest": documents.digest_of(self._config),
        }
        layers = [self._layer(*pair) for pair in zip(diff_ids, item.layers, strict=True)]
        document = {"schemaVersion": 2, "mediaType": DOCKER_MANIFEST, "config": config, "layers": layers}
        return json.dumps(document, separators=(",", ":")).encode()

    def _layer(self, diff_id: str, name: str) -> dict[str, Any]:
        compression = kind(next(self._files.chunks(name), b""))
        if compression == "plain":
            digest = diff_id
        else:
            # Once for a file, however often it is named.
            digest = self._hashes.get(name) or self._hashes.setdefault(name, self._hashed(name))
        self._blobs[digest] = name
        return {"mediaType": _TYPES.get(compression, DOCKER_LAYER), "size": self._files.size(name), "digest": digest}

    def _hashed(self, name: str) -> str:
        hasher = hashlib.sha256()
        for chunk in self._files.chunks(name):
            hasher.update(chunk)
        return f"sha256:{hasher.hexdigest()}"


def _item(files: Files, fields: dict[str, Any]) -> Item:
    config = _text(fields.get("Config"))
    layers = _texts(fields.get("Layers"))
    if len(layers) > _MAX_LAYERS:
        raise CorruptError(f"{files.path}: {len(layers)} layers are too many")
    names = [full_name(text) for text in _texts(fields.get("RepoTags"))]
    return Item(lambda: read(files, config, documents.MAX_DOCUMENT), tuple(layers), tuple(names))


def full_name(text: str, default_domain: str = reference.DOCKER_DOMAIN) -> str:
    """Complete a name that an archive gives; as docker does, one without a registry is one of docker.io.

    One with a digest is refused: nothing in an archive says that the image is the one of that digest.
    """
    full = reference.normalize(text, default_domain=default_domain)
    if full.digest is not None:
        raise CorruptError(f"the name {full} has a digest: only tags are allowed in archives")
    return str(full)


def _parse(raw: bytes, path: str) -> list[dict[str, Any]]:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise CorruptError(f"{path}: manifest.json is not valid JSON: {error}"[:500]) from None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise CorruptError(f"{path}: manifest.json is not a list of images")
    if len(found) > _MAX_IMAGES:
        raise CorruptError(f"{path}: {len(found)} images are too many")
    return found


def _texts(value: object) -> list[str]:
    if value is None:  # as Go writes an empty list
        return []
    if not isinstance(value, list):
        raise CorruptError("manifest.json: a field is not a list")
    return [_text(one) for one in value]


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise CorruptError("manifest.json: a field is not a string")
    return value.removeprefix("./")


def _hint(found: list[Item]) -> str:
    names = [item.names[0] if item.names else f"@{number}" for number, item in enumerate(found)]
    return f"append one of these after a colon: {', '.join(names[:10])}" if names else ""
