"""`pod manifest remove`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument


def main(
    list: Annotated[str, Argument(metavar="LIST")],
    image: Annotated[str, Argument(metavar="IMAGE", help="Its digest, or an image of the store")],
) -> None:
    """Remove an entry from a manifest list or image index."""
    from pod.engine import open_engine
    from pod.images import lists as engine_lists
    from storage import lists

    engine = open_engine(write=True)
    found = lists.find(engine.store, list)
    engine_lists.take_out(engine, found.id, list, engine_lists.member_digest(engine, image))
    print(found.id)
