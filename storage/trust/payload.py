"""What a signature says: that a manifest of this digest is the image of this name (container-signature(5)).

Both kinds of signatures sign such a document. It is a stranger's until its signature was checked, and read strictly
also then: what is not understood in it might limit what it says.
"""

from __future__ import annotations

from dataclasses import dataclass

from storage import documents
from storage.errors import CorruptError
from storage.trust import strict_json
from storage.trust.errors import RejectedError
from storage.trust.strict_json import quoted

SIMPLE_SIGNING = "atomic container signature"
COSIGN = "cosign container image signature"
_MAX_INTEGER = 1 << 63


@dataclass(frozen=True)
class Claim:
    """A digest of a manifest and the name that its signer gave it."""

    digest: str
    reference: str


def read(raw: bytes, kind: str, *, null_optional: bool = False) -> Claim:
    """Read a payload of this type; `null_optional` takes null for an empty `optional`. Raises RejectedError."""
    try:
        return _claim(strict_json.parse(raw), kind, null_optional=null_optional)
    except (ValueError, CorruptError) as error:
        raise RejectedError(f"invalid signature payload: {error}") from None


def check_digest(claim: Claim, raw: bytes) -> None:
    """Raise RejectedError unless the claim is on these bytes of a manifest."""
    try:
        documents.check_digest(raw, claim.digest, "")
    except CorruptError:
        raise RejectedError(f"Signature for digest {claim.digest} does not match") from None


def _claim(document: object, kind: str, *, null_optional: bool) -> Claim:
    top = strict_json.members(document, ("critical", "optional"))
    critical = strict_json.members(top.get("critical"), ("type", "image", "identity"))
    if strict_json.text(critical, "type") != kind:
        raise ValueError(f"Unrecognized signature type {quoted(critical['type'])}")
    image = strict_json.members(critical.get("image"), ("docker-manifest-digest",))
    identity = strict_json.members(critical.get("identity"), ("docker-reference",))
    digest = documents.check_digest_syntax(strict_json.text(image, "docker-manifest-digest"))
    if not (null_optional and top.get("optional") is None):
        _check_optional(top.get("optional"))
    return Claim(digest, strict_json.text(identity, "docker-reference"))


def _check_optional(value: object) -> None:
    """Refuse known members of a wrong kind; unknown ones may stand there."""
    found = strict_json.members(value, (), open_ended=True)
    if not isinstance(found.get("creator", ""), str):
        raise ValueError('Key "creator" must be a string')
    timestamp = found.get("timestamp", 0)
    if isinstance(timestamp, float) and timestamp.is_integer():
        timestamp = int(timestamp)
    if type(timestamp) is not int or not -_MAX_INTEGER <= timestamp < _MAX_INTEGER:
        raise ValueError('Key "timestamp" must be an integer')
