"""An image whose files lie in a directory by their digests (`dir:`): writing it. Source: containers-transports(5)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from storage import documents
from storage.errors import StorageError
from storage.transports.directory import MANIFEST, VERSION, blob_name
from storage.transports.folder_output import FolderOutput
from storage.transports.outputs import verified
from storage.unfinished import is_empty

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from storage.documents import Descriptor
    from storage.store import Store


class DirectoryDestination:
    """The image of a directory (transports/protocols.py: Destination); one that is there already is replaced."""

    manifest_types = (documents.DOCKER_MANIFEST, documents.OCI_MANIFEST, documents.DOCKER_LIST, documents.OCI_INDEX)
    plain_layers = False

    def __init__(self, path: str, store: Store | None = None) -> None:
        """Begin; the store remembers what is not finished."""
        _check_replaceable(path)
        self._folder = FolderOutput(path, store, replace=True)
        try:
            # First: who fills an empty directory and is killed may begin anew.
            self._folder.add("version", iter((VERSION.encode(),)))
        except BaseException:
            self.close()
            raise

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Tell whether a blob was written."""
        return self._folder.has(blob_name(descriptor.digest), descriptor.size)

    def put_blob(self, descriptor: Descriptor, chunks: Iterator[bytes]) -> None:
        """Write a blob."""
        if not self.has_blob(descriptor):
            self._folder.add(blob_name(descriptor.digest), verified(chunks, descriptor))

    def put_manifest(self, raw: bytes, media_type: str, digest: str) -> None:
        """Write a manifest that an index names."""
        documents.check_digest(raw, digest, "manifest")
        self._folder.add(f"{blob_name(digest)}.{MANIFEST}", iter((raw,)))

    def put_signatures(self, signatures: Iterable[bytes]) -> None:
        """Write signatures of the manifest."""
        for number, one in enumerate(signatures, 1):
            self._folder.add(f"signature-{number}", iter((one,)))

    def finish(self, raw: bytes, media_type: str) -> None:
        """Write the manifest, and make the directory visible."""
        self._folder.add(MANIFEST, iter((raw,)))
        self._folder.finish()

    def close(self) -> None:
        """Take back what was not finished."""
        self._folder.discard()


def _check_replaceable(path: str) -> None:
    """Refuse to put an image in place of a directory with something else in it."""
    try:
        if is_empty(path):
            return
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError(f"open {path}: {(error.strerror or '').lower()}") from error
    try:
        with open(os.path.join(path, "version"), "rb") as file:
            known = file.read(len(VERSION)) == VERSION.encode()
    except OSError:
        known = False
    if not known:
        raise StorageError(f"{path}: not a containers image directory, don't want to overwrite important data")
