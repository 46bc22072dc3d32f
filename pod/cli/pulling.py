"""What the commands that pull share: showing how it goes on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pod import registries
from pod.cli.progress import display
from pod.images import loading, pulls, transports

if TYPE_CHECKING:
    from pod.cli.flags.request import Request
    from pod.engine import Engine
    from pod.images.transports import Place
    from pod.short_names import Choose
    from storage.images import Image
    from storage.platform import Platform
    from storage.trust.verification import Trust


def pull_shown(pull: pulls.Pull, text: str, *, quiet: bool) -> Image:
    """Get one image and show how it goes on."""
    with display(quiet=quiet) as shown:
        image = pull.image(text, shown)
        shown.end(image.id)
    return image


def chooser() -> Choose | None:
    """Return who asks the user which of several images is meant; None without a terminal."""
    if sys.stdin is None or sys.stdout is None or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return None
    from pod.cli.choosing import choose

    return choose


def pull_place(engine: Engine, place: Place, trust: Trust, *, platform: Platform | None, quiet: bool) -> Image:
    """Get an image that is at no registry, and show how it goes on."""
    with display(quiet=quiet) as shown:
        image = loading.pull(engine, place, trust=trust, platform=platform, progress=shown.progress)
        shown.end(image.id)
    return image


def pull_for_run(engine: Engine, request: Request) -> Image:
    """Get the image that `run` or `create` names."""
    platform = registries.platform(**request.platform)
    pull = pulls.Pull(
        engine,
        options=registries.options(engine.config, **request.registry),
        policy=request.pull,
        platform=platform,
        signature_policy=request.signature_policy,
        choose=chooser(),
    )
    if transports.is_named(request.reference):
        place = transports.parse(request.reference)
        return pull_place(engine, place, pull.trust(), platform=platform, quiet=request.quiet)
    return pull_shown(pull, request.reference, quiet=request.quiet)
