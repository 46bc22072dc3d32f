"""The reserve: kept whole, given up on a full disk for what frees space and for opening the database, taken back."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from sqlite3 import Connection

import pytest

from storage import build_cache, database, images, reserve
from storage.errors import NoSpaceError, StorageError
from storage.store import Store
from tests.unit.storage.test_images import add_image, add_layer

WHOLE = 256 << 10
STEPS = ("CREATE TABLE fruit (name TEXT PRIMARY KEY);\n",)


class FailingOnce(database.transaction):
    """A transaction for which there is no space, the time that `left` has come down to nothing."""

    left = 0

    def __enter__(self) -> Connection:
        FailingOnce.left -= 1
        if FailingOnce.left == 0:
            raise NoSpaceError("write database: no space left on device")
        return super().__enter__()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[str]:
    """A file system of the test's own with a closed database, of half a MiB."""
    if os.getuid():
        pytest.skip("an ordinary user mounts no file system")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(tmp_path)], check=True)
    try:
        connection = database.connect(f"{tmp_path}/pod.db", readonly=False)
        database.migrate(connection, "one", STEPS)
        connection.close()
        yield str(tmp_path)
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def fill(disk: str, kept: int) -> None:
    """Take all the room there is, but for a reserve of some size."""
    for name, size in (("reserve", kept), ("filler", None)):
        with open(f"{disk}/{name}", "wb", buffering=0) as file:
            status = os.statvfs(disk)
            if size != 0:
                os.posix_fallocate(file.fileno(), 0, status.f_bavail * status.f_frsize if size is None else size)
    assert os.statvfs(disk).f_bavail == 0


def size_of(disk: str) -> int:
    return os.stat(f"{disk}/reserve").st_size


@pytest.mark.parametrize("size", [None, 0, 192 << 10])
def test_a_reserve_that_is_not_whole_becomes_so(
    store: Store, size: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reserve, "_AMPLE", 0)
    if size is not None:
        Path(store.root, "reserve").write_bytes(bytes(size))
    reserve.keep(store)
    assert size_of(store.root) == WHOLE
    assert os.stat(f"{store.root}/reserve").st_blocks * 512 >= WHOLE


@pytest.mark.root
@pytest.mark.parametrize(("before", "after"), [(256, 192), (128, 96), (64, 32)])
def test_what_opening_leaves_of_the_reserve_is_taken_back(disk: str, before: int, after: int) -> None:
    fill(disk, before << 10)
    connection = database.connect(f"{disk}/pod.db", readonly=False)
    assert size_of(disk) == after << 10
    connection.close()


@pytest.mark.root
@pytest.mark.parametrize("readonly", [False, True])
def test_without_a_reserve_the_disk_is_said_to_be_full(disk: str, readonly: bool) -> None:
    fill(disk, 0)
    with pytest.raises(NoSpaceError, match=f"open database {disk}/pod.db: no space left on device"):
        database.connect(f"{disk}/pod.db", readonly=readonly)


@pytest.mark.parametrize("readonly", [False, True])
def test_who_opens_waits_for_who_has_the_reserve(disk: str, readonly: bool) -> None:
    fill(disk, WHOLE)
    failures: list[StorageError] = []

    def work() -> None:
        try:
            database.connect(f"{disk}/pod.db", readonly=readonly).close()
        except StorageError as error:
            failures.append(error)

    given = reserve.give_up(disk)
    with open(f"{disk}/log", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, WHOLE)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(0.3)
    os.unlink(f"{disk}/log")
    reserve.take_back(disk, given)
    thread.join()
    assert failures == []
    assert size_of(disk) == WHOLE * 3 // 4


@pytest.mark.root
@pytest.mark.parametrize("readonly", [False, True])
def test_who_opens_has_the_room_that_another_made(disk: str, readonly: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(disk, WHOLE)
    name = "_open_readonly" if readonly else "_open"
    opener = getattr(database, name)

    def overtaken(path: str) -> Connection:
        try:
            return opener(path)  # type: ignore[no-any-return]
        except database.Error:
            os.unlink(f"{disk}/reserve")
            raise

    monkeypatch.setattr(database, name, overtaken)
    connection = database.connect(f"{disk}/pod.db", readonly=readonly)
    assert database.version(connection, "one") == 1
    connection.close()


@pytest.mark.root
def test_a_busy_database_costs_no_reserve(disk: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.0)
    holder = database.connect(f"{disk}/pod.db", readonly=False)
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("INSERT INTO fruit VALUES ('apple')")
    holder.execute("PRAGMA journal_mode = DELETE")
    holder.execute("BEGIN EXCLUSIVE")
    Path(disk, "reserve").write_bytes(bytes(4096))
    for readonly in (False, True):
        with pytest.raises(StorageError, match="locked"):
            database.connect(f"{disk}/pod.db", readonly=readonly)
    assert size_of(disk) == 4096
    holder.close()


@pytest.mark.root
def test_a_reader_that_stays_sees_what_is_written(disk: str) -> None:
    fill(disk, WHOLE)
    reader = database.connect(f"{disk}/pod.db", readonly=True)
    assert reader.execute("SELECT * FROM fruit").fetchall() == []
    assert size_of(disk)
    writer = database.connect(f"{disk}/pod.db", readonly=False)
    with database.transaction(writer):
        writer.execute("INSERT INTO fruit VALUES ('apple')")
    assert reader.execute("SELECT * FROM fruit").fetchall() == [("apple",)]
    writer.close()
    reader.close()


@pytest.mark.parametrize("failing", [1, 2, 3, 4])  # of the two transactions that each image takes
def test_a_prune_that_takes_the_reserve_tells_of_all_that_went(
    store: Store, failing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [add_image(store, "x" * number, layers=(str(number),)) for number in (1, 2, 3)]
    Path(store.root, "reserve").write_bytes(bytes(4096))
    monkeypatch.setattr(database, "transaction", FailingOnce)
    monkeypatch.setattr(FailingOnce, "left", failing)
    assert [one.deleted for one in images.prune(store)] == made
    assert size_of(store.root) == 0


@pytest.mark.parametrize("failing", [1, 2])
def test_a_prune_of_steps_that_takes_the_reserve_counts_what_went(
    store: Store, failing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = add_layer(store, "base")
    Path(store.layer_path(key), "file").write_bytes(bytes(10_000))
    build_cache.keep(store, build_cache.Step("step", key, f"sha256:{key}", 1, 1.0, 1.0))
    monkeypatch.setattr(database, "transaction", FailingOnce)
    monkeypatch.setattr(FailingOnce, "left", failing)
    assert build_cache.prune(store) >= 10_000
    assert build_cache.steps(store) == []
