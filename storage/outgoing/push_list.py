"""Pushing a list of manifests: its members first, from the store or from where they are, then the list itself."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from storage import documents, images
from storage.errors import CorruptError, StorageError
from storage.lists import LOCAL
from storage.manifests import dump
from storage.transports.protocols import SharedDestination

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from storage.documents import Descriptor
    from storage.images import Image
    from storage.lists import ManifestList
    from storage.outgoing.image import Request, Sent
    from storage.store import Store
    from storage.transfer import Progress
    from storage.transports.protocols import Destination, Origin


def push_list(
    store: Store,
    found: ManifestList,
    destination: Destination,
    send: Callable[[Image, Request], Sent],
    request: Request,
    *,
    open_origin: Callable[[str], Origin],
    all: bool,
    progress: Progress,
) -> str:
    """Write a list to a destination and finish it; give the digest that it has there.

    `send` sends an image of the store. Members that change on their way change the list that is written, not the one
    in the store. Without `all` the destination must have the members already. Raises StorageError.
    """
    document = copy.deepcopy(found.document)
    members = document["manifests"]
    if all:
        progress.note("Getting image list signatures")
        progress.note(f"Copying {len(members)} of {len(members)} images in list")
    for number, member in enumerate(members, 1):
        if not all:
            continue
        progress.note(f"Copying image {member['digest']} ({number}/{len(members)})")
        source = found.sources.get(member["digest"], "")
        if source.startswith(LOCAL):
            sent = send(_image(store, source.removeprefix(LOCAL), member["digest"]), request)
            destination.put_manifest(sent.raw, sent.media_type, sent.digest)
            member.update(mediaType=sent.media_type, digest=sent.digest, size=len(sent.raw))
            continue
        origin = open_origin(source)
        try:
            _copy(origin, destination, member["digest"], progress)
        finally:
            origin.close()
    raw, media_type = _written(document, request.format)
    progress.note("Writing manifest list to image destination")
    destination.finish(raw, media_type)
    return documents.digest_of(raw)


def _image(store: Store, image_id: str, digest: str) -> Image:
    try:
        return images.load(store, image_id)
    except StorageError:
        raise StorageError(f"image {image_id}, which the list has as {digest}, was removed") from None


def _copy(origin: Origin, destination: Destination, digest: str, progress: Progress) -> None:
    """Copy a member from where it is as it is."""
    raw, content_type, _ = origin.manifest(digest)
    document = documents.parse_manifest(raw, content_type)
    if not isinstance(document, documents.Manifest):
        raise CorruptError(f"manifest {digest}: an index within a list is not supported")
    for blob in (*document.layers, document.config):
        if blob.urls and any(word in blob.media_type for word in ("nondistributable", "foreign")):
            continue
        progress.layer(blob.digest, blob.size)
        if destination.has_blob(blob):
            progress.state(blob.digest, "exists")
            continue
        if isinstance(destination, SharedDestination):
            destination.send_blob(blob, lambda offset, blob=blob: _counted(origin, blob, offset, progress))  # type: ignore[misc]
        else:
            destination.put_blob(blob, _counted(origin, blob, 0, progress))
        progress.state(blob.digest, "done")
    destination.put_manifest(raw, document.media_type, digest)


def _counted(origin: Origin, blob: Descriptor, offset: int, progress: Progress) -> Iterator[bytes]:
    for chunk in origin.open_blob(blob, offset=offset):
        progress.bytes(blob.digest, len(chunk))
        yield chunk


def _written(document: dict[str, Any], format: str | None) -> tuple[bytes, str]:
    """Give the list's bytes in the family that is asked for; docker's knows no annotations, OCI's no features."""
    docker = format == "v2s2" or (format is None and document["mediaType"] == documents.DOCKER_LIST)
    document["mediaType"] = documents.DOCKER_LIST if docker else documents.OCI_INDEX
    if docker:
        for name in ("annotations", "subject", "artifactType"):
            document.pop(name, None)
    for member in document["manifests"] or ():
        if docker:
            member.pop("annotations", None)
        else:
            (member.get("platform") or {}).pop("features", None)
    return dump(document), document["mediaType"]
