"""The rows of pods, and which containers are in which.

A container's row of `pod_member` comes with it, in one transaction, and goes with it: it keeps the pod's row from being
deleted. The pod's own row comes and goes with that of its infra container; `departed` tells that a container has gone
from it since it was started, so that one which is empty is known to be at its end. What a pod is doing is not here:
see pod.pods.status.
"""

from __future__ import annotations

from pod import state
from pod.errors import NoSuchPodError, PodError, PodNameInUseError
from runtime import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3

    from pod.pods.configuration import PodConfig

TABLE = """
    CREATE TABLE pod (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        created REAL NOT NULL,
        infra TEXT NOT NULL,
        config TEXT NOT NULL,
        departed INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID;
    CREATE TABLE pod_member (
        container TEXT PRIMARY KEY REFERENCES container (id) ON DELETE CASCADE,
        pod TEXT NOT NULL REFERENCES pod (id)
    ) WITHOUT ROWID;
    CREATE INDEX pod_member_pod ON pod_member (pod);
    CREATE TRIGGER pod_departed AFTER DELETE ON pod_member
        BEGIN UPDATE pod SET departed = 1 WHERE id = OLD.pod AND infra <> OLD.container; END;
    """
_COLUMNS = "id, name, created, infra, config"


class Pod:
    """A pod as it was created; immutable."""

    __slots__ = ("_config", "_stored", "created", "id", "infra", "name")

    def __init__(self, row: tuple[str, str, float, str, str]) -> None:
        self.id, self.name, self.created = row[:3]
        self.infra = row[3]  # the full ID of its infra container, empty for none
        self._stored = row[4]
        self._config: PodConfig | None = None

    @property
    def config(self) -> PodConfig:
        """What it was created with."""
        if self._config is None:
            self._config = jsontext.loads(self._stored)
        return self._config


def insert(connection: sqlite3.Connection, pod: Pod) -> None:
    """Add a pod, within a transaction of the caller. Raises PodError if a pod or a container has its name."""
    if named(connection, pod.name) is not None:
        raise PodNameInUseError(pod.name, "pod", adding=True)
    if state.owner_of_name(connection, pod.name):
        raise PodNameInUseError(pod.name, "container", adding=True)
    row = (pod.id, pod.name, pod.created, pod.infra, jsontext.dumps(pod.config))
    connection.execute(f"INSERT INTO pod ({_COLUMNS}) VALUES (?, ?, ?, ?, ?)", row)


def add_member(connection: sqlite3.Connection, pod_id: str, container_id: str) -> None:
    """Note that a container is in a pod, in the transaction that inserts the container.

    Raises NoSuchPodError if the pod was removed meanwhile.
    """
    if not has(connection, pod_id):
        raise NoSuchPodError(pod_id)
    connection.execute("INSERT INTO pod_member VALUES (?, ?)", (container_id, pod_id))


def delete(connection: sqlite3.Connection, pod_id: str) -> bool:
    """Delete a pod that has no containers any more, within a transaction; tell whether it was there."""
    return connection.execute("DELETE FROM pod WHERE id = ?", (pod_id,)).rowcount > 0


def has(connection: sqlite3.Connection, pod_id: str) -> bool:
    """Tell whether the pod of this full ID is (still) there."""
    return connection.execute("SELECT 1 FROM pod WHERE id = ?", (pod_id,)).fetchone() is not None


def named(connection: sqlite3.Connection, name: str) -> Pod | None:
    """Return the pod that has this very name."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM pod WHERE name = ?", (name,)).fetchone()
    return None if row is None else Pod(row)


def find(connection: sqlite3.Connection, text: str) -> Pod:
    """Return the pod of this name, ID, or unambiguous beginning of an ID. Raises NoSuchPodError."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM pod WHERE name = ? OR id = ?", (text, text)).fetchone()
    if row is None and text and all(letter in "0123456789abcdef" for letter in text):
        query = f"SELECT {_COLUMNS} FROM pod WHERE id >= ? AND id < ? LIMIT 2"
        rows = connection.execute(query, (text, text + "g")).fetchall()
        if len(rows) > 1:
            raise PodError(f"more than one result for ID or name {text}: pod already exists")
        row = rows[0] if rows else None
    if row is None:
        raise NoSuchPodError(text, hint=state.similar(connection, "pod", text))
    return Pod(row)


def everything(connection: sqlite3.Connection) -> list[Pod]:
    """Return all pods, oldest first."""
    return [Pod(row) for row in connection.execute(f"SELECT {_COLUMNS} FROM pod ORDER BY created, id")]


def has_departed(connection: sqlite3.Connection, pod_id: str) -> bool:
    """Tell whether a container has gone from a pod since that was started."""
    return connection.execute("SELECT 1 FROM pod WHERE id = ? AND departed", (pod_id,)).fetchone() is not None


def begin(connection: sqlite3.Connection, pod_id: str) -> None:
    """Note that a pod is started, within a transaction."""
    connection.execute("UPDATE pod SET departed = 0 WHERE id = ?", (pod_id,))


def names(connection: sqlite3.Connection) -> dict[str, str]:
    """Return the names of all pods by ID."""
    return dict(connection.execute("SELECT id, name FROM pod"))


def member_ids(connection: sqlite3.Connection, pod_id: str) -> list[str]:
    """Return the IDs of the containers in a pod, its infra container included."""
    query = "SELECT container FROM pod_member WHERE pod = ? ORDER BY container"
    return [row[0] for row in connection.execute(query, (pod_id,))]


def members(connection: sqlite3.Connection, pod_id: str) -> list[state.Container]:
    """Return the containers in a pod, its infra container included, in the order of their creation."""
    found = []
    for container_id in member_ids(connection, pod_id):
        container = state.container(connection, container_id)
        if container is not None:  # removed meanwhile
            found.append(container)
    return sorted(found, key=lambda one: (one.created, one.id))
