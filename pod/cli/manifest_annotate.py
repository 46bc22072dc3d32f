"""`pod manifest annotate`."""

from __future__ import annotations

from pod.cli import flags as groups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Argument, Option


SHARED = ("pod.cli.flags.member",)


class Asked:
    """What the flags of the shared groups come to."""

    def __init__(self) -> None:
        self.member: dict[str, Any] = {}


def main(
    list: Annotated[str, Argument(metavar="LIST")],
    image: Annotated[str, Argument(metavar="[IMAGE]", help="Its digest, or an image of the store")] = "",
    index: Annotated[bool, Option("--index", help="Set annotations on the list itself")] = False,
    **flags: Any,
) -> None:
    """Add or update information about an entry in a manifest list or image index."""
    from pod.engine import open_engine
    from pod.errors import PodError
    from pod.images import lists as engine_lists
    from storage import lists

    asked = Asked()
    groups.apply(SHARED, flags, asked)
    if index == bool(image):
        raise PodError(
            "a member of the list must be named" if not image else "--index is about the list, not a member of it"
        )
    engine = open_engine(write=True)
    found = lists.find(engine.store, list)
    if index:
        engine_lists.annotate(engine, found.id, asked.member.get("annotations") or {})
    else:
        digest = engine_lists.member_digest(engine, image)
        changes = engine_lists.Changes(**asked.member)
        lists.change(engine.store, found.id, lambda one: changes.apply(lists.member(one, digest)))
    print(found.id)
