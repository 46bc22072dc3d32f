"""policy.json: what is required of an image by where it comes from, read strictly (containers-policy.json(5)).

A member that is unknown, there twice or of the wrong kind makes the whole file invalid, and then nothing is let in.
"""

from __future__ import annotations

import base64
import binascii
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from storage.trust import identity, scopes, strict_json
from storage.trust.errors import PolicyError
from storage.trust.strict_json import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from storage.trust.identity import Identity

MAX_SIZE = 4 << 20
_KEY_TYPES = ("GPGKeys", "signedByGPGKeys", "X509Certificates", "signedByX509CAs")
_PUBLIC_KEYS = ("keyPath", "keyPaths", "keyData", "keyDatas")
# What sigstoreSigned may demand beside keys, and we cannot check: certificates and the transparency log.
_SIGSTORE_UNSUPPORTED = (
    "fulcio",
    "pki",
    "rekorPublicKeyPath",
    "rekorPublicKeyPaths",
    "rekorPublicKeyData",
    "rekorPublicKeyDatas",
)


@dataclass(frozen=True)
class Keys:
    """Public keys: in files that are read when they are needed, or in the policy itself."""

    paths: tuple[str, ...] = ()
    data: tuple[bytes, ...] = ()

    def read(self) -> list[bytes]:
        """Give the content of each. Raises PolicyError for a file that cannot be read."""
        return [read(path) for path in self.paths] + list(self.data)


@dataclass(frozen=True)
class AcceptAnything:
    """insecureAcceptAnything."""


@dataclass(frozen=True)
class Reject:
    """reject."""


@dataclass(frozen=True)
class SignedBy:
    """A signature of simple signing by one of these OpenPGP keys."""

    keys: Keys
    identity: Identity = identity.DEFAULT


@dataclass(frozen=True)
class SigstoreSigned:
    """A signature of sigstore by one of these public keys (PEM)."""

    keys: Keys
    identity: Identity = identity.DEFAULT


@dataclass(frozen=True)
class Unsupported:
    """A requirement that is valid, but that nothing here can check: no image fulfils it."""

    what: str


Requirement = AcceptAnything | Reject | SignedBy | SigstoreSigned | Unsupported
Requirements = tuple[Requirement, ...]


@dataclass(frozen=True)
class Policy:
    """Requirements for everything, and for scopes of transports."""

    default: Requirements
    transports: Mapping[str, Mapping[str, Requirements]] = field(default_factory=dict)

    def requirements(self, transport: str, name: str) -> Requirements:
        """Give what is required of what a transport calls by this name: the most specific scope counts, alone."""
        found = self.transports.get(transport, {})
        for scope in (*scopes.of(transport, name), ""):
            if scope in found:
                return found[scope]
        return self.default


def is_rejected(policy: Policy, name: str) -> bool:
    """Tell whether a scope of `docker` names this image, or what it lies below, and is one that rejects."""
    named = policy.transports.get("docker", {})
    found = next((named[scope] for scope in scopes.of("docker", name) if scope in named), ())
    return any(isinstance(one, Reject) for one in found)


ACCEPT_ANYTHING = Policy((AcceptAnything(),))


def load(path: str) -> Policy:
    """Read a policy file. Raises PolicyError."""
    return parse(read(path), path)


def parse(raw: bytes, path: str = "policy.json") -> Policy:
    """Read a policy; `path` is for messages. Raises PolicyError."""
    try:
        return _policy(strict_json.parse(raw))
    except ValueError as error:
        raise PolicyError(
            f'invalid policy in "{path}": {error}', hint="see containers-policy.json(5); nothing is let in until then"
        ) from None


def find(candidates: Sequence[str]) -> str | None:
    """Choose the first policy file that is there."""
    return next((path for path in candidates if os.path.lexists(path)), None)


def read(path: str) -> bytes:
    """Give what is in a file of limited size. Raises PolicyError."""
    try:
        with open(path, "rb") as file:
            raw = file.read(MAX_SIZE + 1)
    except OSError as error:
        raise PolicyError(f"open {path}: {(error.strerror or str(error)).lower()}") from None
    if len(raw) > MAX_SIZE:
        raise PolicyError(f"{path}: larger than {MAX_SIZE >> 20} MiB")
    return raw


def _policy(document: object) -> Policy:
    found = strict_json.members(document, ("default", "transports"))
    if "default" not in found:
        raise ValueError("Default policy is missing")
    default = _requirements(found["default"])
    transports = {}
    for transport, by_scope in strict_json.members(found.get("transports", {}), (), open_ended=True).items():
        transports[transport] = _scopes(transport, by_scope)
    return Policy(default, transports)


def _scopes(transport: str, value: object) -> dict[str, Requirements]:
    found = {}
    for scope, requirements in strict_json.members(value, (), open_ended=True).items():
        if scope:
            scopes.check(transport, scope)
        found[scope] = _requirements(requirements)
    return found


def _requirements(value: object) -> Requirements:
    if not isinstance(value, list):
        raise ValueError("JSON array of policy requirements expected")
    if not value:
        raise ValueError("List of verification policy requirements must not be empty")
    return tuple(_requirement(one) for one in value)


def _requirement(value: object) -> Requirement:
    kind = strict_json.members(value, (), open_ended=True).get("type", "")
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    if reader is None:
        raise ValueError(f"Unknown policy requirement type {quoted(kind)}")
    return reader(value)


def _accept_anything(value: object) -> Requirement:
    strict_json.members(value, ("type",))
    return AcceptAnything()


def _reject(value: object) -> Requirement:
    strict_json.members(value, ("type",))
    return Reject()


def _signed_base_layer(value: object) -> Requirement:
    found = strict_json.members(value, ("type", "baseLayerIdentity"))
    identity.read(found.get("baseLayerIdentity"))
    return Unsupported("signedBaseLayer")


def _signed_by(value: object) -> Requirement:
    found = strict_json.members(value, ("type", "keyType", "keyPath", "keyPaths", "keyData", "signedIdentity"))
    keys = _keys(found, ("keyPath", "keyPaths", "keyData"))
    kind = strict_json.text(found, "keyType")
    if kind not in _KEY_TYPES:
        raise ValueError(f"Unrecognized keyType value {quoted(kind)}")
    wanted = _identity(found)
    return SignedBy(keys, wanted) if kind == "GPGKeys" else Unsupported(f"signedBy with keyType {kind}")


def _sigstore_signed(value: object) -> Requirement:
    found = strict_json.members(value, ("type", *_PUBLIC_KEYS, *_SIGSTORE_UNSUPPORTED, "signedIdentity"))
    wanted = _identity(found)
    demanded = [name for name in _SIGSTORE_UNSUPPORTED if name in found]
    if demanded:
        return Unsupported(f"sigstoreSigned with {demanded[0]}")
    return SigstoreSigned(_keys(found, _PUBLIC_KEYS), wanted)


def _identity(found: dict[str, Any]) -> Identity:
    return identity.read(found["signedIdentity"]) if "signedIdentity" in found else identity.DEFAULT


def _keys(found: dict[str, Any], names: tuple[str, ...]) -> Keys:
    given = [name for name in names if name in found]
    if len(given) != 1:
        count = "more than one present" if given else "none of them present"
        raise ValueError(f"Exactly one of {', '.join(names[:-1])} and {names[-1]} must be specified, {count}")
    name = given[0]
    values = _texts(found[name], name) if name.endswith("s") else [strict_json.text(found, name)]
    if name.startswith("keyPath"):
        if any(not path or "\0" in path for path in values):
            raise ValueError(f"Key {quoted(name)} is no path")
        return Keys(paths=tuple(values))
    return Keys(data=tuple(_decoded(one, name) for one in values))


def _texts(value: object, name: str) -> list[str]:
    if not isinstance(value, list) or not value or any(not isinstance(one, str) for one in value):
        raise ValueError(f"Key {quoted(name)} must be an array of strings that is not empty")
    return value


def _decoded(text: str, name: str) -> bytes:
    try:
        return base64.b64decode(text.replace("\r", "").replace("\n", ""), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"Key {quoted(name)}: illegal base64 data") from None


_READERS: dict[str, Callable[[object], Requirement]] = {
    "insecureAcceptAnything": _accept_anything,
    "reject": _reject,
    "signedBy": _signed_by,
    "signedBaseLayer": _signed_base_layer,
    "sigstoreSigned": _sigstore_signed,
}
