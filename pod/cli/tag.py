"""`pod tag`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument


def main(
    image: Annotated[str, Argument(metavar="IMAGE")],
    names: Annotated[list[str], Argument(metavar="TARGET_NAME [TARGET_NAME...]")],
) -> None:
    """Adds one or more additional names to locally-stored image."""
    from pod import events
    from pod.engine import open_engine
    from storage import images, lists

    full = [images.tag_name(name) for name in names]
    engine = open_engine(write=True)
    listed = lists.changeable(engine.store, image)
    image_id = listed[0] if listed is not None else images.resolve(engine.store, image).id
    for name in full:
        (lists.tag if listed is not None else images.tag)(engine.store, image_id, name)
        events.record(engine.config, "image", "tag", id=image_id, name=name)
