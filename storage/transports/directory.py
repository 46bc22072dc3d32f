"""An image whose files lie in a directory by their digests (`dir:`): reading it. Source: containers-transports(5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storage import documents
from storage.transports.files import read, read_blob
from storage.transports.oci import sized

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storage.documents import Descriptor
    from storage.transports.files import Files

MANIFEST = "manifest.json"
VERSION = "Directory Transport Version: 1.1\n"


class DirectoryOrigin:
    """The image of a directory (transports/protocols.py: Origin); the files are the caller's to close."""

    transport = "dir"

    def __init__(self, files: Files) -> None:
        self._files = files

    @property
    def scope(self) -> str:
        """The path of the directory."""
        return self._files.path

    def manifest(self, digest: str | None = None) -> tuple[bytes, str, str]:
        """Read the manifest or index, or one that the index names."""
        if digest is None:
            raw = read(self._files, MANIFEST, documents.MAX_DOCUMENT)
            return raw, "", documents.digest_of(raw)
        raw = read(self._files, f"{blob_name(digest)}.{MANIFEST}", documents.MAX_DOCUMENT)
        documents.check_digest(raw, digest, "manifest")
        return raw, "", digest

    def blob(self, descriptor: Descriptor) -> bytes:
        """Read a small blob."""
        return read_blob(self._files, blob_name(descriptor.digest), descriptor)

    def open_blob(self, descriptor: Descriptor, *, offset: int = 0) -> Iterator[bytes]:
        """Read a blob."""
        return sized(self._files, blob_name(descriptor.digest), descriptor, offset)

    def fresh(self) -> DirectoryOrigin:
        """Give the same: files are read by offset."""
        return self

    def close(self) -> None:
        """Nothing of its own is open."""


def blob_name(digest: str) -> str:
    """Give the name of a blob: the digest without its algorithm."""
    return documents.check_digest_syntax(digest).partition(":")[2]
