"""An image at a registry, as a place to write it to."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from storage import documents
from storage.errors import RegistryError, StorageError
from storage.registry import referrers
from storage.registry.failures import prefixed
from storage.registry.transport import discard
from storage.registry.uploads import Session, Uploader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from storage.documents import Descriptor
    from storage.reference import Reference
    from storage.registry.client import RegistryClient
    from storage.registry.options import RegistryOptions

    Places = Callable[[str], Sequence[str]]

_MOUNTS = 3


class RegistryDestination:
    """The image that a reference will name at its registry (transports/protocols.py: SharedDestination).

    `places` gives the repositories of this registry in which a blob was seen: from there it can be mounted.
    """

    manifest_types = (documents.OCI_MANIFEST, documents.DOCKER_MANIFEST, *documents.INDEX_TYPES)
    plain_layers = False

    def __init__(
        self, client: RegistryClient, reference: Reference, options: RegistryOptions, places: Places | None = None
    ) -> None:
        self._client = client
        self._reference = reference
        self._options = options
        self._places = places or _nowhere
        self._repository = reference.path
        self._uploader = Uploader(client, self._repository, retries=options.retries, retry_delay=options.retry_delay)
        self._begun: dict[str, Session] = {}

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Ask for the blob, then whether it can be mounted from another repository."""
        digest = descriptor.digest
        where = f"{self._client.domain}/{self._repository}"
        what = f"trying to reuse blob {digest} at destination: checking whether a blob {digest} exists in {where}"
        answer = self._client.request(
            "HEAD", self._repository, f"blobs/{digest}", what=what, scope=self._scope, accepted=(HTTPStatus.NOT_FOUND,)
        )
        discard(answer)
        if answer.status == HTTPStatus.OK:
            return True
        others = [one for one in self._places(digest) if one != self._repository]
        return any(self._mount(digest, source) for source in others[:_MOUNTS])

    def put_blob(self, descriptor: Descriptor, chunks: Iterator[bytes]) -> None:
        """Write a blob that is in memory or may be: the chunks are kept until it is there."""
        data = b"".join(chunks)
        documents.check_digest(data, descriptor.digest, f"blob {descriptor.digest}")
        self.send_blob(descriptor, lambda offset: iter([data[offset:]]))

    def send_blob(self, descriptor: Descriptor, open_at: Callable[[int], Iterator[bytes]]) -> None:
        """Upload a blob, in the upload that a refused mount has begun if there is one."""
        try:
            self._uploader.send(descriptor, open_at, self._begun.pop(descriptor.digest, None))
        except StorageError as error:
            raise prefixed(error, "writing blob") from None

    def put_manifest(self, raw: bytes, media_type: str, digest: str) -> None:
        """Write a manifest by its digest."""
        self._put(raw, media_type, digest)

    def finish(self, raw: bytes, media_type: str) -> None:
        """Write the manifest or index, and have the tag name it."""
        self._put(raw, media_type, self._reference.digest or self._reference.tag or "latest")

    def put_tag(self, raw: bytes, media_type: str, tag: str) -> None:
        """Write a manifest, and have another tag of the repository name it."""
        self._put(raw, media_type, tag)

    def fresh(self) -> RegistryDestination:
        """Give one with connections of its own, which knows of no other repositories: that is in the database."""
        other = RegistryDestination(self._client.fresh(), self._reference, self._options)
        other._begun = dict(self._begun)
        return other

    def close(self) -> None:
        """Close idle connections, and take back the uploads that nothing came of."""
        for session in self._begun.values():
            self._uploader.cancel(session)
        self._begun.clear()
        self._client.close()

    @property
    def _scope(self) -> str:
        return f"repository:{self._repository}:pull,push"

    def _mount(self, digest: str, source: str) -> bool:
        try:
            session = self._uploader.begin(digest, source)
        except StorageError:
            return False  # no access to that repository: the blob is sent
        if session is None:
            return True
        if digest in self._begun:
            self._uploader.cancel(session)
        else:
            self._begun[digest] = session
        return False

    def _put(self, raw: bytes, media_type: str, name: str) -> None:
        what = f"writing manifest: uploading manifest {name} to {self._client.domain}/{self._repository}"
        answer = self._client.request(
            "PUT",
            self._repository,
            f"manifests/{name}",
            what=what,
            headers={"Content-Type": media_type},
            body=raw,
            scope=self._scope,
        )
        discard(answer)
        if answer.status not in (HTTPStatus.CREATED, HTTPStatus.OK, HTTPStatus.ACCEPTED):
            raise RegistryError(f"{what}: unexpected answer: HTTP status {answer.status}")
        subject = referrers.subject_of(raw)
        if subject is not None and not answer.headers.get("OCI-Subject"):
            index = referrers.added(self._client, self._repository, subject, raw, media_type)
            if index is not None:
                self._put(index, documents.OCI_INDEX, referrers.tag_of(subject))


def _nowhere(_: str) -> Sequence[str]:
    return ()
