"""What registries.conf says of registries: which one a name belongs to, and where its images are fetched from.

Source: containers-registries.conf(5), format 2. Nothing is read here: configuration_files.py does that.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from storage import reference as references
from storage.errors import BadReferenceError, RegistryError

if TYPE_CHECKING:
    from storage.reference import Reference

AUTH_FILES = "containers-auth.json"
"""The credential helper that stands for the auth files."""

ENFORCING, PERMISSIVE, DISABLED = MODES = ("enforcing", "permissive", "disabled")
DIGEST_ONLY, TAG_ONLY = "digest-only", "tag-only"
PULLS = ("", "all", DIGEST_ONLY, TAG_ONLY)


class BlockedError(RegistryError):
    """The configuration forbids to ask this registry."""


@dataclass(frozen=True)
class Endpoint:
    """One place to fetch an image from: its name there, and whether that place need not prove who it is.

    `blocked_by` is the prefix of the registry by which it is forbidden to ask there, empty if it is allowed.
    """

    reference: Reference
    insecure: bool = False
    blocked_by: str = ""


@dataclass(frozen=True)
class Mirror:
    """A `[[registry.mirror]]`: a location that takes the place of the registry's prefix."""

    location: str
    insecure: bool = False
    pull_from: str = ""

    def serves(self, *, by_digest: bool) -> bool:
        """Tell whether it is asked for an image that is named by digest, or by tag."""
        return self.pull_from != (TAG_ONLY if by_digest else DIGEST_ONLY)


@dataclass(frozen=True)
class Registry:
    """A `[[registry]]`: what holds for the names below `prefix`; an empty `location` leaves names as they are."""

    prefix: str
    location: str = ""
    insecure: bool = False
    blocked: bool = False
    mirror_by_digest_only: bool = False
    mirrors: tuple[Mirror, ...] = ()

    def matched(self, name: str) -> int | None:
        """Return how much of a full name (with tag or digest, or without) the prefix covers; None if it is another's.

        `*.example.com` covers the host of any subdomain; what follows a prefix is a new component, tag or digest. A
        host's other ports are other registries.
        """
        if self.prefix.startswith("*."):
            host = name.partition("/")[0].partition(":")[0]
            return len(host) if host.endswith(self.prefix[1:]) else None
        if not name.startswith(self.prefix):
            return None
        ends = ("", "/", ":", "@") if "/" in self.prefix else ("", "/")
        return len(self.prefix) if name[len(self.prefix) : len(self.prefix) + 1] in ends else None

    def endpoints(self, reference: Reference) -> list[Endpoint]:
        """List the places to fetch an image from, in order: the mirrors that serve it, then the registry itself.

        Raises BadReferenceError if a location makes no name.
        """
        by_digest = reference.digest is not None
        mirrors = [] if self.mirror_by_digest_only and not by_digest else self.mirrors
        found = [
            Endpoint(self._rewritten(reference, one.location), one.insecure)
            for one in mirrors
            if one.serves(by_digest=by_digest)
        ]
        blocked_by = self.prefix if self.blocked else ""
        return [*found, Endpoint(self._rewritten(reference, self.location), self.insecure, blocked_by)]

    def _rewritten(self, reference: Reference, location: str) -> Reference:
        name = str(reference)
        if not location:
            return reference
        try:
            return references.parse(f"{location}{name[self.matched(name) or 0 :]}")
        except BadReferenceError as error:
            raise BadReferenceError(f"rewriting reference: {error}") from None


@dataclass(frozen=True)
class Alias:
    """What a short name stands for (None: a file takes an earlier one's alias back), and which file says so."""

    value: Reference | None
    origin: str


@dataclass(frozen=True)
class Configuration:
    """All files together. `search_origin` is the file with the search registries, empty if there is no file at all.

    `says_search` tells whether a file has a list of them, be it empty; `places`, where in messages settings may be.
    """

    registries: tuple[Registry, ...] = ()
    search: tuple[str, ...] = ()
    search_origin: str = ""
    says_search: bool = False
    credential_helpers: tuple[str, ...] = (AUTH_FILES,)
    short_name_mode: str = PERMISSIVE
    aliases: dict[str, Alias] = field(default_factory=dict)
    places: str = ""

    @property
    def searched(self) -> tuple[str, ...]:
        """The registries that short names are looked for at: docker.io where no file has a list of them."""
        return self.search if self.says_search else (references.DOCKER_DOMAIN,)

    def find(self, name: str) -> Registry | None:
        """Return the registry with the longest prefix of a full name."""
        matching = [one for one in self.registries if one.matched(name) is not None]
        return max(matching, key=lambda one: len(one.prefix), default=None)

    def endpoints(self, reference: Reference) -> list[Endpoint]:
        """List the places to fetch an image from, in order; there is at least one.

        A mirror that a `[[registry]]` of its own blocks is blocked.
        """
        registry = self.find(str(reference))
        if registry is None:
            return [Endpoint(reference)]
        return [
            replace(one, blocked_by=one.blocked_by or self._blocked_by(one.reference.name))
            for one in registry.endpoints(reference)
        ]

    def is_insecure(self, name: str) -> bool:
        """Tell whether the registry of a name need not prove who it is."""
        registry = self.find(name)
        return registry is not None and registry.insecure

    def check(self, name: str) -> None:
        """Raise BlockedError if it is forbidden to ask for a name, or a registry."""
        prefix = self._blocked_by(name)
        if prefix:
            raise self.blocked(prefix)

    def blocked(self, prefix: str) -> BlockedError:
        """Make the error for what a registry's prefix blocks."""
        return BlockedError(f"registry {prefix} is blocked in {self.places}")

    def _blocked_by(self, name: str) -> str:
        registry = self.find(name)
        return registry.prefix if registry is not None and registry.blocked else ""


NOTHING = Configuration()
"""What holds without any file."""
