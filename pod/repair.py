"""Looking for damage in the store, and taking out what is damaged: what `system check` does.

What is damaged cannot be trusted, so it is removed: a damaged layer with the images that stand on it, and these with
their containers only if that is asked for. They can be pulled again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pod.errors import PodError
from pod.images import removal
from storage import images
from storage.check import check
from storage.errors import StorageError

if TYPE_CHECKING:
    from pod.engine import Engine


@dataclass(frozen=True)
class Repair:
    """What was removed (IDs of images), and what damage is left, a line each."""

    removed: list[str]
    damage: list[str]


def find(engine: Engine, *, quick: bool) -> list[str]:
    """Describe all damage, a line each; unless `quick`, every byte of every layer is read."""
    return check(engine.store, deep=not quick)


def repair(engine: Engine, damage: list[str], *, quick: bool, force: bool) -> Repair:
    """Remove the images that are damaged, with `force` also those that containers use, and these containers."""
    removed = []
    for image_id in sorted(_damaged(engine, damage)):
        if images.pins(engine.store, image_id) and not force:
            continue
        try:
            removal.remove(engine, image_id, force=True, all_names=True)
        except (PodError, StorageError):
            continue  # what is left is told below
        removed.append(image_id)
    return Repair(removed, find(engine, quick=quick))


def _damaged(engine: Engine, damage: list[str]) -> set[str]:
    """Return the IDs of the images that lines of damage are about."""
    found: set[str] = set()
    for line in damage:
        kind, _, rest = line.partition(" ")
        name = rest.partition(":")[0]
        if kind == "image":
            found.add(name)
        elif kind == "layer":
            rows = engine.connection.execute("SELECT image FROM image_layer WHERE layer = ?", (name,))
            found.update(row[0] for row in rows)
    return found
