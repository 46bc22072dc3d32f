"""`pod image mount`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option

    from pod.engine import Engine


def main(
    images: Annotated[list[str] | None, Argument(metavar="IMAGE [IMAGE...]", help="Names or IDs")] = None,
    all: Annotated[bool, Option("--all", "-a", help="Mount all images")] = False,
    format: Annotated[
        str, Option("--format", metavar="string", help="Print the mounted images in specified format (json)")
    ] = "",
) -> int:
    """Mount an image's root filesystem, to read."""
    from pod.cli import each
    from pod.cli.mount import opened
    from pod.errors import PodError
    from pod.images import mounts
    from storage.images import list_images, resolve

    if images and all:
        raise PodError("when using the --all switch, you may not pass any image names or IDs")
    if format not in ("", "json"):
        raise PodError(f'unsupported format "{format}"', hint="the only one is json")
    engine = opened("image mount")
    if not (images or all):
        show(engine, format)
        return 0
    names = images or [image.id for image in list_images(engine.store)]

    def mount(name: str) -> str:
        image = resolve(engine.store, name)
        place = mounts.mount(engine, image)
        return place if len(names) == 1 else f"{image.names[0] if image.names else image.id}  {place}"

    return each.run(names, mount)


def show(engine: Engine, format: str) -> None:
    """List what is mounted."""
    from pod.cli import output
    from pod.images import mounts
    from storage.images import list_images

    present = mounts.mounted(engine.config)
    found = [image for image in list_images(engine.store) if image.id in present]
    if format:
        told = [
            {
                "id": image.id,
                "Names": [image.digest],
                "Repositories": list(image.names),
                "mountpoint": mounts.path(engine.config, image.id),
            }
            for image in found
        ]
        output.write(output.to_json(told, indent=" ") + "\n")
        return
    rows = [[image.names[0] if image.names else image.id, mounts.path(engine.config, image.id)] for image in found]
    output.write(output.align(rows))
