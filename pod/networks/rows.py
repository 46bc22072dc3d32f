"""The tables of networks, of containers on them, and of the addresses that these have.

An address belongs to a container as long as that exists, so that none is "in use" by what is no more.
"""

from __future__ import annotations

from pod.errors import PodError
from pod.networks.network import Attachment, Network
from runtime import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3

    from pod.networks.network import Place

TABLE = """
    CREATE TABLE network (
        name TEXT PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        created REAL NOT NULL,
        document TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE container_network (
        container TEXT NOT NULL REFERENCES container (id) ON DELETE CASCADE,
        network TEXT NOT NULL REFERENCES network (name),
        position INTEGER NOT NULL,
        place TEXT NOT NULL,
        PRIMARY KEY (container, network)
    ) WITHOUT ROWID;
    CREATE INDEX container_network_network ON container_network (network);
    CREATE TABLE lease (
        network TEXT NOT NULL,
        address TEXT NOT NULL,
        container TEXT NOT NULL,
        PRIMARY KEY (network, address),
        FOREIGN KEY (container, network) REFERENCES container_network (container, network) ON DELETE CASCADE
    ) WITHOUT ROWID;
    CREATE INDEX lease_container ON lease (container);
    """
_COLUMNS = "name, id, created, document"


class NoSuchNetworkError(PodError):
    """No network of this name or ID."""

    def __init__(self, name: str) -> None:
        super().__init__(f"unable to find network with name or ID {name}: network not found")


class NetworkExistsError(PodError):
    """Another network has the name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"network name {name} already used: network already exists")


def insert(connection: sqlite3.Connection, network: Network) -> None:
    """Add a network. Raises NetworkExistsError."""
    row = (network.name, network.id, network.created, jsontext.dumps(network.document))
    if not connection.execute("INSERT OR IGNORE INTO network VALUES (?, ?, ?, ?)", row).rowcount:
        raise NetworkExistsError(network.name)


def everything(connection: sqlite3.Connection) -> list[Network]:
    """Return all networks, by name."""
    return [Network(row) for row in connection.execute(f"SELECT {_COLUMNS} FROM network ORDER BY name")]


def find(connection: sqlite3.Connection, name: str) -> Network:
    """Return the network of a name, an ID, or the beginning of one ID alone. Raises NoSuchNetworkError."""
    query = f"SELECT {_COLUMNS} FROM network WHERE "
    row = connection.execute(f"{query} name = ?", (name,)).fetchone()
    if row is None and name.isalnum():
        rows = connection.execute(f"{query} id GLOB ? LIMIT 2", (f"{name}*",)).fetchall()
        if len(rows) > 1:
            raise PodError(f"more than one result for network ID {name}: network already exists")
        row = rows[0] if rows else None
    if row is None:
        raise NoSuchNetworkError(name)
    return Network(row)


def attach(connection: sqlite3.Connection, attachment: Attachment, position: int) -> None:
    """Put a container on a network, with its addresses; sqlite3.IntegrityError if one is taken."""
    name = attachment.network.name
    row = (attachment.container, name, position, jsontext.dumps(attachment.place))
    connection.execute("INSERT INTO container_network VALUES (?, ?, ?, ?)", row)
    leases = [(name, address, attachment.container) for address in attachment.addresses]
    connection.executemany("INSERT INTO lease VALUES (?, ?, ?)", leases)


def detach(connection: sqlite3.Connection, container: str, network: str) -> bool:
    """Take a container off a network; False if it was not on it."""
    query = "DELETE FROM container_network WHERE container = ? AND network = ?"
    return connection.execute(query, (container, network)).rowcount > 0


def attachments(connection: sqlite3.Connection, *, container: str = "", network: str = "") -> list[Attachment]:
    """Return the places of one container in their order, or of all containers of one network."""
    column, value = ("container", container) if container else ("network", network)
    query = (
        "SELECT container, place, (SELECT group_concat(address, ' ') FROM lease"
        " WHERE lease.container = place.container AND lease.network = place.network),"
        " name, id, created, document FROM container_network AS place JOIN network ON network.name = place.network"
        f" WHERE place.{column} = ? ORDER BY container, position"
    )
    return [
        Attachment(row[0], Network(row[3:]), _place(row[1]), (row[2] or "").split())
        for row in connection.execute(query, (value,))
    ]


def _place(text: str) -> Place:
    place: Place = jsontext.loads(text)
    return place
