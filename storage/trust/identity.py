"""signedIdentity: which image a signature may speak of (containers-policy.json(5), signedBy)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from storage.errors import BadReferenceError
from storage.reference import Reference, parse
from storage.trust import strict_json
from storage.trust.strict_json import quoted

if TYPE_CHECKING:
    from collections.abc import Callable

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PREFIX = re.compile(rf"{_LABEL}(?:\.{_LABEL})*(?::[0-9]+)?(?:/{_COMPONENT})*")


class Identity(Protocol):
    """Decides on the name that a signature claims."""

    def matches(self, image: Reference | None, claimed: str) -> bool:
        """Tell whether a signature for `claimed` is one for the image; None is an image without a docker name."""


@dataclass(frozen=True)
class MatchExact:
    """The same name, with tag or digest."""

    def matches(self, image: Reference | None, claimed: str) -> bool:
        """Compare both; a name without tag and digest is none."""
        signed = _claimed(claimed)
        return image is not None and signed is not None and _is_exact(image, signed)


@dataclass(frozen=True)
class MatchRepoDigestOrExact:
    """The same name; for an image asked for by digest, the same repository (the digest was checked already)."""

    def matches(self, image: Reference | None, claimed: str) -> bool:
        """Compare as said."""
        signed = _claimed(claimed)
        return image is not None and signed is not None and _is_repo_digest_or_exact(image, signed)


@dataclass(frozen=True)
class MatchRepository:
    """The same repository under any tag."""

    def matches(self, image: Reference | None, claimed: str) -> bool:
        """Compare the repositories."""
        signed = _claimed(claimed)
        return image is not None and signed is not None and signed.name == image.name


@dataclass(frozen=True)
class ExactReference:
    """One name, whatever the image is called."""

    reference: Reference

    def matches(self, image: Reference | None, claimed: str) -> bool:
        """Compare the claim with the name."""
        signed = _claimed(claimed)
        return signed is not None and _is_exact(self.reference, signed)


@dataclass(frozen=True)
class ExactRepository:
    """One repository, whatever the image is called."""

    repository: Reference

    def matches(self, image: Reference | None, claimed: str) -> bool:
        """Compare the claim's repository with it."""
        signed = _claimed(claimed)
        return signed is not None and signed.name == self.repository.name


@dataclass(frozen=True)
class RemapIdentity:
    """The image's own name with another beginning: that of a mirror for that of its origin."""

    prefix: str
    signed_prefix: str

    def matches(self, image: Reference | None, claimed: str) -> bool:
        """Compare as MatchRepoDigestOrExact, with the prefix replaced where the image has it."""
        signed = _claimed(claimed)
        if image is None or signed is None:
            return False
        if image.name == self.prefix or image.name.startswith(f"{self.prefix}/"):
            try:
                image = parse(self.signed_prefix + str(image)[len(self.prefix) :])
            except BadReferenceError:
                return False
        return _is_repo_digest_or_exact(image, signed)


DEFAULT: Identity = MatchRepoDigestOrExact()


def read(value: object) -> Identity:
    """Read a signedIdentity of a policy. Raises ValueError."""
    kind = strict_json.members(value, (), open_ended=True).get("type", "")
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    if reader is None:
        raise ValueError(f"Unknown policy reference match type {quoted(kind)}")
    names, make = reader
    found = strict_json.members(value, ("type", *names))
    return make(*(strict_json.text(found, name) for name in names))


def _exact_reference(text: str) -> Identity:
    reference = _parsed("dockerReference", text)
    if reference.tag is None and reference.digest is None:
        raise ValueError(f"dockerReference {text} contains neither a tag nor digest")
    return ExactReference(reference)


def _exact_repository(text: str) -> Identity:
    return ExactRepository(_parsed("dockerRepository", text))


def _remap(prefix: str, signed_prefix: str) -> Identity:
    for one in (prefix, signed_prefix):
        if not _PREFIX.fullmatch(one):
            raise ValueError(f"prefix {quoted(one)} is not valid")
    return RemapIdentity(prefix, signed_prefix)


def _parsed(name: str, text: str) -> Reference:
    try:
        return parse(text)
    except BadReferenceError as error:
        raise ValueError(f"Invalid format of {name} {quoted(text)}: {error}") from None


_READERS: dict[str, tuple[tuple[str, ...], Callable[..., Identity]]] = {
    "matchExact": ((), MatchExact),
    "matchRepoDigestOrExact": ((), MatchRepoDigestOrExact),
    "matchRepository": ((), MatchRepository),
    "exactReference": (("dockerReference",), _exact_reference),
    "exactRepository": (("dockerRepository",), _exact_repository),
    "remapIdentity": (("prefix", "signedPrefix"), _remap),
}


def _claimed(text: str) -> Reference | None:
    try:
        return parse(text)
    except BadReferenceError:
        return None


def _is_exact(image: Reference, signed: Reference) -> bool:
    return _has_version(image) and _has_version(signed) and image == signed


def _is_repo_digest_or_exact(image: Reference, signed: Reference) -> bool:
    if not _has_version(image) or not _has_version(signed):
        return False
    return image == signed if image.tag is not None else image.name == signed.name


def _has_version(reference: Reference) -> bool:
    return reference.tag is not None or reference.digest is not None
