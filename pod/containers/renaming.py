"""Giving a container another name: one row in one transaction, and what its networks know it by."""

from __future__ import annotations

from pod import events, names, state
from pod.errors import ContainerNotFoundError, PodError
from pod.lock import ContainerLock
from storage import database

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.engine import Engine


def rename(engine: Engine, container: state.Container, name: str) -> None:
    """Give a container, running or not, another name; on its networks it is known under that one alone.

    Raises PodError if another container has the name.
    """
    names.check_name(name)
    with ContainerLock(engine.config, container.id):
        _rename(engine, container, name)
        before, container.name = container.name, name
        if container.config["namespaces"]["network"] == "bridge":
            from pod.networks import membership

            membership.rename(engine, container, before)
    events.rename(engine.config, container)
    events.of_container(engine.config, container, "rename")


def _rename(engine: Engine, container: state.Container, name: str) -> None:
    with database.transaction(engine.connection):
        owner = state.owner_of_name(engine.connection, name)
        if owner not in ("", container.id):
            raise PodError(
                f"renaming container {container.id}: name {name} already in use, cannot rename container"
                f" {container.id}: container already exists"
            )
        state.check_no_pod(engine.connection, name)
        if not state.rename_container(engine.connection, container.id, name):
            raise ContainerNotFoundError(container.id)
