"""`pod manifest remove`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument

    from storage.lists import ManifestList


def main(
    list: Annotated[str, Argument(metavar="LIST")],
    image: Annotated[str, Argument(metavar="IMAGE", help="Its digest, or an image of the store")],
) -> None:
    """Remove an entry from a manifest list or image index."""
    from pod.cli.manifest_annotate import member_digest
    from pod.engine import open_engine
    from pod.errors import PodError
    from storage import lists

    engine = open_engine(write=True)
    found = lists.find(engine.store, list)
    digest = member_digest(engine, image)

    def change(one: ManifestList) -> None:
        kept = [member for member in one.members if member["digest"] != digest]
        if len(kept) == len(one.members):
            raise PodError(
                f'removing from manifest list {list}: no instance matching digest "{digest}" found in manifest list'
            )
        one.document["manifests"] = kept

    lists.change(engine.store, found.id, change)
    print(found.id)
