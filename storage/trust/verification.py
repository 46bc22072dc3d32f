"""Whether an image may come in: the policy's requirements held against its manifest and the signatures on that."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from storage.errors import BadReferenceError, StorageError
from storage.reference import Reference, parse
from storage.trust.errors import RejectedError
from storage.trust.policy import AcceptAnything, Policy, Reject, SignedBy, SigstoreSigned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storage.registry.options import RegistryOptions
    from storage.transports.protocols import Origin
    from storage.trust.policy import Requirement
    from storage.trust.registries_d import Registries
    from storage.trust.sigstore import Attachment


@dataclass(frozen=True)
class Trust:
    """Whom one command trusts.

    `registries_d` are the directories of which the first that exists counts, and `signatures` where signatures are if
    nothing is said there; both are read when a signature is needed. `options` are for web servers of signatures, and
    gpg is found by the PATH of their environment.
    """

    policy: Policy
    options: RegistryOptions
    registries_d: tuple[str, ...] = ()
    signatures: str = "/var/lib/containers/sigstore"
    path: str = ""

    def check(self, origin: Origin, manifest: bytes, digest: str) -> None:
        """Return if the image with this manifest (and its digest) may come in; all requirements must be met.

        Of an index the manifest of the chosen platform is what counts, as in podman. To be called before anything else
        is read of the image. Raises RejectedError.
        """
        for requirement in self.policy.requirements(origin.transport, origin.scope):
            try:
                self._check_one(requirement, origin, manifest, digest)
            except StorageError as error:
                hint = error.hint or (f"{self.path} says so: see pod image trust show" if self.path else "")
                raise RejectedError(f"Source image rejected: {error}", hint=hint) from None

    def check_tarball(self) -> None:
        """Return if images may be made of tars (the transport `tarball`). Raises RejectedError."""
        if any(not isinstance(one, AcceptAnything) for one in self.policy.requirements("tarball", "")):
            raise RejectedError("Source image rejected: tarballs are rejected by policy, and cannot be signed")

    def _check_one(self, requirement: Requirement, origin: Origin, manifest: bytes, digest: str) -> None:
        if isinstance(requirement, AcceptAnything):
            return
        if isinstance(requirement, Reject):
            raise RejectedError(f"Running image {_shown(origin)} is rejected by policy.")
        if isinstance(requirement, SignedBy):
            from storage.trust import simple_signing

            found = self._simple(origin, digest)
            path = self.options.environment.get("PATH", os.defpath)
            simple_signing.check(requirement, _reference(origin), manifest, found, search_path=path)
        elif isinstance(requirement, SigstoreSigned):
            from storage.trust import sigstore

            sigstore.check(requirement, _reference(origin), manifest, self._attached(origin, digest))
        else:
            raise RejectedError(f"{requirement.what} is not supported, so that no image meets it")

    def _simple(self, origin: Origin, digest: str) -> Iterator[bytes]:
        from storage.trust import lookaside

        if origin.transport == "docker":
            reference = parse(origin.scope)
            yield from lookaside.read(self._registries.lookaside(reference), reference, digest, self.options)
        elif origin.transport == "dir":
            yield from lookaside.read_directory(origin.scope)

    def _attached(self, origin: Origin, digest: str) -> Iterator[Attachment]:
        from storage.registry.origin import RegistryOrigin
        from storage.trust import attachments

        if isinstance(origin, RegistryOrigin) and self._registries.uses_attachments(parse(origin.scope)):
            yield from attachments.read(origin, digest)

    @cached_property
    def _registries(self) -> Registries:
        from storage.trust import registries_d

        return registries_d.load(self.registries_d, self.signatures)


def _reference(origin: Origin) -> Reference | None:
    """Give the docker name that the image is asked for by, None if its transport has none."""
    if origin.transport not in ("docker", "docker-daemon"):
        return None
    try:
        reference = parse(origin.scope)
    except BadReferenceError:
        return None
    return reference if reference.digest is None else reference.with_digest(reference.digest)


def _shown(origin: Origin) -> str:
    return f"{origin.transport}:{'//' if origin.transport == 'docker' else ''}{origin.scope}"
