"""`pod manifest annotate`."""

from __future__ import annotations

from pod.cli import flags as groups
from pod.cli.manifest_create import Asked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Annotated, Any

    from typer import Argument, Option

    from pod.engine import Engine
    from storage.lists import ManifestList

SHARED = ("pod.cli.flags.member",)


def main(
    list: Annotated[str, Argument(metavar="LIST")],
    image: Annotated[str, Argument(metavar="[IMAGE]", help="Its digest, or an image of the store")] = "",
    index: Annotated[bool, Option("--index", help="Set annotations on the list itself")] = False,
    **flags: Any,
) -> None:
    """Add or update information about an entry in a manifest list or image index."""
    from pod.engine import open_engine
    from pod.errors import PodError
    from pod.images.lists import Changes
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
        annotate_list(engine, found.id, asked.member.get("annotations") or {})
    else:
        digest = member_digest(engine, image)
        changes = Changes(**asked.member)
        lists.change(engine.store, found.id, lambda one: changes.apply(lists.member(one, digest)))
    print(found.id)


def annotate_list(engine: Engine, list_id: str, annotations: Mapping[str, str]) -> None:
    """Set annotations of the list itself."""
    from storage import lists

    def change(found: ManifestList) -> None:
        found.document["annotations"] = {**found.document.get("annotations", {}), **annotations}

    lists.change(engine.store, list_id, change)


def member_digest(engine: Engine, text: str) -> str:
    """Return the digest of a member, which is named by it or by an image of the store."""
    from storage import images

    return text if text.startswith("sha256:") else images.resolve(engine.store, text).digest


def pairs(annotations: list[str] | None) -> dict[str, str]:
    """Return annotations by key. Raises PodError for one without a value."""
    from pod.errors import PodError

    for one in annotations or ():
        if "=" not in one:
            raise PodError(f"no value given for annotation {one}")
    return dict(one.split("=", 1) for one in annotations or ())
