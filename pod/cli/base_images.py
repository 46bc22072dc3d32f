"""What `build` does about the images below: which platforms they are to be for, and getting them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pod import registries
from pod.build import holding
from pod.build.language.predefined import variant_said
from pod.build.stages.scheduling import at_once, settled
from pod.cli import pulling_apart
from pod.cli.pulling import chooser
from pod.images import offering, pulls, transports
from storage import images
from storage.images import Image
from storage.platform import host, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from pod.build.asked.options import FindImage
    from pod.build.stages.scheduling import Needs
    from pod.cli.building import Asked
    from pod.engine import Engine
    from pod.short_names import Resolved
    from storage.platform import Platform


def platforms(asked: Asked) -> dict[str, Any]:
    """Return what is said of platforms. Of one that is named twice there is one image."""
    named = [part for text in asked.platforms for part in text.split(",")]
    by_meaning: dict[Platform, Platform] = {}
    for one in map(_platform, named):
        by_meaning.setdefault(replace(one, variant=variant_said(one)), one)
    several = tuple(by_meaning.values())
    return {
        "platform": None if several else registries.platform(**asked.platform),
        "platforms": several,
        "all_platforms": asked.all_platforms,
        "manifest": asked.manifest,
        "os_version": asked.os_version,
        "os_features": tuple(filter(None, asked.os_features)),
    }


def _platform(text: str) -> Platform:
    """Read a platform; `local` or nothing is this machine's."""
    text = text.strip("/")
    return host() if text in ("", "local") else parse(text)


def offered(engine: Engine, asked: Asked) -> Callable[[str], Sequence[Platform]]:
    """Return what tells for which platforms there is an image."""

    def tell(name: str) -> Sequence[Platform]:
        options = registries.options(engine.config, **asked.registry)
        pull = pulls.Pull(engine, options=options, policy=asked.pull)
        found = [] if transports.is_named(name) else offering.platforms(pull, name)
        if not found:
            image = at_once(finder(engine, asked)(name, None, holding.owner(), lambda _: None))
            found = [offering.platform_of(image)]
        return found

    return tell


def finder(engine: Engine, asked: Asked) -> FindImage:
    """Return what gets the image of a name for a platform, as the flags say: from elsewhere in a process of its own."""
    policy = pulls.check_policy(asked.pull)

    def find(
        name: str, wanted: Platform | None, owner: str, tell: Callable[[str], None]
    ) -> Generator[int | Needs, None, Image]:
        found: Image | Resolved | None = None
        if not transports.is_named(name):
            options = registries.options(engine.config, **asked.registry)
            pull = pulls.Pull(engine, options=options, policy=policy, platform=wanted, choose=chooser())
            found = _at_hand(pull, name, wanted)
        if isinstance(found, Image):
            return found
        given = yield from settled(pulling_apart.start(asked, name, wanted, found, owner=owner, tell=tell))
        return images.load(engine.store, given["id"])

    return find


def _at_hand(pull: pulls.Pull, name: str, wanted: Platform | None) -> Image | Resolved:
    if wanted is not None and pull.policy != "always" and pull.stored(name) is None:
        local = offering.local(pull.engine.store, name, wanted)
        if local is not None:
            return local
    return pull.at_hand(name)
