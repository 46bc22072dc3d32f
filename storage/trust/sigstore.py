"""sigstoreSigned: signatures as cosign makes them with a key (ECDSA, RSA or Ed25519 over the payload, by SHA-256).

The cryptography comes from the library of that name, an optional extra that nothing else needs and that is imported
here only. Certificates (fulcio) and transparency logs (rekor) are not checked: policy.py makes them `Unsupported`.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from storage.trust import payload
from storage.trust.errors import PolicyError, RejectedError
from storage.trust.simple_signing import none_accepted
from storage.trust.strict_json import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from storage.reference import Reference
    from storage.trust.policy import SigstoreSigned

MEDIA_TYPE = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGNATURE = "dev.cosignproject.cosign/signature"


@dataclass(frozen=True)
class Attachment:
    """What is attached to an image at a registry: a layer of the manifest that is tagged `sha256-HEX.sig`."""

    media_type: str
    payload: bytes
    annotations: Mapping[str, str]


def check(
    requirement: SigstoreSigned, image: Reference | None, manifest: bytes, attachments: Iterable[Attachment]
) -> None:
    """Return if one attachment is a signature by a trusted key, on this manifest, under a name the image may have.

    Raises RejectedError with the reasons against each, PolicyError if a key cannot be read or the library is missing.
    """
    keys = [_public_key(raw) for raw in requirement.keys.read()]
    reasons = []
    others = 0
    for one in attachments:
        if one.media_type != MEDIA_TYPE:
            others += 1
            continue
        try:
            _check_one(keys, requirement, image, manifest, one)
        except RejectedError as error:
            reasons.append(str(error))
        else:
            return
    if not reasons:
        tail = f" ({others} sigstore non-signature attachments)" if others else ""
        raise RejectedError(f"A signature was required, but no signature exists{tail}")
    raise none_accepted(reasons)


def _check_one(
    keys: list[Any], requirement: SigstoreSigned, image: Reference | None, manifest: bytes, attachment: Attachment
) -> None:
    text = attachment.annotations.get(SIGNATURE)
    if text is None:
        raise RejectedError(f"missing {SIGNATURE} annotation")
    try:
        signature = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise RejectedError("invalid signature: no base64") from None
    if not any(_is_valid(key, signature, attachment.payload) for key in keys):
        raise RejectedError("cryptographic signature verification failed: invalid signature")
    claim = payload.read(attachment.payload, payload.COSIGN, null_optional=True)
    payload.check_digest(claim, manifest)
    if not requirement.identity.matches(image, claim.reference):
        raise RejectedError(f"Signature for identity {shown(claim.reference)} is not accepted")


def _public_key(raw: bytes) -> Any:
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    except ImportError:
        raise PolicyError(
            "sigstore signatures cannot be checked: the Python package cryptography is missing",
            hint="pip install 'pod-engine[sigstore]'",
        ) from None
    try:
        key = load_pem_public_key(raw)
    except (ValueError, UnsupportedAlgorithm):
        raise PolicyError("a public key of the policy is not one in PEM") from None
    if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey):
        raise PolicyError(f"a public key of the policy is of an unsupported kind: {type(key).__name__}")
    return key


def _is_valid(key: Any, signature: bytes, signed: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, signed, ec.ECDSA(SHA256()))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, signed, padding.PKCS1v15(), SHA256())
        else:
            key.verify(signature, signed)
    except InvalidSignature:
        return False
    return True
