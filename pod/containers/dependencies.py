"""Which containers need which others: those whose namespaces they join, and those named by --requires.

A container that others need cannot be removed before them, and is started before them. Cycles cannot come about: a
container's needs are settled when it is created, among those that are there already.
"""

from __future__ import annotations

import posix

from pod.errors import ContainerNotFoundError, PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from pod.engine import Engine
    from pod.state import Container

_OF_SERVICE = (b"NOTIFY_SOCKET", b"LISTEN_FDS")  # variables that systemd gives to a service

TABLE = """
    CREATE TABLE container_dependency (
        container TEXT NOT NULL REFERENCES container (id) ON DELETE CASCADE,
        needs TEXT NOT NULL REFERENCES container (id),
        PRIMARY KEY (container, needs)
    ) WITHOUT ROWID;
    CREATE INDEX container_dependency_needs ON container_dependency (needs);
    """


class DependencyError(PodError):
    """Other containers need the container."""

    def __init__(self, container_id: str, dependants: list[str]) -> None:
        super().__init__(
            f"container {container_id} has dependent containers which must be removed before it:"
            f" {', '.join(dependants)}: container already exists",
            hint="pod rm --depend removes them too",
        )
        self.dependants = dependants


def record(connection: sqlite3.Connection, container_id: str, needs: Iterable[str]) -> None:
    """Note which containers (by full ID) a new container needs, in the transaction that inserts it.

    Raises ContainerNotFoundError if one of them was removed meanwhile.
    """
    for needed in needs:
        if connection.execute("SELECT 1 FROM container WHERE id = ?", (needed,)).fetchone() is None:
            raise ContainerNotFoundError(needed)
        connection.execute("INSERT OR IGNORE INTO container_dependency VALUES (?, ?)", (container_id, needed))


def needs_of(connection: sqlite3.Connection, container_id: str) -> list[str]:
    """Return the IDs of the containers that a container needs."""
    query = "SELECT needs FROM container_dependency WHERE container = ? ORDER BY needs"
    return [row[0] for row in connection.execute(query, (container_id,))]


def dependants_of(connection: sqlite3.Connection, container_id: str) -> list[str]:
    """Return the IDs of the containers that need a container."""
    query = "SELECT container FROM container_dependency WHERE needs = ? ORDER BY container"
    return [row[0] for row in connection.execute(query, (container_id,))]


def check_unneeded(connection: sqlite3.Connection, container_id: str) -> None:
    """Raise DependencyError if another container needs this one; within the transaction that deletes it."""
    dependants = dependants_of(connection, container_id)
    if dependants:
        raise DependencyError(container_id, dependants)


def with_dependants(connection: sqlite3.Connection, container_id: str) -> list[str]:
    """Return a container and all that need it, directly or not: those that must be removed first come first."""
    found: list[str] = []

    def visit(identity: str) -> None:
        for dependant in dependants_of(connection, identity):
            visit(dependant)
        if identity not in found:
            found.append(identity)

    visit(container_id)
    return found


def start_needed(engine: Engine, container: Container) -> None:
    """Start those containers that a container needs and that do not run, in their turn with what they need.

    The caller holds the container's lock: so locks are taken in the order of needs.
    """
    # Its sockets and the word that it is ready are not what a service of ours is known by.
    of_service = {name: posix.environ.pop(name) for name in _OF_SERVICE if name in posix.environ}
    try:
        needs = needs_of(engine.connection, container.id)
        if not container.config["pod"]["id"]:
            _start_each(engine, needs)
        elif needs:
            from pod.pods import exit_policy

            with exit_policy.postponed(container.config["pod"]["id"]):
                _start_each(engine, needs)
    finally:
        posix.environ.update(of_service)


def _start_each(engine: Engine, needs: list[str]) -> None:
    for needed in needs:
        from pod import state
        from pod.containers import launch
        from pod.lock import ContainerLock

        with ContainerLock(engine.config, needed):
            pass  # somebody may be about to start it, or to end it with its pod: now it runs, or it does not
        launch.start_detached(engine, state.find_container(engine.connection, needed))
