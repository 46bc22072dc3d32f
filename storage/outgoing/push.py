"""Pushing an image to a registry: what it has or can mount is not sent, and what was pulled keeps its digests."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from storage import places
from storage.errors import RegistryError, StorageError
from storage.outgoing.image import Request, Sent, send_image
from storage.reference import normalize
from storage.registry.destination import RegistryDestination
from storage.registry.origin import Clients, RegistryOrigin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storage.documents import Descriptor
    from storage.images import Image
    from storage.reference import Reference
    from storage.registry.options import RegistryOptions
    from storage.store import Store
    from storage.transfer import Progress

# Where a blob once was is asked once: if it does not answer, the layer is made again.
_PATIENCE = 5.0


def push(
    store: Store,
    image: Image,
    reference: Reference,
    *,
    options: RegistryOptions,
    request: Request | None = None,
    progress: Progress | None = None,
) -> str:
    """Copy an image to the registry of a reference under that name; give the digest of its manifest there.

    `request` as for `copy_out`, its `original` apart. Raises StorageError.
    """
    pusher = Pusher(store, reference, options, progress)
    try:
        sent = pusher.send(image, request or Request())
        pusher.destination.finish(sent.raw, sent.media_type)
    finally:
        pusher.destination.close()
    return sent.digest


class Pusher:
    """The sending of one image, or of all members of a list, to one repository."""

    def __init__(self, store: Store, reference: Reference, options: RegistryOptions, progress: Progress | None) -> None:
        self._store = store
        self._reference = reference
        self._options = options
        self._progress = progress
        self._places: dict[str, list[tuple[str, str]]] = {}
        # Mirrors are for reading only: the last is the registry itself, wherever it has moved.
        endpoint = options.configuration.endpoints(reference)[-1]
        self._moved = endpoint.reference != reference
        client = Clients(options).of(endpoint, reference)
        self.destination = RegistryDestination(client, endpoint.reference, options, self._repositories)

    def send(self, image: Image, request: Request) -> Sent:
        """Send all blobs of an image, and remember where they are now; its manifest is left to the caller."""
        originals = Originals(self._store, image, self._options, self._reference.domain)
        self._places = originals.places
        asked = replace(request, original=originals)
        sent = send_image(self._store, image, self.destination, asked, self._progress)
        places.record(self._store, [one.digest for _, one in sent.layers], self._reference)
        return sent

    def _repositories(self, digest: str) -> list[str]:
        if self._moved:
            return []
        return [repository for domain, repository in self._places.get(digest, ()) if domain == self._reference.domain]


class Originals:
    """Reads the blobs of an image's layers from the repositories in which they were seen.

    Made where the database may be asked; called in the processes of layers. Credentials and such of the command are for
    `domain` alone.
    """

    def __init__(self, store: Store, image: Image, options: RegistryOptions, domain: str = "") -> None:
        self.places = places.of_image(store, image.id)
        self._options = options
        self._domain = domain

    def __call__(self, blob: Descriptor) -> Iterator[bytes]:
        """Yield a blob, unverified. Raises RegistryError if it is nowhere to be had."""
        for domain, repository in self.places.get(blob.digest, ()):
            origin = RegistryOrigin(Clients(self._options_for(domain)), normalize(f"{domain}/{repository}"))
            try:
                chunks = origin.open_blob(blob)
                first = next(chunks, b"")
            except StorageError:
                continue
            else:
                yield first
                yield from chunks
                return
            finally:
                origin.close()
        raise RegistryError(f"blob {blob.digest}: not to be had where it was seen")

    def _options_for(self, domain: str) -> RegistryOptions:
        if domain == self._domain:
            return self._options
        return replace(
            self._options,
            credentials=None,
            cert_dir=None,
            tls_verify=None,
            retries=0,
            connect_timeout=min(self._options.connect_timeout, _PATIENCE),
        )
