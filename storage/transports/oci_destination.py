"""Images in an OCI image layout, in a directory (`oci:`) or in an archive (`oci-archive:`): writing them.

Source: OCI image-spec 1.1, image-layout.md.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Protocol

from storage import documents
from storage.errors import CorruptError
from storage.transports.files import Folder, read
from storage.transports.folder_output import FolderOutput
from storage.transports.oci import REFERENCE_NAME, blob_name
from storage.transports.outputs import verified
from storage.transports.tar_output import TarOutput

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storage.documents import Descriptor
    from storage.store import Store
    from storage.transports.outputs import Output

_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'


class Layout(Protocol):
    """The files of a layout on their way."""

    def has(self, name: str, size: int) -> bool:
        """Tell whether there is a file of this size."""

    def add(self, name: str, size: int, chunks: Iterator[bytes]) -> None:
        """Write a file."""

    def finish(self, entry: dict[str, Any]) -> None:
        """Add an entry to the index, and make all of it visible."""

    def discard(self) -> None:
        """Take back what was not finished."""


class OciDestination:
    """One image in a layout (transports/protocols.py: Destination); `name` is what the layout calls it, "" for none."""

    manifest_types = (documents.OCI_MANIFEST, documents.OCI_INDEX)
    plain_layers = False

    def __init__(self, layout: Layout, name: str = "") -> None:
        self._layout = layout
        self._name = name

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Tell whether a blob is in the layout."""
        return self._layout.has(blob_name(descriptor.digest), descriptor.size)

    def put_blob(self, descriptor: Descriptor, chunks: Iterator[bytes]) -> None:
        """Write a blob."""
        if not self.has_blob(descriptor):
            self._layout.add(blob_name(descriptor.digest), descriptor.size, verified(chunks, descriptor))

    def put_manifest(self, raw: bytes, media_type: str, digest: str) -> None:
        """Write a manifest that an index names: a blob as any other."""
        documents.check_digest(raw, digest, "manifest")
        if not self._layout.has(blob_name(digest), len(raw)):
            self._layout.add(blob_name(digest), len(raw), iter((raw,)))

    def finish(self, raw: bytes, media_type: str) -> None:
        """Write the manifest or index, and its entry in the layout's index."""
        digest = documents.digest_of(raw)
        self.put_manifest(raw, media_type, digest)
        entry: dict[str, Any] = {"mediaType": media_type, "digest": digest, "size": len(raw)}
        if self._name:
            entry["annotations"] = {REFERENCE_NAME: self._name}
        self._layout.finish(entry)

    def close(self) -> None:
        """Take back what was not finished."""
        self._layout.discard()


class FolderLayout:
    """A layout in a directory, a new one or one with other images already."""

    def __init__(self, path: str, store: Store | None = None) -> None:
        """Begin; the store remembers what is not finished."""
        self._folder = FolderOutput(path, store, shared=True)

    def has(self, name: str, size: int) -> bool:
        """Tell whether there is a file of this size."""
        return self._folder.has(name, size)

    def add(self, name: str, size: int, chunks: Iterator[bytes]) -> None:
        """Write a file."""
        self._folder.add(name, chunks)

    def finish(self, entry: dict[str, Any]) -> None:
        """Add to the index what is new, in place of what had the same name."""
        folder = self._folder
        folder.lock()
        index = self._index()
        index["manifests"] = [*(one for one in index["manifests"] if not _replaces(one, entry)), entry]
        if not folder.has("oci-layout", len(_LAYOUT)):
            folder.add("oci-layout", iter((_LAYOUT,)))
        folder.add("index.json", iter((_dump(index),)))
        folder.finish()

    def discard(self) -> None:
        """Take back what was not finished."""
        self._folder.discard()

    def _index(self) -> dict[str, Any]:
        """Read the index that is there, whose other fields stay as they are."""
        if not os.path.lexists(os.path.join(self._folder.path, "index.json")):
            return {"schemaVersion": 2, "manifests": []}
        files = Folder(self._folder.path)
        try:
            raw = read(files, "index.json", documents.MAX_DOCUMENT)
        finally:
            files.close()
        if not isinstance(documents.parse_manifest(raw, documents.OCI_INDEX), documents.Index):
            raise CorruptError(f"{self._folder.path}: index.json is not an index")
        found: dict[str, Any] = json.loads(raw)
        found["manifests"] = found.get("manifests") or []
        return found


class ArchiveLayout:
    """A layout in a new archive."""

    def __init__(self, output: Output) -> None:
        self._tar = TarOutput(output)

    def has(self, name: str, size: int) -> bool:
        """Tell whether there is such a file."""
        return name in self._tar.names

    def add(self, name: str, size: int, chunks: Iterator[bytes]) -> None:
        """Write a file."""
        self._tar.add(name, size, chunks)

    def finish(self, entry: dict[str, Any]) -> None:
        """Write the index, and the end."""
        for name, data in (
            ("oci-layout", _LAYOUT),
            ("index.json", _dump({"schemaVersion": 2, "manifests": [entry]})),
        ):
            self._tar.add(name, len(data), (data,))
        self._tar.finish()

    def discard(self) -> None:
        """Take back what was not finished."""
        self._tar.discard()


def _name_of(entry: dict[str, Any]) -> str | None:
    name = (entry.get("annotations") or {}).get(REFERENCE_NAME)
    return name if isinstance(name, str) else None


def _replaces(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Tell whether an entry gives way: one of the same name, or the same image without one."""
    name = _name_of(new)
    if name is None:
        return old.get("digest") == new["digest"] and _name_of(old) is None
    return _name_of(old) == name


def _dump(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
