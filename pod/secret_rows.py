"""The table of secrets: all that is known of them but their data, which is with their driver (pod.secret_drivers)."""

from __future__ import annotations

from pod.errors import PodError
from runtime import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3

TABLE = """
    CREATE TABLE secret (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        created REAL NOT NULL,
        driver TEXT NOT NULL,
        options TEXT NOT NULL,
        labels TEXT NOT NULL
    ) WITHOUT ROWID;
    """
_COLUMNS = "id, name, created, driver, options, labels"


class NoSuchSecretError(PodError):
    """No secret of this name or ID."""

    def __init__(self, name: str) -> None:
        super().__init__(f'no secret with name or id "{name}": no such secret')


class SecretExistsError(PodError):
    """Another secret has the name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name}: secret name in use", hint="--replace puts the new one in its place")


class Secret:
    """What is known of a secret."""

    __slots__ = ("created", "driver", "id", "labels", "name", "options")

    def __init__(self, row: tuple[str, str, float, str, str, str]) -> None:
        self.id, self.name, self.created, self.driver = row[:4]
        self.options: dict[str, str] = jsontext.loads(row[4])
        self.labels: dict[str, str] = jsontext.loads(row[5])


def insert(connection: sqlite3.Connection, secret: Secret) -> None:
    """Add a row, within a transaction of the caller; its name must be free."""
    options, labels = jsontext.dumps(secret.options), jsontext.dumps(secret.labels)
    row = (secret.id, secret.name, secret.created, secret.driver, options, labels)
    connection.execute(f"INSERT INTO secret ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", row)


def everything(connection: sqlite3.Connection) -> list[Secret]:
    """Return all secrets by name."""
    return [Secret(row) for row in connection.execute(f"SELECT {_COLUMNS} FROM secret ORDER BY name")]


def named(connection: sqlite3.Connection, name: str) -> Secret | None:
    """Return the secret of exactly this name."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM secret WHERE name = ?", (name,)).fetchone()
    return None if row is None else Secret(row)


def find(connection: sqlite3.Connection, text: str) -> Secret:
    """Return the secret of this name, ID, or unambiguous beginning of an ID."""
    found = named(connection, text)
    if found is not None:
        return found
    query = f"SELECT {_COLUMNS} FROM secret WHERE substr(id, 1, length(?1)) = ?1 LIMIT 2"
    rows = connection.execute(query, (text,)).fetchall() if text else []
    if len(rows) > 1:
        raise PodError(f"more than one result secret with prefix {text}: secret is ambiguous")
    if not rows:
        raise NoSuchSecretError(text)
    return Secret(rows[0])


def delete(connection: sqlite3.Connection, secret_id: str) -> bool:
    """Delete a row, within a transaction of the caller; tell whether it was there."""
    return connection.execute("DELETE FROM secret WHERE id = ?", (secret_id,)).rowcount > 0
