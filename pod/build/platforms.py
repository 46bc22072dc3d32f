"""A build for one platform or several.

It is done for one after the other, so that a later one finds in the cache what does not depend on the platform; what
they came to is gathered in a list at the end, all of it or nothing.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pod.build import building, holding
from pod.build.stages.written import Written
from pod.errors import PodError
from pod.images.lists import member_of
from storage import database, images, lists
from storage.errors import StorageError
from storage.platform import host

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pod.build.asked.options import BuildOptions
    from pod.build.watching import Watcher
    from pod.engine import Engine
    from storage.images import Image
    from storage.platform import Platform


@dataclass(frozen=True)
class Made:
    """What a build came to: an image for each platform, and the ID of the list that has them, empty without one."""

    images: tuple[Image, ...]
    list_id: str = ""

    @property
    def id(self) -> str:
        """The ID of the list, else of the image."""
        return self.list_id or self.images[0].id


def build(engine: Engine, options: BuildOptions, watcher: Watcher) -> Made:
    """Make the image of each platform; `manifest` names a list that gets them.

    Names of several platforms' images are those of a list, too: one image alone would lose them to the next.
    Raises PodError, StorageError, OCIRuntimeError; then no name has changed.
    """
    if options.manifest:
        _check_list(engine, options)
    names = [images.tag_name(name) for name in options.names]  # says now what is wrong
    platforms = options.platforms
    if options.all_platforms:
        platforms = _of_bases(options)
    options.check(len(platforms))
    if options.sign is not None:
        _check_signing(names, platforms)
    keeper = f"{holding.owner()} list"
    options = replace(options, keeper=keeper)
    try:
        if len(platforms) < 2:
            one = replace(options, platform=platforms[0] if platforms else options.platform)
            options.begin(one.platform or host())
            made = [building.build(engine, one, watcher)]
            names = []
        else:
            made = [_one(engine, options, platform, watcher) for platform in platforms]
        if len(platforms) < 2 and not options.manifest:
            return Made(tuple(made))
        return Made(tuple(made), lists.gather(engine.store, map(member_of, made), names, options.manifest))
    finally:
        with suppress(StorageError, database.Error):  # the next command that writes does it then
            holding.release(engine, [keeper])


def _one(engine: Engine, options: BuildOptions, platform: Platform, watcher: Watcher) -> Image:
    outputs = tuple(output.of(str(platform)) for output in options.outputs)
    options.begin(platform)
    one = replace(options, platform=platform, shown_platform=str(platform), names=(), outputs=outputs)
    image = building.build(engine, one, watcher)
    watcher.committed(image, one)
    return image


def _check_list(engine: Engine, options: BuildOptions) -> None:
    """Say before anything is built that a name cannot be a list's. Raises PodError."""
    full = images.tag_name(options.manifest)
    if full in map(images.tag_name, options.names):
        raise PodError("the same name must not be specified for both '--tag' and '--manifest'")
    if engine.connection.execute("SELECT 1 FROM name WHERE name = ?", (full,)).fetchone() is not None:
        raise PodError(f"{full}: image is not a manifest list", hint="choose another name for --manifest")


def _check_signing(names: Sequence[str], platforms: Sequence[Platform]) -> None:
    """Say before anything is built that there is no name to sign. Raises PodError."""
    if not names:
        raise PodError("--sign-by: an image without a name cannot be signed", hint="-t NAME")
    if len(platforms) > 1:
        raise PodError(
            "--sign-by: lists are signed where they are", hint="push it, then: pod image sign --all --sign-by KEY NAME"
        )


def _of_bases(options: BuildOptions) -> tuple[Platform, ...]:
    """Return the platforms for which there are all images that the stages begin with (--all-platforms)."""
    common: list[Platform] | None = None
    for base in _bases(options):
        offered = options.platforms_of(base)
        common = [one for one in (common if common is not None else offered) if one in offered]
    if common is None:
        raise PodError("build uses no non-scratch base images", hint="--platform names what to build for")
    if not common:
        raise PodError("there is no platform for which all base images are available")
    return tuple(common)


def _bases(options: BuildOptions) -> list[str]:
    """Return the images that stages of the target's platform begin with; one that names its platform stays with it."""
    written = Written(options)
    found = []
    for index in written.needed:
        node = written.nodes[index]
        said = options.containerfile.stages[index].base.platform
        if node.base is None and node.image != "scratch" and (not said or "TARGET" in said):
            found.append(written.source(node.image))
    return list(dict.fromkeys(found))
