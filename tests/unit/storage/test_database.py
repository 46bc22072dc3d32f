"""The database: migrations, transactions, readers beside writers, forks and crashes."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path

import pytest

from storage import database
from storage.errors import StorageError

STEPS = ("CREATE TABLE fruit (name TEXT PRIMARY KEY);\nCREATE TABLE tree (name TEXT);\n",)
MORE = (*STEPS, "ALTER TABLE fruit ADD COLUMN colour TEXT;\n")


def test_reader_of_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        database.connect(str(tmp_path / "pod.db"), readonly=True)
    assert list(tmp_path.iterdir()) == []


def test_migrate_is_done_once_and_continued(tmp_path: Path) -> None:
    connection = database.connect(str(tmp_path / "pod.db"), readonly=False)
    database.migrate(connection, "one", STEPS)
    connection.execute("INSERT INTO fruit VALUES ('apple')")
    changes = connection.total_changes
    database.migrate(connection, "one", STEPS)
    assert connection.total_changes == changes
    database.migrate(connection, "one", MORE)
    assert connection.execute("SELECT name, colour FROM fruit").fetchall() == [("apple", None)]
    assert database.version(connection, "one") == 2
    assert database.version(connection, "two") == 0
    connection.close()


def test_migrate_refuses_a_newer_database(tmp_path: Path) -> None:
    connection = database.connect(str(tmp_path / "pod.db"), readonly=False)
    database.migrate(connection, "one", MORE)
    with pytest.raises(StorageError, match="version 2"):
        database.migrate(connection, "one", STEPS)
    connection.close()


def test_failed_migration_leaves_nothing(tmp_path: Path) -> None:
    connection = database.connect(str(tmp_path / "pod.db"), readonly=False)
    with pytest.raises(StorageError, match="syntax"):
        database.migrate(connection, "one", (*STEPS, "CREATE NONSENSE;\n"))
    assert database.version(connection, "one") == 0
    assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    connection.close()


def test_what_begins_the_log_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "pod.db"
    connection = database.connect(str(path), readonly=False)
    database.migrate(connection, "one", STEPS)
    connection.close()
    log = tmp_path / "pod.db-wal"
    assert not log.exists()
    content = path.read_bytes()
    connection = database.connect(str(path), readonly=False)
    database.begin_log(connection)
    assert log.stat().st_size > 0
    assert path.read_bytes() == content
    assert database.version(connection, "one") == 1
    connection.close()


def test_transaction_rolls_back(tmp_path: Path) -> None:
    connection = database.connect(str(tmp_path / "pod.db"), readonly=False)
    database.migrate(connection, "one", STEPS)
    try:
        with database.transaction(connection):
            connection.execute("INSERT INTO fruit VALUES ('apple')")
            raise RuntimeError
    except RuntimeError:
        pass
    assert connection.execute("SELECT * FROM fruit").fetchall() == []
    connection.close()


def test_reader_does_not_wait_for_a_writer(tmp_path: Path) -> None:
    path = str(tmp_path / "pod.db")
    writer = database.connect(path, readonly=False)
    database.migrate(writer, "one", STEPS)
    with database.transaction(writer):
        writer.execute("INSERT INTO fruit VALUES ('apple')")
        reader = database.connect(path, readonly=True)
        assert reader.execute("SELECT * FROM fruit").fetchall() == []
        reader.close()
    reader = database.connect(path, readonly=True)
    assert reader.execute("SELECT * FROM fruit").fetchall() == [("apple",)]
    with pytest.raises(StorageError, match="readonly"), database.transaction(reader):
        reader.execute("INSERT INTO fruit VALUES ('pear')")
    reader.close()
    writer.close()


def test_reader_without_the_right_to_write_beside_the_file() -> None:
    if os.getuid() != 0:
        pytest.skip("needs uid 0 to become somebody else")
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        path = f"{directory}/pod.db"
        connection = database.connect(path, readonly=False)
        database.migrate(connection, "one", STEPS)
        connection.execute("INSERT INTO fruit VALUES ('apple')")
        connection.close()
        assert _fruit_as_nobody(path) == 0
        assert os.listdir(directory) == ["pod.db"]


def _fruit_as_nobody(path: str) -> int:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setuid(65534)
            reader = database.connect(path, readonly=True)
            code = 0 if reader.execute("SELECT * FROM fruit").fetchall() == [("apple",)] else 2
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_path_with_characters_of_a_uri(tmp_path: Path) -> None:
    path = str(tmp_path / "a?b#c%20d.db")
    connection = database.connect(path, readonly=False)
    database.migrate(connection, "one", STEPS)
    connection.close()
    reader = database.connect(path, readonly=True)
    assert database.version(reader, "one") == 1
    reader.close()


def test_a_killed_writer_blocks_nobody(tmp_path: Path) -> None:
    path = str(tmp_path / "pod.db")
    pid = os.fork()
    if pid == 0:
        connection = database.connect(path, readonly=False)
        database.migrate(connection, "one", STEPS)
        connection.execute("INSERT INTO fruit VALUES ('apple')")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO fruit VALUES ('pear')")
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    reader = database.connect(path, readonly=True)
    assert reader.execute("SELECT * FROM fruit").fetchall() == [("apple",)]
    reader.close()
    writer = database.connect(path, readonly=False)
    with database.transaction(writer):
        writer.execute("INSERT INTO fruit VALUES ('pear')")
    writer.close()


def test_concurrent_first_openers_agree(tmp_path: Path) -> None:
    # Without a lock of our own SQLite refuses one of them in one round of sixty.
    for number in range(30):
        _open_at_once(str(tmp_path / f"{number}.db"))


def _open_at_once(path: str) -> None:
    pids = []
    for number in range(8):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                connection = database.connect(path, readonly=False)
                database.migrate(connection, "one", MORE)
                with database.transaction(connection):
                    connection.execute("INSERT INTO fruit VALUES (?, '')", (str(number),))
                code = 0
            finally:
                os._exit(code)
        pids.append(pid)
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids] == [0] * 8
    reader = database.connect(path, readonly=True)
    assert reader.execute("SELECT count(*) FROM fruit").fetchone() == (8,)
    reader.close()
