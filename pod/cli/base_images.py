"""What `build` does about the images below: which platforms they are to be for, and getting them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pod import registries
from pod.cli.pulling import chooser, pull_place, pull_shown
from pod.images import offering, pulls, transports
from storage.platform import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pod.cli.building import Asked
    from pod.engine import Engine
    from storage.images import Image
    from storage.platform import Platform


def platforms(asked: Asked) -> dict[str, Any]:
    """Return what is said of platforms. Of one that is named twice there is one image."""
    named = [part for text in asked.platforms for part in text.split(",")]
    several = tuple(dict.fromkeys(parse(text) for text in named))
    return {
        "platform": None if several else registries.platform(**asked.platform),
        "platforms": several,
        "all_platforms": asked.all_platforms,
        "manifest": asked.manifest,
        "os_version": asked.os_version,
        "os_features": tuple(asked.os_features),
    }


def offered(engine: Engine, asked: Asked) -> Callable[[str], Sequence[Platform]]:
    """Return what tells for which platforms there is an image."""

    def tell(name: str) -> Sequence[Platform]:
        options = registries.options(engine.config, **asked.registry)
        pull = pulls.Pull(engine, options=options, policy=asked.pull)
        return offering.platforms(pull, name) or [offering.platform_of(finder(engine, asked)(name, None))]

    return tell


def finder(engine: Engine, asked: Asked) -> Callable[[str, Platform | None], Image]:
    """Return what gets the image of a name for a platform, as the flags say."""
    policy = pulls.check_policy(asked.pull)

    def find(name: str, wanted: Platform | None) -> Image:
        options = registries.options(engine.config, **asked.registry)
        pull = pulls.Pull(
            engine,
            options=options,
            policy=policy,
            platform=wanted,
            signature_policy=asked.signature_policy,
            choose=chooser(),
        )
        if transports.is_named(name):
            place = transports.parse(name)
            return pull_place(engine, place, pull.trust(), platform=wanted, quiet=asked.quiet)
        if wanted is not None and pull.policy != "always" and pull.stored(name) is None:
            local = offering.local(engine.store, name, wanted)
            if local is not None:
                return local
        return pull_shown(pull, name, quiet=asked.quiet)

    return find
