from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest

from pod import schema, state
from pod.containers.configuration import DEFAULTS
from pod.errors import ContainerNotFoundError, NameInUseError, NoSuchVolumeError, PodError
from runtime import jsontext
from storage import database, store


@pytest.fixture
def connection(tmp_path: Path) -> sqlite3.Connection:
    connection = database.connect(str(tmp_path / "pod.db"), readonly=False)
    state.migrate(connection)
    return connection


def container(identity: str, name: str) -> state.Container:
    return state.Container((identity, name, "image", time.time(), 0, "", '{"k":1}'))


def test_containers_are_found_by_name_id_and_beginning(connection: sqlite3.Connection) -> None:
    state.insert_container(connection, container("aa11", "web"), [])
    state.insert_container(connection, container("ab22", "db"), [])
    assert state.find_container(connection, "web").id == "aa11"
    assert state.find_container(connection, "ab22").name == "db"
    assert state.find_container(connection, "aa").name == "web"
    with pytest.raises(PodError, match="more than one result"):
        state.find_container(connection, "a")
    for missing in ("zz", "aa1g", "%", "we"):
        with pytest.raises(ContainerNotFoundError):
            state.find_container(connection, missing)


def test_what_defaults_say_is_not_stored(connection: sqlite3.Connection) -> None:
    config = {**DEFAULTS, "timeout": 5, "restart": {"policy": "always", "maximum": 0}, "user": ""}
    row = ("aa11", "web", "image", 0.0, 0, "", jsontext.dumps(config))
    state.insert_container(connection, state.Container(row), [])
    stored = connection.execute("SELECT config FROM container").fetchone()[0]
    assert jsontext.loads(stored) == {"timeout": 5, "restart": {"policy": "always", "maximum": 0}, "user": ""}
    assert state.find_container(connection, "web").config == config
    state.replace_config(connection, "aa11", {**config, "timeout": 0, "user": "me"})
    assert "timeout" not in connection.execute("SELECT config FROM container").fetchone()[0]
    assert state.find_container(connection, "web").config == {**config, "timeout": 0, "user": "me"}


def test_names_are_taken_once(connection: sqlite3.Connection) -> None:
    state.insert_container(connection, container("aa11", "web"), [])
    with pytest.raises(NameInUseError, match="already in use by aa11"):
        state.insert_container(connection, container("bb22", "web"), [])


def test_volumes_know_their_users(connection: sqlite3.Connection) -> None:
    assert state.insert_volume(connection, "data", anonymous=False, labels={"a": "b"}, options={})
    assert not state.insert_volume(connection, "data", anonymous=False, labels={}, options={})
    state.insert_container(connection, container("aa11", "web"), ["data"])
    assert state.volume_users(connection, "data") == ["aa11"]
    assert state.volumes_of(connection, "aa11", anonymous_only=True) == []
    assert state.find_volume(connection, "da").labels == {"a": "b"}
    state.delete_container(connection, "aa11")
    assert state.volume_users(connection, "data") == []
    assert state.delete_volume(connection, "data")
    with pytest.raises(NoSuchVolumeError):
        state.find_volume(connection, "data")


def test_exit_codes_are_kept_for_a_while(connection: sqlite3.Connection) -> None:
    state.keep_exit_code(connection, container("aa11", "web"), 3)
    assert state.kept_exit_code(connection, "aa11") == 3
    connection.execute("UPDATE exit_code SET recorded = recorded - 1000")
    state.keep_exit_code(connection, container("bb22", "db"), 4)
    assert state.kept_exit_code(connection, "aa11") is None
    assert state.kept_exit_code(connection, "bb22") == 4


def test_reading_a_store_that_is_not_there_writes_nothing(tmp_path: Path) -> None:
    opened = state.open_for_reading(str(tmp_path / "store"))
    assert state.containers(opened.connection) == []
    assert list(tmp_path.iterdir()) == []


def test_a_reader_brings_the_tables_of_an_older_version_up_to_date(tmp_path: Path) -> None:
    root = str(tmp_path / "store")
    opened = store.open_store(root)
    database.migrate(opened.connection, "pod", schema.STEPS[:1])
    opened.close()
    reading = state.open_for_reading(root)
    assert database.version(reading.connection, "pod") == len(schema.STEPS)
    assert state.containers(reading.connection) == []


def test_version_counts_the_steps() -> None:
    assert len(schema.STEPS) == state.VERSION
