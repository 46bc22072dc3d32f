"""Referrers of an image where the registry keeps no list of them (distribution-spec, "Referrers Tag Schema").

A manifest with a `subject` refers to another one. A registry that does not know that (its answer has no OCI-Subject)
leaves it to clients to keep an index of the referrers, under a tag made of the subject's digest.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from storage import documents
from storage.errors import CorruptError, ImageNotFoundError
from storage.manifests import dump

if TYPE_CHECKING:
    from storage.registry.client import RegistryClient


def subject_of(raw: bytes) -> str | None:
    """Give the digest of the manifest that this one refers to, if it does."""
    if b'"subject"' not in raw:
        return None
    subject = json.loads(raw).get("subject")
    return documents.check_digest_syntax(subject.get("digest")) if isinstance(subject, dict) else None


def tag_of(subject: str) -> str:
    """Give the tag under which the referrers of a digest are listed."""
    algorithm, _, encoded = subject.partition(":")
    return f"{algorithm[:32]}-{encoded[:64]}"


def added(client: RegistryClient, repository: str, subject: str, raw: bytes, media_type: str) -> bytes | None:
    """Give the index of a subject's referrers with this one in it; None if it is there already."""
    index: dict[str, Any] = {"schemaVersion": 2, "mediaType": documents.OCI_INDEX, "manifests": []}
    try:
        present, content_type, _ = client.manifest(repository, tag_of(subject))
    except ImageNotFoundError:
        pass
    else:
        if not isinstance(documents.parse_manifest(present, content_type), documents.Index):
            raise CorruptError(f"the tag {tag_of(subject)} of {repository} is no index of referrers")
        index = json.loads(present)
        index["manifests"] = index.get("manifests") or []
    entry = _entry(raw, media_type)
    if any(one["digest"] == entry["digest"] for one in index["manifests"]):
        return None
    index["manifests"] = [*index["manifests"], entry]
    return dump(index)


def _entry(raw: bytes, media_type: str) -> dict[str, Any]:
    document = json.loads(raw)
    entry = {"mediaType": media_type, "digest": documents.digest_of(raw), "size": len(raw)}
    kind = document.get("artifactType") or (document.get("config") or {}).get("mediaType")
    if kind:
        entry["artifactType"] = kind
    if document.get("annotations"):
        entry["annotations"] = document["annotations"]
    return entry
