"""Getting an image: from the store or from its registry, as the pull policy says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pod import events, trust
from pod.errors import PodError
from storage import images, reference, transfer
from storage.errors import ImageNotFoundError, RegistryError, StorageError

if TYPE_CHECKING:
    from pod.engine import Engine
    from storage.images import Image
    from storage.platform import Platform
    from storage.reference import Reference
    from storage.registry.options import RegistryOptions
    from storage.transfer import Progress
    from storage.trust.verification import Trust

POLICIES = ("always", "missing", "never", "newer")
# Not yet read: where else an image may come from.
_TRANSPORTS = ("containers-storage", "dir", "docker-archive", "docker-daemon", "oci", "oci-archive", "ostree", "sif")


class Pull:
    """What one command says about pulling."""

    def __init__(
        self,
        engine: Engine,
        *,
        options: RegistryOptions,
        policy: str = "always",
        platform: Platform | None = None,
        signature_policy: str = "",
    ) -> None:
        self.engine = engine
        self.options = options
        self.policy = check_policy(policy)
        self.platform = platform
        self.signature_policy = signature_policy

    def image(self, text: str, progress: Progress | None) -> Image:
        """Return the image that a text names, fetched if the policy says so."""
        wanted = None if self.policy == "always" else self.stored(text)
        if wanted is not None and self.policy == "missing":
            return wanted
        if self.policy == "never":
            return wanted or images.resolve(self.engine.store, text)
        name = source(text)
        if wanted is not None and self.policy == "newer" and self.is_current(wanted, name):
            return wanted
        try:
            image = transfer.pull(
                self.engine.store,
                name,
                options=self.options,
                trust=self.trust(),
                platform=self.platform,
                rootless=self.engine.config.rootless,
                single_id=self.engine.single_id,
                progress=progress,
            )
        except StorageError as error:
            events.record(self.engine.config, "image", "pull-error", name=str(name), fields={"Error": str(error)})
            raise
        events.record(self.engine.config, "image", "pull", id=image.id, name=str(name))
        return image

    def all_tags(self, text: str, progress: Progress | None) -> list[Image]:
        """Fetch every tag of a repository."""
        name = reference.parse(text.removeprefix("docker://"))
        if name.tag is not None or name.digest is not None:
            raise PodError("`--all-tags` requires a name without tag or digest")
        pulled = transfer.pull_all_tags(
            self.engine.store,
            name,
            options=self.options,
            trust=self.trust(),
            platform=self.platform,
            rootless=self.engine.config.rootless,
            single_id=self.engine.single_id,
            progress=progress,
        )
        for image in pulled:
            events.record(self.engine.config, "image", "pull", id=image.id, name=str(name))
        return pulled

    def trust(self) -> Trust:
        """Return what decides whether an image may come in."""
        return trust.load(self.engine.config, self.options, self.signature_policy)

    def stored(self, text: str) -> Image | None:
        """Return the image of this name in the store if it is there and for the platform asked for."""
        try:
            image = images.resolve(self.engine.store, text.removeprefix("docker://"))
        except ImageNotFoundError:
            return None
        wanted = self.platform
        if wanted is not None and (image.os, image.architecture) != (wanted.os, wanted.architecture):
            return None
        return image

    def is_current(self, image: Image, name: Reference) -> bool:
        """Whether the registry has nothing newer, or does not answer."""
        try:
            return transfer.remote_digest(name, options=self.options) in image.digests
        except RegistryError:
            return True


def source(text: str) -> Reference:
    """Return the full name that a text means at a registry."""
    transport, colon, _ = text.partition(":")
    if colon and transport in _TRANSPORTS:
        raise PodError(f"pulling from the transport {transport} is not supported")
    return reference.normalize(text.removeprefix("docker://"))


def check_policy(policy: str) -> str:
    """Return a pull policy under its proper name."""
    known = {"ifmissing": "missing", "ifnotpresent": "missing", "true": "always", "false": "missing"}
    name = known.get(policy.lower(), policy.lower())
    if name not in POLICIES:
        raise PodError(f'unsupported pull policy "{policy}"', hint="choose always, missing, never or newer")
    return name
