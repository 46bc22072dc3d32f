"""What is known of updates that are under way: each keeps the image that a rollback would go back to.

The record is the pin of that image, so both are there or neither; it goes when the unit has come up. What a killed
command left is the next one's to complete.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pod.auto_update.tasks import Task
from storage import database, images

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pod.engine import Engine

PREFIX = "auto-update "


def keep(engine: Engine, task: Task) -> None:
    """Record that a container's image is about to be replaced; idempotent."""
    with database.transaction(engine.connection) as connection:
        images.pin(connection, task.image, _owner(task))


def forget(engine: Engine, tasks: Iterable[Task]) -> None:
    """Let go of the records of these; idempotent."""
    with database.transaction(engine.connection) as connection:
        for task in tasks:
            images.unpin(connection, _owner(task))


def load(engine: Engine) -> dict[str, list[Task]]:
    """Return the updates that have not come to their end, by unit."""
    found: dict[str, list[Task]] = {}
    for owner, image in images.all_pins(engine.store):
        if not is_record(owner):
            continue
        unit, policy, container_id, name, image_name = owner.removeprefix(PREFIX).split(" ")
        task = Task(unit=unit, policy=policy, image=image, image_name=image_name, container_id=container_id, name=name)
        found.setdefault(unit, []).append(task)
    return found


def is_record(owner: str) -> bool:
    """Tell whether an image is kept for an update."""
    return owner.startswith(PREFIX) and owner.count(" ") == 5


def _owner(task: Task) -> str:
    # None of these can have a space.
    return f"{PREFIX}{task.unit} {task.policy} {task.container_id} {task.container_name} {task.image_name}"
