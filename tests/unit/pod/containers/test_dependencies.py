from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest

from pod import state
from pod.containers import dependencies
from pod.errors import ContainerNotFoundError
from storage import database


@pytest.fixture
def connection(tmp_path: Path) -> sqlite3.Connection:
    connection = database.connect(str(tmp_path / "pod.db"), readonly=False)
    state.migrate(connection)
    return connection


def add(connection: sqlite3.Connection, identity: str, *needs: str) -> None:
    row = (identity, f"name-{identity}", "image", time.time(), 0, "", "{}")
    state.insert_container(connection, state.Container(row), [])
    dependencies.record(connection, identity, needs)


def test_a_needed_container_is_not_free_until_its_dependants_are_gone(connection: sqlite3.Connection) -> None:
    add(connection, "a")
    add(connection, "b", "a")
    add(connection, "c", "a", "b")
    with pytest.raises(
        dependencies.DependencyError,
        match=r"^container a has dependent containers which must be removed before it: b, c: container already exists$",
    ):
        dependencies.check_unneeded(connection, "a")
    assert dependencies.needs_of(connection, "c") == ["a", "b"]
    state.delete_container(connection, "c")
    state.delete_container(connection, "b")
    dependencies.check_unneeded(connection, "a")


def test_what_must_go_first(connection: sqlite3.Connection) -> None:
    add(connection, "a")
    add(connection, "b", "a")
    add(connection, "c", "b", "a")
    add(connection, "d")
    assert dependencies.with_dependants(connection, "a") == ["c", "b", "a"]
    assert dependencies.with_dependants(connection, "d") == ["d"]


def test_a_container_that_is_gone_cannot_be_needed(connection: sqlite3.Connection) -> None:
    with pytest.raises(ContainerNotFoundError):
        add(connection, "b", "gone")
