"""An image at a registry, as a place to read it from."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storage.documents import Descriptor
    from storage.reference import Reference
    from storage.registry.client import RegistryClient


class RegistryOrigin:
    """The image that a reference names at its registry (transports/protocols.py: Origin)."""

    transport = "docker"

    def __init__(self, client: RegistryClient, reference: Reference) -> None:
        self._client = client
        self._reference = reference

    @property
    def scope(self) -> str:
        """The full reference."""
        return str(self._reference)

    def manifest(self, digest: str | None = None) -> tuple[bytes, str, str]:
        """Fetch the manifest or index that is named, or one by digest."""
        reference = self._reference
        return self._client.manifest(reference.path, digest or reference.digest or reference.tag or "latest")

    def blob(self, descriptor: Descriptor) -> bytes:
        """Fetch a small blob."""
        return self._client.blob(self._reference.path, descriptor)

    def open_blob(self, descriptor: Descriptor, *, offset: int = 0) -> Iterator[bytes]:
        """Fetch a blob; broken connections are resumed."""
        return self._client.open_blob(self._reference.path, descriptor, offset=offset)

    def tagged(self, tag: str) -> RegistryOrigin:
        """Give another image of the same repository, where signatures may be."""
        return RegistryOrigin(self._client, self._reference.with_tag(tag))

    def fresh(self) -> RegistryOrigin:
        """Give one with connections of its own."""
        return RegistryOrigin(self._client.fresh(), self._reference)

    def close(self) -> None:
        """Close idle connections."""
        self._client.close()
