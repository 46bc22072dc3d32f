"""Getting an image: from the store or from its registry, as the pull policy says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pod import events, registries_conf, short_names, trust
from pod.errors import PodError
from storage import images, reference, transfer
from storage.errors import ImageNotFoundError, RegistryError, StorageError
from storage.images import Image
from storage.interrupts import InterruptedByError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pod.engine import Engine
    from pod.images.showing import Shown
    from pod.short_names import Choose
    from storage.platform import Platform
    from storage.reference import Reference
    from storage.registry.options import RegistryOptions
    from storage.transfer import Progress
    from storage.trust.verification import Trust

POLICIES = ("always", "missing", "never", "newer")


class Pull:
    """What one command says about pulling; `choose` asks the user which image a short name means, if it can."""

    def __init__(
        self,
        engine: Engine,
        *,
        options: RegistryOptions,
        policy: str = "always",
        platform: Platform | None = None,
        signature_policy: str = "",
        choose: Choose | None = None,
    ) -> None:
        self.engine = engine
        self.options = options
        self.policy = check_policy(policy)
        self.platform = platform
        self.signature_policy = signature_policy
        self.choose = choose

    def image(self, text: str, shown: Shown) -> Image:
        """Return the image that a text names, fetched if the policy says so."""
        found = self.at_hand(text)
        return found if isinstance(found, Image) else self.fetched(text, found, shown)

    def at_hand(self, text: str) -> Image | short_names.Resolved:
        """Return the image that a text names if no registry is to be asked, else what to ask registries for."""
        wanted = None if self.policy == "always" else self.stored(text)
        if wanted is not None and self.policy == "missing":
            return wanted
        if self.policy == "never":
            return wanted or images.resolve(self.engine.store, text)
        try:
            return self.resolve(text)
        except (PodError, StorageError):
            if wanted is not None:
                return wanted
            raise

    def fetched(self, text: str, resolved: short_names.Resolved, shown: Shown) -> Image:
        """Return the image that `at_hand` told where to find; that of the store if the policy is content with it."""
        wanted = None if self.policy == "always" else self.stored(text)
        if wanted is not None and self.policy == "newer" and self.is_current(wanted, resolved.candidates):
            return wanted
        if resolved.description:
            shown.note(resolved.description)
        name, image = self._first(text, resolved.candidates, shown)
        # A registry may have no index but one image, of whatever platform.
        if self.platform is not None:
            _warn_of_other(image, self.platform, shown)
        events.record(self.engine.config, "image", "pull", id=image.id, name=str(name))
        if resolved.record:
            self._remember(resolved.record, name, shown)
        return image

    def resolve(self, text: str) -> short_names.Resolved:
        """Return what to pull for a text: a short name that an image of the store has means that one's.

        For another platform it does not, for then that image is perhaps not what is meant. Raises PodError, or
        StorageError for what is no name.
        """
        name = source(text)
        if text.startswith("docker://") or reference.has_domain(text):
            return short_names.Resolved((name,))
        if self.platform is None:
            try:
                _, known = images.find(self.engine.store, text)
            except StorageError:
                pass
            else:
                if known is None:
                    raise PodError(f"pull policy is {self.policy} but image has been referred to by ID ({text})")
                return short_names.Resolved((reference.parse(known),))
        return short_names.resolve(
            text, self.options.configuration, aliases_file=self._aliases_file, choose=self.choose
        )

    def _first(self, text: str, candidates: Sequence[Reference], shown: Shown) -> tuple[Reference, Image]:
        """Fetch the first of several that there is."""
        failures: list[StorageError] = []
        for name in candidates:
            shown.begin(str(name))
            try:
                return name, self._fetch(name, shown.progress)
            except StorageError as error:
                failures.append(error)
                if isinstance(error, InterruptedByError):
                    break
        failure = failures[-1]
        if len(failures) > 1 and not isinstance(failure, InterruptedByError):
            told = "\n * ".join(str(one) for one in failures)
            failure = StorageError(f"{len(failures)} errors occurred while pulling:\n * {told}")
        fields: dict[str, str | int] = {"Error": str(failure)}
        name_told = str(candidates[0]) if len(candidates) == 1 else text
        events.record(self.engine.config, "image", "pull-error", name=name_told, fields=fields)
        raise failure

    def _fetch(self, name: Reference, progress: Progress) -> Image:
        return transfer.pull(
            self.engine.store,
            name,
            options=self.options,
            trust=self.trust(),
            platform=self.platform,
            rootless=self.engine.config.rootless,
            single_id=self.engine.single_id,
            progress=progress,
        )

    @property
    def _aliases_file(self) -> str:
        return registries_conf.aliases_file(self.engine.config)

    def _remember(self, short: str, name: Reference, shown: Shown) -> None:
        try:
            short_names.remember(short, name, aliases_file=self._aliases_file)
        except (PodError, StorageError) as error:
            shown.note(f"Warning: {error}")  # the image is there

    def all_tags(self, text: str, shown: Shown) -> list[Image]:
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
            progress=shown.progress,
            begun=lambda one: shown.begin(str(one)),
            ended=lambda image: shown.end(image.id),
        )
        for image in pulled:
            events.record(self.engine.config, "image", "pull", id=image.id, name=str(name))
        return pulled

    def trust(self) -> Trust:
        """Return what decides whether an image may come in."""
        return trust.load(self.engine.config, self.options, self.signature_policy)

    def stored(self, text: str) -> Image | None:
        """Return the image of this name in the store if it is there and for the platform asked for."""
        wanted = self.platform
        named = str(source(text)) if text.startswith("docker://") else text
        try:
            image = self._listed(named) if wanted is not None else None
            image = image or images.resolve(self.engine.store, named)
        except ImageNotFoundError:
            return None
        if wanted is not None and (image.os, image.architecture) != (wanted.os, wanted.architecture):
            return None
        return image

    def _listed(self, text: str) -> Image | None:
        """Return the image that a list of the store has for the platform asked for; None if no list is meant."""
        from storage import lists

        known = lists.known(self.engine.store, text)
        if known is None:
            return None
        return images.load(self.engine.store, lists.instance(self.engine.store, known[0], self.platform)[0])

    def is_current(self, image: Image, candidates: Sequence[Reference]) -> bool:
        """Whether the registries have nothing newer, or do not answer."""
        for name in candidates:
            try:
                if transfer.remote_digest(name, options=self.options) not in image.digests:
                    return False
            except (RegistryError, ImageNotFoundError):
                continue
        return True


def _warn_of_other(image: Image, wanted: Platform, shown: Shown) -> None:
    """Tell that an image is not of the platform that was asked for; it comes nevertheless, as with podman."""
    there, asked = f"{image.os}/{image.architecture}", f"{wanted.os}/{wanted.architecture}"
    if there != asked:
        shown.warn(f"image platform ({there}) does not match the expected platform ({asked})")


def source(text: str) -> Reference:
    """Return the full name that a text means at a registry, docker.io where it names none."""
    return reference.normalize(text.removeprefix("docker://"))


def check_policy(policy: str) -> str:
    """Return a pull policy under its proper name."""
    known = {"ifmissing": "missing", "ifnotpresent": "missing", "true": "always", "false": "missing"}
    name = known.get(policy.lower(), policy.lower())
    if name not in POLICIES:
        raise PodError(f'unsupported pull policy "{policy}"', hint="choose always, missing, never or newer")
    return name
