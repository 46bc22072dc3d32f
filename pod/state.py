"""The engine's own tables in pod.db: containers, volumes, and exit codes of containers that are gone.

Storage has tables of its own in the same file; neither reads the other's. What a container is doing is not here:
see pod.containers.status.
"""

from __future__ import annotations

import time

from pod.containers.configuration import DEFAULTS
from pod.errors import ContainerNotFoundError, NameInUseError, NoSuchVolumeError, PodError, PodNameInUseError
from runtime import jsontext
from storage import database, store

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from typing import Any

# How many steps pod.schema has; it is loaded only where some are missing.
VERSION = 6

# How the names of containers begin that builds run their steps in: no user can give such a name.
BUILD = "build "

EXIT_CODES_KEPT_SECONDS = 300.0


class Container:
    """A container as it was created; immutable but for its name."""

    __slots__ = ("_config", "_stored", "auto_remove", "created", "creator", "id", "image", "name")

    def __init__(self, row: tuple[str, str, str, float, int, str, str]) -> None:
        self.id, self.name, self.image, self.created = row[:4]
        self.auto_remove = bool(row[4])
        self.creator = row[5]  # "PID STARTTIME BOOT-ID" of a `run --rm` that still owns it, else empty
        self._stored = row[6]
        self._config: dict[str, Any] | None = None

    @property
    def config(self) -> dict[str, Any]:
        """What it was created with (pod.containers.configuration), read when it is asked for: a list may have many."""
        if self._config is None:
            self._config = DEFAULTS | jsontext.loads(self._stored)
        return self._config


class Volume:
    """A named place for data that outlives containers."""

    __slots__ = ("anonymous", "created", "labels", "name", "options")

    def __init__(self, row: tuple[str, float, int, str, str]) -> None:
        self.name, self.created = row[:2]
        self.anonymous = bool(row[2])
        self.labels: dict[str, str] = jsontext.loads(row[3])
        self.options: dict[str, str] = jsontext.loads(row[4])


_COLUMNS = "id, name, image, created, auto_remove, creator, config"
_VOLUME_COLUMNS = "name, created, anonymous, labels, options"


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the engine's tables up to date."""
    if database.version(connection, "pod") != VERSION:
        from pod.schema import STEPS

        database.migrate(connection, "pod", STEPS)


def open_for_reading(root: str) -> store.Store:
    """Open the store without writing; one that lacks our tables reads as empty."""
    opened = store.open_store(root, readonly=True)
    present = database.version(opened.connection, "pod")
    if present == VERSION:
        return opened
    opened.close()
    if present == 0:
        opened = store.empty(root)
        migrate(opened.connection)
        return opened
    # An older version wrote it: bring it up to date, which only a connection for writing can.
    writing = store.open_store(root)
    migrate(writing.connection)
    writing.close()
    return store.open_store(root, readonly=True)


def insert_container(connection: sqlite3.Connection, container: Container, volumes: list[str]) -> None:
    """Add a row; within a transaction of the caller. Raises NameInUseError."""
    taken = owner_of_name(connection, container.name)
    if taken:
        raise NameInUseError(container.name, taken)
    check_no_pod(connection, container.name)
    connection.execute(
        f"INSERT INTO container ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            container.id,
            container.name,
            container.image,
            container.created,
            int(container.auto_remove),
            container.creator,
            _stored(container.config),
        ),
    )
    for name in volumes:
        connection.execute("INSERT OR IGNORE INTO container_volume VALUES (?, ?)", (container.id, name))


def containers(connection: sqlite3.Connection, *, builds: bool = False) -> list[Container]:
    """Return all containers, oldest first; those that builds run their steps in only with `builds`."""
    condition = "" if builds else f"WHERE name < '{BUILD}' OR name > '{BUILD}~'"
    rows = connection.execute(f"SELECT {_COLUMNS} FROM container {condition} ORDER BY created, id")
    return [Container(row) for row in rows]


def auto_removed(connection: sqlite3.Connection) -> list[tuple[str, str, str]]:
    """Return the ID, the name and the creator of each container that is to go at its end."""
    return connection.execute("SELECT id, name, creator FROM container WHERE auto_remove").fetchall()


def container_ids(connection: sqlite3.Connection) -> set[str]:
    """Return the IDs of all containers."""
    return {row[0] for row in connection.execute("SELECT id FROM container")}


def has_container(connection: sqlite3.Connection, container_id: str) -> bool:
    """Tell whether the container of this full ID is (still) there."""
    return connection.execute("SELECT 1 FROM container WHERE id = ?", (container_id,)).fetchone() is not None


def needs_others(connection: sqlite3.Connection, container_id: str) -> bool:
    """Tell whether a container needs others (pod.containers.dependencies)."""
    query = "SELECT 1 FROM container_dependency WHERE container = ?"
    return connection.execute(query, (container_id,)).fetchone() is not None


def is_needed(connection: sqlite3.Connection, container_id: str) -> bool:
    """Tell whether other containers need this one (pod.containers.dependencies)."""
    query = "SELECT 1 FROM container_dependency WHERE needs = ?"
    return connection.execute(query, (container_id,)).fetchone() is not None


def is_name_taken(connection: sqlite3.Connection, name: str) -> bool:
    """Tell whether a container or a pod has this name."""
    return bool(owner_of_name(connection, name)) or _is_pod(connection, name)


def check_no_pod(connection: sqlite3.Connection, name: str) -> None:
    """Raise PodNameInUseError if a pod has this name: a container must not."""
    if _is_pod(connection, name):
        raise PodNameInUseError(name, "pod")


def _is_pod(connection: sqlite3.Connection, name: str) -> bool:
    return connection.execute("SELECT 1 FROM pod WHERE name = ?", (name,)).fetchone() is not None


def owner_of_name(connection: sqlite3.Connection, name: str) -> str:
    """Return the ID of the container that has this name; empty if none has."""
    row = connection.execute("SELECT id FROM container WHERE name = ?", (name,)).fetchone()
    return "" if row is None else str(row[0])


def rename_container(connection: sqlite3.Connection, container_id: str, name: str) -> bool:
    """Give a container a free name, within a transaction of the caller; tell whether it is (still) there."""
    return connection.execute("UPDATE container SET name = ? WHERE id = ?", (name, container_id)).rowcount > 0


def container(connection: sqlite3.Connection, container_id: str) -> Container | None:
    """Return the container of this full ID, if it is (still) there."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM container WHERE id = ?", (container_id,)).fetchone()
    return None if row is None else Container(row)


def find_container(connection: sqlite3.Connection, text: str) -> Container:
    """Return the container of this name, ID, or unambiguous beginning of an ID."""
    if not text:
        raise PodError("name or ID cannot be empty")
    query = f"SELECT {_COLUMNS} FROM container WHERE name = ? OR id = ?"
    row = connection.execute(query, (text, text)).fetchone()
    if row is None and text and all(letter in "0123456789abcdef" for letter in text):
        query = f"SELECT {_COLUMNS} FROM container WHERE id >= ? AND id < ? LIMIT 2"
        rows = connection.execute(query, (text, text + "g")).fetchall()
        if len(rows) > 1:
            raise PodError(f"more than one result for container name or ID {text}: container ID is ambiguous")
        row = rows[0] if rows else None
    if row is None:
        raise ContainerNotFoundError(text, hint=similar(connection, "container", text))
    return Container(row)


def similar(connection: sqlite3.Connection, table: str, text: str) -> str:
    """Return a hint that names the object that was perhaps meant, empty if none is near."""
    from pod.names import nearest

    near = nearest(text, [row[0] for row in connection.execute(f"SELECT name FROM {table} LIMIT 1000")])
    return f"did you mean {near}?" if near else ""


def delete_container(connection: sqlite3.Connection, container_id: str) -> bool:
    """Delete a row, within a transaction of the caller; tell whether it was there."""
    connection.execute("DELETE FROM container_volume WHERE container = ?", (container_id,))
    return connection.execute("DELETE FROM container WHERE id = ?", (container_id,)).rowcount > 0


def clear_creator(connection: sqlite3.Connection, container_id: str) -> None:
    """Record that the container no longer depends on the command that created it."""
    connection.execute("UPDATE container SET creator = '' WHERE id = ?", (container_id,))


def _stored(config: dict[str, Any]) -> str:
    """Return the document without what DEFAULTS says too, which is most of it: a list of many containers reads all."""
    return jsontext.dumps(
        {key: value for key, value in config.items() if key not in DEFAULTS or DEFAULTS[key] != value}
    )


def replace_config(connection: sqlite3.Connection, container_id: str, config: dict[str, Any]) -> None:
    """Change what a container is, within a transaction of the caller."""
    connection.execute("UPDATE container SET config = ? WHERE id = ?", (_stored(config), container_id))


def keep_exit_code(connection: sqlite3.Connection, container: Container, code: int) -> None:
    """Remember for a while how a container that is being removed ended, for `wait`."""
    now = time.time()
    connection.execute("DELETE FROM exit_code WHERE recorded < ?", (now - EXIT_CODES_KEPT_SECONDS,))
    row = (container.id, container.name, code, now)
    connection.execute("INSERT OR REPLACE INTO exit_code VALUES (?, ?, ?, ?)", row)


def kept_exit_code(connection: sqlite3.Connection, container_id: str) -> int | None:
    """Return how a removed container ended, if that is still known."""
    row = connection.execute("SELECT code FROM exit_code WHERE id = ?", (container_id,)).fetchone()
    return None if row is None else int(row[0])


def insert_volume(
    connection: sqlite3.Connection,
    name: str,
    *,
    anonymous: bool,
    labels: dict[str, str],
    options: dict[str, str],
) -> bool:
    """Add a volume unless it exists; tell whether it was added."""
    row = (name, time.time(), int(anonymous), jsontext.dumps(labels), jsontext.dumps(options))
    cursor = connection.execute(f"INSERT OR IGNORE INTO volume ({_VOLUME_COLUMNS}) VALUES (?, ?, ?, ?, ?)", row)
    return cursor.rowcount > 0


def volumes(connection: sqlite3.Connection) -> list[Volume]:
    """Return all volumes by name."""
    return [Volume(row) for row in connection.execute(f"SELECT {_VOLUME_COLUMNS} FROM volume ORDER BY name")]


def find_volume(connection: sqlite3.Connection, text: str) -> Volume:
    """Return the volume of this name or unambiguous beginning of a name."""
    row = connection.execute(f"SELECT {_VOLUME_COLUMNS} FROM volume WHERE name = ?", (text,)).fetchone()
    if row is None:
        query = f"SELECT {_VOLUME_COLUMNS} FROM volume WHERE substr(name, 1, length(?1)) = ?1 LIMIT 2"
        rows = connection.execute(query, (text,)).fetchall() if text else []
        if len(rows) > 1:
            raise PodError(f'more than one result for volume name "{text}": volume already exists')
        if not rows:
            raise NoSuchVolumeError(text, hint=similar(connection, "volume", text))
        row = rows[0]
    return Volume(row)


def has_volume(connection: sqlite3.Connection, name: str) -> bool:
    """Tell whether the volume of this full name is (still) there."""
    return connection.execute("SELECT 1 FROM volume WHERE name = ?", (name,)).fetchone() is not None


def volume_users(connection: sqlite3.Connection, name: str) -> list[str]:
    """Return the IDs of the containers that mount a volume."""
    rows = connection.execute("SELECT container FROM container_volume WHERE volume = ?", (name,))
    return [row[0] for row in rows]


def volumes_of(connection: sqlite3.Connection, container_id: str, *, anonymous_only: bool) -> list[str]:
    """Return the names of the volumes that a container mounts."""
    query = "SELECT volume FROM container_volume WHERE container = ?"
    names = [row[0] for row in connection.execute(query, (container_id,))]
    if not anonymous_only:
        return names
    return [name for name in names if find_volume(connection, name).anonymous]


def delete_volume(connection: sqlite3.Connection, name: str) -> bool:
    """Delete a volume's row, within a transaction of the caller; tell whether it was there."""
    return connection.execute("DELETE FROM volume WHERE name = ?", (name,)).rowcount > 0
