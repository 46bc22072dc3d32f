"""What is attached to an image at its registry: layers of a manifest with the tag `sha256-HEX.sig`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storage import documents
from storage.errors import CorruptError, ImageNotFoundError
from storage.trust.sigstore import Attachment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storage.registry.origin import RegistryOrigin

MAX_ATTACHMENTS = 128


def read(origin: RegistryOrigin, digest: str) -> Iterator[Attachment]:
    """Yield what is attached to a manifest of the origin's repository. Raises StorageError for a bad answer."""
    place = origin.tagged(f"{digest.replace(':', '-', 1)}.sig")
    try:
        raw, content_type, _ = place.manifest()
    except ImageNotFoundError:
        return
    document = documents.parse_manifest(raw, content_type)
    if not isinstance(document, documents.Manifest) or document.media_type != documents.OCI_MANIFEST:
        raise CorruptError(f"unexpected media type for sigstore attachment manifest {place.scope}")
    if len(document.layers) > MAX_ATTACHMENTS:
        raise CorruptError(f"{place.scope}: more than {MAX_ATTACHMENTS} attachments")
    for layer in document.layers:
        yield Attachment(layer.media_type, place.blob(layer), layer.annotations)
