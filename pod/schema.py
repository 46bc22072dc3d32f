"""The steps by which the engine's own tables in pod.db came about; pod.state.VERSION counts them.

Steps are only ever added: a database that an older version wrote is brought up to date by those that it lacks.
"""

from __future__ import annotations

from pod import secret_rows
from pod.containers import dependencies
from pod.containers.namespaces import id_ranges
from pod.networks import rows
from pod.pods import rows as pod_rows

STEPS = (
    """
    CREATE TABLE container (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        image TEXT NOT NULL,
        created REAL NOT NULL,
        auto_remove INTEGER NOT NULL,
        creator TEXT NOT NULL,
        config TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE volume (
        name TEXT PRIMARY KEY,
        created REAL NOT NULL,
        anonymous INTEGER NOT NULL,
        labels TEXT NOT NULL,
        options TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE container_volume (
        container TEXT NOT NULL REFERENCES container (id) ON DELETE CASCADE,
        volume TEXT NOT NULL REFERENCES volume (name),
        PRIMARY KEY (container, volume)
    ) WITHOUT ROWID;
    CREATE TABLE exit_code (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        code INTEGER NOT NULL,
        recorded REAL NOT NULL
    ) WITHOUT ROWID;
    """,
    dependencies.TABLE,
    id_ranges.TABLE,
    secret_rows.TABLE,
    rows.TABLE,
    pod_rows.TABLE,
)
