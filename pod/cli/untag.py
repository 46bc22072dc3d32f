"""`pod untag`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument


def main(
    image: Annotated[str, Argument(metavar="IMAGE")],
    names: Annotated[list[str] | None, Argument(metavar="[NAME...]")] = None,
) -> None:
    """Removes one or more names from a locally-stored image."""
    from pod import events
    from pod.engine import open_engine
    from storage import images, lists

    engine = open_engine(write=True)
    taken = [images.tag_name(name) for name in names or ()]
    listed = lists.changeable(engine.store, image)
    image_id = (listed or images.find(engine.store, image))[0]
    for name in (lists.untag if listed is not None else images.untag)(engine.store, image_id, taken):
        events.record(engine.config, "image", "untag", id=image_id, name=name)
