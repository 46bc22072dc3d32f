"""The ID ranges of containers that have a user namespace of their own, so that --userns=auto gives each its own.

A container's rows come with it, in one transaction, and go with it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3

    from pod.state import Container

ALL_IDS = 2**32 - 1
TABLE = """
    CREATE TABLE container_id_range (
        container TEXT NOT NULL REFERENCES container (id) ON DELETE CASCADE,
        kind TEXT NOT NULL,
        first INTEGER NOT NULL,
        length INTEGER NOT NULL,
        PRIMARY KEY (container, kind, first)
    ) WITHOUT ROWID;
    """


def record(connection: sqlite3.Connection, container: Container) -> None:
    """Note which IDs outside a new container maps, in the transaction that inserts it.

    Not for one that joins the namespace of another, nor for root's keep-id, which maps every ID of the host.
    """
    maps = container.config["id_map"]
    mode = container.config["namespaces"]["user"].partition(":")[0]
    if mode in ("container", "ns") or maps["uids"] == [[0, 0, ALL_IDS]]:
        return
    for kind, mapping in (("u", maps["uids"]), ("g", maps["gids"])):
        rows = [(container.id, kind, outside, count) for _, outside, count in mapping]
        connection.executemany("INSERT OR IGNORE INTO container_id_range VALUES (?, ?, ?, ?)", rows)


def used(connection: sqlite3.Connection, kind: str) -> list[tuple[int, int]]:
    """Return the ranges (first, count) that containers use, of users (`u`) or groups (`g`)."""
    query = "SELECT first, length FROM container_id_range WHERE kind = ? ORDER BY first"
    return [(row[0], row[1]) for row in connection.execute(query, (kind,))]
