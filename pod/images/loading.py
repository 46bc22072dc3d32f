"""Copying images into the store from files and from a docker daemon: `load`, and `pull` of what is at no registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pod import events
from pod.images import transports
from storage import images, transfer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pod.engine import Engine
    from pod.images.transports import Found, Place
    from storage.images import Image
    from storage.platform import Platform
    from storage.transfer import Progress
    from storage.trust.verification import Trust


def pull(engine: Engine, place: Place, *, trust: Trust, platform: Platform | None, progress: Progress) -> Image:
    """Copy in the image of a place; one that is named in the store itself is only found."""
    if place.transport == transports.STORE:
        return images.resolve(engine.store, place.name)
    with transports.opened(engine.config, place) as found:
        image = _copy(engine, [found], trust, platform, progress)[0]
    events.record(engine.config, "image", "pull", id=image.id, name=str(place))
    return image


def load(engine: Engine, path: str | None, *, trust: Trust, progress: Progress) -> list[tuple[Image, tuple[str, ...]]]:
    """Copy in all images of an archive or a directory (None: stdin), or none; give each with the names that it got."""
    with transports.loaded(engine.config, path) as found:
        loaded = _copy(engine, found, trust, None, progress)
    events.record(engine.config, "image", "loadfromarchive", name=path or "stdin")
    return [(image, one.names) for image, one in zip(loaded, found, strict=True)]


def _copy(
    engine: Engine, found: Sequence[Found], trust: Trust, platform: Platform | None, progress: Progress
) -> list[Image]:
    return transfer.copy_all_in(
        engine.store,
        [(one.origin, one.names) for one in found],
        trust=trust,
        platform=platform,
        rootless=engine.config.rootless,
        single_id=engine.single_id,
        progress=progress,
    )
