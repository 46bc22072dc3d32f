"""What the steps of builds came to, by the keys of what went into them: local, for all builds on this store.

A step's layer is kept as long as its row: neither `rmi` nor the collector takes it. A row of a step that changes no
file has no layer, only the time at which it was first taken, so that the same build gives the same image again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from storage import database, gc, images, reserve
from storage.publish import find_layer

if TYPE_CHECKING:
    from collections.abc import Iterable
    from sqlite3 import Connection

    from storage.store import Store

# Use is noted no more often than this, so that a build of known steps writes nothing.
_USE_SECONDS = 3600.0


@dataclass(frozen=True)
class Step:
    """What a step came to; `layer` is the key of its layer in the store, empty if it changed no file."""

    key: str
    layer: str
    diff_id: str
    size: int
    made: float
    used: float


def find(store: Store, key: str, *, since: float = 0.0) -> Step | None:
    """Return what a step came to if that is known, was made after a moment, and its layer is whole."""
    row = store.connection.execute(
        "SELECT key, layer, diff_id, size, made, used FROM build_step WHERE key = ? AND made >= ?", (key, since)
    ).fetchone()
    if row is None:
        return None
    step = Step(*row)
    return step if not step.layer or find_layer(store, step.layer) is not None else None


def keep(store: Store, step: Step) -> None:
    """Note what a step came to; its layer is there, and the caller holds `store.publishing()`."""
    with database.transaction(store.connection) as connection:
        connection.execute(
            "INSERT OR REPLACE INTO build_step VALUES (?, ?, ?, ?, ?, ?)",
            (step.key, step.layer, step.diff_id, step.size, step.made, step.used),
        )


def note_use(store: Store, steps: Iterable[Step]) -> None:
    """Note that steps are still of use, for those whose last note is old."""
    now = time.time()
    old = [(now, step.key) for step in steps if now - step.used > _USE_SECONDS]
    if old:
        with database.transaction(store.connection) as connection:
            connection.executemany("UPDATE build_step SET used = ? WHERE key = ?", old)


def steps(store: Store) -> list[Step]:
    """Return all steps, the least recently used first."""
    query = "SELECT key, layer, diff_id, size, made, used FROM build_step ORDER BY used, made"
    return [Step(*row) for row in store.connection.execute(query)]


def prune(store: Store, *, before: float | None = None) -> int:
    """Forget steps (those last used before a moment), and return the bytes of files of the layers that went.

    Nothing is forgotten while anybody publishes layers: a build that goes on may need them.
    """
    lock = store.collecting()
    if lock is None:
        return 0
    with lock:
        limit = time.time() + 1.0 if before is None else before
        # Each by itself: done again together, they would not know the layers whose rows have gone.
        layers = reserve.removing(store, lambda: _forget(store.connection, limit))
        freed = reserve.removing(store, lambda: gc.release_layers(store, layers, measure=True))
    gc.empty_trash(store)
    return freed


def _forget(connection: Connection, limit: float) -> set[str]:
    """Delete the rows of steps that were last used before a moment; return the keys of their layers."""
    with database.transaction(connection):
        rows = connection.execute("DELETE FROM build_step WHERE used < ? RETURNING layer", (limit,)).fetchall()
        layers = {row[0] for row in rows if row[0]}
        images.drop_unreferenced(connection, layers)
    return layers
