"""`pod manifest create`."""

from __future__ import annotations

from pod.cli import flags as groups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Argument, Option

SHARED = (
    "pod.cli.flags.credentials",
    "pod.cli.flags.access",
    "pod.cli.flags.retrying",
)


class Asked:
    """What the flags of the shared groups come to."""

    def __init__(self) -> None:
        self.registry: dict[str, Any] = {}


def main(
    list: Annotated[str, Argument(metavar="LIST")],
    images: Annotated[list[str] | None, Argument(metavar="[IMAGE...]")] = None,
    all: Annotated[bool, Option("--all", help="Add all of the lists' images if the images to add are lists")] = False,
    amend: Annotated[
        bool, Option("--amend", "-a", help="Modify an existing list if one with the desired name already exists")
    ] = False,
    annotation: Annotated[
        list[str] | None, Option("--annotation", metavar="stringArray", help="Set annotations on the new list")
    ] = None,
    **flags: Any,
) -> None:
    """Create manifest list or image index."""
    from pod import registries
    from pod.cli.flags.member import annotations_of
    from pod.engine import open_engine
    from pod.images.lists import Changes, add, annotate
    from storage import lists

    asked = Asked()
    groups.apply(SHARED, flags, asked)
    annotations = annotations_of(annotation)
    engine = open_engine(write=True)
    options = registries.options(engine.config, **asked.registry)
    made = lists.create(engine.store, list, amend=amend)
    if annotations:
        annotate(engine, made, annotations)
    for image in images or ():
        add(engine, made, image, options, all=all, changes=Changes())
    print(made)
