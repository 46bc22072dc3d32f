"""signedBy: signatures of simple signing, an OpenPGP message that has the payload in it (container-signature(5))."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storage.trust import gpg, payload
from storage.trust.errors import RejectedError
from storage.trust.strict_json import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from storage.reference import Reference
    from storage.trust.policy import SignedBy


def check(
    requirement: SignedBy,
    image: Reference | None,
    manifest: bytes,
    signatures: Iterable[bytes],
    *,
    search_path: str,
) -> None:
    """Return if one of the signatures is by a trusted key, on this manifest, under a name that the image may have.

    `search_path` is where gpg is looked for.
    Raises RejectedError with the reasons against each, PolicyError if keys or gpg are missing.
    """
    reasons = []
    found = list(signatures)
    if not found:
        raise RejectedError("A signature was required, but no signature exists")
    with gpg.keyring(requirement.keys.read(), search_path) as keyring:
        for one in found:
            try:
                _check_one(keyring, requirement, image, manifest, one)
            except RejectedError as error:
                reasons.append(str(error))
            else:
                return
    raise none_accepted(reasons)


def none_accepted(reasons: list[str]) -> RejectedError:
    """Make one error of the reasons against each signature."""
    if len(reasons) == 1:
        return RejectedError(reasons[0])
    return RejectedError(f"None of the signatures were accepted, reasons: {'; '.join(reasons)}")


def _check_one(
    keyring: gpg.Keyring, requirement: SignedBy, image: Reference | None, manifest: bytes, signature: bytes
) -> None:
    claim = payload.read(keyring.verified(signature), payload.SIMPLE_SIGNING)
    payload.check_digest(claim, manifest)
    if not requirement.identity.matches(image, claim.reference):
        raise RejectedError(f"Signature for identity {shown(claim.reference)} is not accepted")
