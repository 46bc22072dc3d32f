"""`pod manifest add`."""

from __future__ import annotations

from pod.cli import flags as groups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Argument, Option

SHARED = ("pod.cli.flags.credentials", "pod.cli.flags.access", "pod.cli.flags.retrying", "pod.cli.flags.member")


class Asked:
    """What the flags of the shared groups come to."""

    def __init__(self) -> None:
        self.registry: dict[str, Any] = {}
        self.member: dict[str, Any] = {}


def main(
    list: Annotated[str, Argument(metavar="LIST")],
    images: Annotated[list[str], Argument(metavar="IMAGE [IMAGE...]")],
    all: Annotated[bool, Option("--all", help="Add all of the list's images if the image is a list")] = False,
    **flags: Any,
) -> None:
    """Add images to a manifest list or image index."""
    from pod import registries
    from pod.engine import open_engine
    from pod.images.lists import Changes, add
    from storage import lists

    asked = Asked()
    groups.apply(SHARED, flags, asked)
    engine = open_engine(write=True)
    options = registries.options(engine.config, **asked.registry)
    found = lists.find(engine.store, list)
    for image in images:
        add(engine, found.id, image, options, all=all, changes=Changes(**asked.member))
    print(found.id)
