"""Images in an archive that `docker load` and `podman load` read (`docker-archive:`): writing them.

Written are what docker reads today (manifest.json, HEX.tar, HEX.json), and what it read before 1.10 (`repositories`, a
directory for each layer with a link to its tar). Layers are plain tars; one that several images have is there once.
Source: docker's image-spec 1.2, "Combined Image JSON + Filesystem Changeset Format".
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from storage import documents
from storage.errors import CorruptError, StorageError
from storage.images import repository
from storage.transports.outputs import verified
from storage.transports.tar_output import TarOutput

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from storage.documents import Descriptor
    from storage.transports.outputs import Output

_CONFIGS = frozenset((documents.OCI_CONFIG, documents.DOCKER_CONFIG))
# What old versions of docker read of the topmost layer.
_INHERITED = ("architecture", "author", "config", "created", "os")


@dataclass
class _Item:
    config: str
    layers: list[str]
    names: list[str]
    top: str


class DockerArchiveWriter:
    """An archive on its way; ask it for a destination for each image, then `finish` it."""

    def __init__(self, output: Output) -> None:
        self.tar = TarOutput(output)
        self._items: dict[str, _Item] = {}

    def image(self, names: Sequence[str] = ()) -> DockerArchiveDestination:
        """Give the destination of one image, which gets these full names."""
        return DockerArchiveDestination(self, tuple(names))

    def note(self, config: str, layers: list[str], names: Sequence[str], top: str) -> None:
        """Take an image into the list; one that is there already gets further names."""
        item = self._items.setdefault(config, _Item(config, layers, [], top))
        item.names += [name for name in names if name not in item.names]

    def finish(self) -> None:
        """Write the lists, and make the archive visible."""
        manifest = [
            {"Config": item.config, "RepoTags": item.names, "Layers": item.layers} for item in self._items.values()
        ]
        repositories: dict[str, dict[str, str]] = {}
        for item in self._items.values():
            for name in item.names:
                base = repository(name)
                repositories.setdefault(base, {})[name[len(base) + 1 :]] = item.top
        self.add("manifest.json", _dump(manifest))
        self.add("repositories", _dump(repositories))
        self.tar.finish()

    def close(self) -> None:
        """Take back what was not finished."""
        self.tar.discard()

    def add(self, name: str, data: bytes) -> None:
        """Write a small file, unless it is there."""
        if name not in self.tar.names:
            self.tar.add(name, len(data), (data,))


class DockerArchiveDestination:
    """One image of an archive (transports/protocols.py: Destination): visible when the archive is finished."""

    manifest_types = (documents.DOCKER_MANIFEST, documents.OCI_MANIFEST)
    plain_layers = True

    def __init__(self, writer: DockerArchiveWriter, names: tuple[str, ...]) -> None:
        self._writer = writer
        self._names = names
        self._config = b""

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Tell whether a layer is in the archive already."""
        return _layer_name(descriptor.digest) in self._writer.tar.names

    def put_blob(self, descriptor: Descriptor, chunks: Iterator[bytes]) -> None:
        """Write a layer or the config."""
        if descriptor.media_type in _CONFIGS:
            self._config = b"".join(verified(chunks, descriptor))
        elif not self.has_blob(descriptor):
            self._writer.tar.add(_layer_name(descriptor.digest), descriptor.size, verified(chunks, descriptor))

    def put_manifest(self, raw: bytes, media_type: str, digest: str) -> None:
        """Refuse: there is no place for an index."""
        raise StorageError("docker-archive can hold no lists of images for several platforms")

    def finish(self, raw: bytes, media_type: str) -> None:
        """Take the image into the archive's list."""
        manifest = documents.parse_manifest(raw, media_type)
        if not isinstance(manifest, documents.Manifest):
            raise StorageError("docker-archive can hold no lists of images for several platforms")
        documents.check_digest(self._config, manifest.config.digest, "config")
        layers = [_layer_name(layer.digest) for layer in manifest.layers]
        missing = [name for name in layers if name not in self._writer.tar.names]
        if missing:
            raise CorruptError(f"docker-archive: layer {missing[0]} was not written")
        config_name = f"{manifest.config.digest.partition(':')[2]}.json"
        self._writer.add(config_name, self._config)
        self._writer.note(config_name, layers, self._names, self._legacy(layers))

    def close(self) -> None:
        """Nothing of its own is open."""

    def _legacy(self, layers: list[str]) -> str:
        """Write the directories of layers as docker had them before 1.10; give the ID of the topmost."""
        parent = ""
        for number, layer in enumerate(layers):
            document: dict[str, Any] = {}
            if number == len(layers) - 1:
                config = documents.parse_config(self._config).document
                document.update((key, config[key]) for key in _INHERITED if config.get(key) is not None)
            if parent:
                document["parent"] = parent
            identifier = hashlib.sha256(layer.encode() + _dump(document)).hexdigest()
            document["id"] = identifier
            if f"{identifier}/json" not in self._writer.tar.names:
                self._writer.tar.link(f"{identifier}/layer.tar", f"../{layer}")
                self._writer.add(f"{identifier}/VERSION", b"1.0")
                self._writer.add(f"{identifier}/json", _dump(document))
            parent = identifier
        return parent


class SingleArchiveDestination(DockerArchiveDestination):
    """The only image of an archive: both are finished together."""

    def __init__(self, output: Output, names: Sequence[str] = ()) -> None:
        super().__init__(DockerArchiveWriter(output), tuple(names))

    def finish(self, raw: bytes, media_type: str) -> None:
        """Finish the image and the archive."""
        super().finish(raw, media_type)
        self._writer.finish()

    def close(self) -> None:
        """Take back what was not finished."""
        self._writer.close()


def _layer_name(digest: str) -> str:
    return f"{digest.partition(':')[2]}.tar"


def _dump(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":"), sort_keys=isinstance(document, dict)).encode()
