"""Giving a container another name: one row in one transaction, for nothing else is kept by name."""

from __future__ import annotations

from pod import events, names, state
from pod.errors import ContainerNotFoundError, PodError
from storage import database

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.engine import Engine


def rename(engine: Engine, container: state.Container, name: str) -> None:
    """Give a container, running or not, another name. Raises PodError if another container has it."""
    names.check_name(name)
    with database.transaction(engine.connection):
        owner = state.owner_of_name(engine.connection, name)
        if owner not in ("", container.id):
            raise PodError(
                f"renaming container {container.id}: name {name} already in use, cannot rename container"
                f" {container.id}: container already exists"
            )
        if not state.rename_container(engine.connection, container.id, name):
            raise ContainerNotFoundError(container.id)
    container.name = name
    events.rename(engine.config, container)
    events.of_container(engine.config, container, "rename")
