"""`pod image unmount`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    images: Annotated[list[str] | None, Argument(metavar="IMAGE [IMAGE...]", help="Names or IDs")] = None,
    all: Annotated[bool, Option("--all", "-a", help="Unmount all of the currently mounted images")] = False,
    force: Annotated[
        bool, Option("--force", "-f", help="Force the complete unmount of the specified mounted images")
    ] = False,
) -> int:
    """Unmount an image's root filesystem."""
    from pod.cli import each
    from pod.cli.mount import opened
    from pod.errors import PodError
    from pod.images import mounts
    from storage.images import find

    if bool(images) == all:
        raise PodError(
            "when using the --all switch, you may not pass any image names or IDs"
            if images
            else "image name or ID must be specified"
        )
    engine = opened("image unmount")

    def unmount(name: str) -> str:
        image_id = name if all else find(engine.store, name)[0]
        return image_id if mounts.unmount(engine.config, image_id, force=force) else ""

    return each.run(sorted(mounts.mounted(engine.config)) if all else images or [], unmount)
