"""Images in an OCI image layout, in a directory (`oci:`) or in an archive (`oci-archive:`): reading them.

Source: OCI image-spec 1.1, image-layout.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from storage import documents
from storage.errors import CorruptError, ImageNotFoundError, StorageError
from storage.transports.files import read, read_blob

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storage.documents import Descriptor
    from storage.transports.files import Files

REFERENCE_NAME = "org.opencontainers.image.ref.name"
# What containerd and docker write beside it: the whole name, where the other is the tag alone.
_IMAGE_NAME = "io.containerd.image.name"


def listed(files: Files) -> tuple[Descriptor, ...]:
    """Read the index of a layout: what images it has."""
    index = documents.parse_manifest(read(files, "index.json", documents.MAX_DOCUMENT), documents.OCI_INDEX)
    if not isinstance(index, documents.Index):
        raise CorruptError(f"{files.path}: index.json is not an index")
    return index.manifests


def choose(found: tuple[Descriptor, ...], path: str, *, name: str = "", number: int | None = None) -> Descriptor:
    """Choose an image by the name that the layout gives it, by its number, or because there is no other."""
    if number is not None:
        if not 0 <= number < len(found):
            raise ImageNotFoundError(f"{path}: no image @{number}, only {len(found)} are there")
        return found[number]
    if name:
        for descriptor in found:
            if descriptor.annotations.get(REFERENCE_NAME) == name:
                return descriptor
        raise ImageNotFoundError(f'{path}: no descriptor found for reference "{name}"', hint=_hint(found))
    if not found:
        raise ImageNotFoundError(f"{path}: no image in oci")
    if len(found) > 1:
        raise StorageError(f"{path}: more than one image in oci, choose an image", hint=_hint(found))
    return found[0]


def name_of(descriptor: Descriptor) -> str:
    """Give the name that a layout gives to an image, as it stands there; "" if none."""
    annotations = descriptor.annotations
    return annotations.get(_IMAGE_NAME) or annotations.get(REFERENCE_NAME, "")


class OciOrigin:
    """One image of a layout (transports/protocols.py: Origin); the files are the caller's to close.

    Its scope is the path of the layout: which image of it is meant cannot always be told by a name.
    """

    def __init__(self, files: Files, transport: str, descriptor: Descriptor, scope: str) -> None:
        self.transport = transport
        self.scope = scope
        self._files = files
        self._descriptor = descriptor

    def manifest(self, digest: str | None = None) -> tuple[bytes, str, str]:
        """Read the manifest or index that was chosen, or one by digest."""
        if digest is None:
            return self.blob(self._descriptor), self._descriptor.media_type, self._descriptor.digest
        raw = read(self._files, blob_name(digest), documents.MAX_DOCUMENT)
        documents.check_digest(raw, digest, "manifest")
        return raw, "", digest

    def blob(self, descriptor: Descriptor) -> bytes:
        """Read a small blob."""
        return read_blob(self._files, blob_name(descriptor.digest), descriptor)

    def open_blob(self, descriptor: Descriptor, *, offset: int = 0) -> Iterator[bytes]:
        """Read a blob."""
        return sized(self._files, blob_name(descriptor.digest), descriptor, offset)

    def fresh(self) -> OciOrigin:
        """Give the same: files are read by offset."""
        return self

    def close(self) -> None:
        """Nothing of its own is open."""


def blob_name(digest: str) -> str:
    """Give the name of a blob in a layout."""
    algorithm, _, encoded = documents.check_digest_syntax(digest).partition(":")
    return f"blobs/{algorithm}/{encoded}"


def sized(files: Files, name: str, descriptor: Descriptor, offset: int) -> Iterator[bytes]:
    """Give the chunks of a file that has the size which its descriptor promises."""
    if descriptor.data is not None:
        return iter((descriptor.data[offset:],))
    size = files.size(name)
    if size != descriptor.size:
        raise CorruptError(f"{files.path}: blob {descriptor.digest} has {size} bytes instead of {descriptor.size}")
    return files.chunks(name, offset)


def _hint(found: tuple[Descriptor, ...]) -> str:
    names = [one.annotations.get(REFERENCE_NAME) or f"@{number}" for number, one in enumerate(found)]
    shown = ", ".join(name if name.isprintable() else ascii(name) for name in names[:10])
    return f"append one of these after a colon: {shown}" if names else ""
