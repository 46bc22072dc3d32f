"""An image at a registry, as a place to read it from: at the registry's mirrors, too, as registries.conf says."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from storage.errors import StorageError
from storage.registry.client import RegistryClient
from storage.registry.failures import prefixed

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from storage.documents import Descriptor
    from storage.reference import Reference
    from storage.registry.configuration import Endpoint
    from storage.registry.options import RegistryOptions

T = TypeVar("T")


class Clients:
    """The clients of one command, one for each registry."""

    def __init__(self, options: RegistryOptions) -> None:
        self.options = options
        self._clients: dict[tuple[str, bool, bool], RegistryClient] = {}

    def of(self, endpoint: Endpoint, reference: Reference) -> RegistryClient:
        """Return the client for a place where a reference's image may be. Raises BlockedError.

        Credentials from the command line are meant for the registry that the user named, not for its mirrors.
        """
        if endpoint.blocked_by:
            raise self.options.configuration.blocked(endpoint.blocked_by)
        domain = endpoint.reference.domain
        key = (domain, endpoint.insecure, domain == reference.domain)
        if key not in self._clients:
            options = self.options.trusting(insecure=endpoint.insecure)
            if domain != reference.domain:
                options = replace(options, credentials=None)
            self._clients[key] = RegistryClient(domain, options)
        return self._clients[key]

    def fresh(self) -> Clients:
        """Give clients with connections of their own that know what these have learned."""
        other = Clients(self.options)
        other._clients = {key: client.fresh() for key, client in self._clients.items()}
        return other

    def close(self) -> None:
        """Close idle connections."""
        for client in self._clients.values():
            client.close()


class RegistryOrigin:
    """The image that a reference names at its registry (transports/protocols.py: Origin).

    The places that may have it are asked in order; one that serves is asked on, until it fails. What is fetched by
    digest may come from anywhere, for its reader verifies it.
    """

    transport = "docker"

    def __init__(self, clients: Clients, reference: Reference) -> None:
        self._clients = clients
        self._reference = reference
        self._endpoints = clients.options.configuration.endpoints(reference)
        self._failures: list[tuple[str, StorageError]] = []
        self._note(f'Trying to access "{self._endpoints[0].reference}"')

    @property
    def scope(self) -> str:
        """The full reference, as the user means it."""
        return str(self._reference)

    def manifest(self, digest: str | None = None) -> tuple[bytes, str, str]:
        """Fetch the manifest or index that is named, or one by digest."""

        def fetch(client: RegistryClient, name: Reference) -> tuple[bytes, str, str]:
            return client.manifest(name.path, digest or name.digest or name.tag or "latest")

        try:
            return self._first(fetch)
        except StorageError as error:
            raise prefixed(error, f"initializing source docker://{self._reference}") from None

    def blob(self, descriptor: Descriptor) -> bytes:
        """Fetch a small blob."""
        return self._first(lambda client, name: client.blob(name.path, descriptor))

    def open_blob(self, descriptor: Descriptor, *, offset: int = 0) -> Iterator[bytes]:
        """Fetch a blob; broken connections are resumed, if need be at the next place."""
        while True:
            try:
                client = self._clients.of(self._endpoints[0], self._reference)
                for chunk in client.open_blob(self._endpoints[0].reference.path, descriptor, offset=offset):
                    offset += len(chunk)
                    yield chunk
            except StorageError as error:
                self._next(error)
            else:
                return

    def tags(self) -> list[str]:
        """Fetch the tags of the repository."""
        return self._first(lambda client, name: list(client.tags(name.path)))

    def tagged(self, tag: str) -> RegistryOrigin:
        """Give another image of the same repository, where signatures may be."""
        return RegistryOrigin(self._clients, self._reference.with_tag(tag))

    def open_part(self, descriptor: Descriptor, start: int, end: int) -> Generator[bytes]:
        """Fetch a part of a blob from the place that serves; NoRangesError if it sends blobs only whole."""
        endpoint = self._endpoints[0]
        client = self._clients.of(endpoint, self._reference)
        return client.open_part(endpoint.reference.path, descriptor, start, end)

    def fresh(self) -> RegistryOrigin:
        """Give one with connections of its own."""
        other = copy(self)
        other._clients = self._clients.fresh()
        other._endpoints, other._failures = list(self._endpoints), list(self._failures)
        return other

    def close(self) -> None:
        """Close idle connections."""
        self._clients.close()

    def _first(self, fetch: Callable[[RegistryClient, Reference], T]) -> T:
        while True:
            endpoint = self._endpoints[0]
            try:
                return fetch(self._clients.of(endpoint, self._reference), endpoint.reference)
            except StorageError as error:
                self._next(error)

    def _next(self, error: StorageError) -> None:
        """Go on with the next place; raise what tells of all if this was the last."""
        name = str(self._endpoints[0].reference)
        if len(self._endpoints) > 1:
            self._failures.append((name, error))
            del self._endpoints[0]
            self._note(f'Accessing "{name}" failed: {error}')
            self._note(f'Trying to access "{self._endpoints[0].reference}"')
            return
        if not self._failures:
            raise error
        mirrors = " ".join(f"[{mirror}: {failure}]" for mirror, failure in self._failures)
        raise prefixed(error, f"(Mirrors also failed: {mirrors}): {name}") from None

    def _note(self, text: str) -> None:
        if self._clients.options.note is not None:
            self._clients.options.note(text)
