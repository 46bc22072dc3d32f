"""The collector takes what nobody owns, and nothing that somebody does."""

from __future__ import annotations

import hashlib
import os
import posix
import time
from pathlib import Path

import pytest

from storage import durability, gc, ingest
from storage.publish import Layer, LayerGoneError, NewImage, find_layer, publish_image, publish_layer
from storage.store import Store
from storage.trees import remove_tree


def put_layer(store: Store, name: str, boot: str | None = None) -> str:
    key = hashlib.sha256(name.encode()).hexdigest()
    with store.staging() as staging:
        os.mkdir(f"{staging.path}/diff")
        publish_layer(store, staging, Layer(key, f"sha256:{key}", 1, 1))
    return key


def put_image(store: Store, *keys: str) -> None:
    layers = tuple((f"sha256:{key}", key) for key in keys)
    publish_image(store, NewImage(b"{}", b"{}", "", ("sha256:0",), 0.0, "", "", layers), [])


def contents(store: Store) -> dict[str, list[str]]:
    return {name: sorted(os.listdir(f"{store.root}/{name}")) for name in ("layers", "ingest", "staging", "trash")}


EMPTY: dict[str, list[str]] = {"layers": [], "ingest": [], "staging": [], "trash": []}


def test_what_a_crash_leaves_is_taken(store: Store) -> None:
    for name in ("staging/a", "staging/b/diff/c", "trash/d/e", f"layers/{'0' * 64}/diff"):
        os.makedirs(f"{store.root}/{name}")
    Path(store.root, "ingest", "f").touch()
    put_layer(store, "unreferenced")
    gc.sweep(store)
    assert contents(store) == EMPTY
    assert store.connection.execute("SELECT count(*) FROM layer").fetchone() == (0,)


def test_what_has_an_owner_is_left(store: Store) -> None:
    key = put_layer(store, "used")
    put_image(store, key)
    blob = ingest.claim(store, "sha256:ab")
    assert blob is not None
    with store.staging() as staging:
        gc.sweep(store)
        assert contents(store) == {
            "layers": [key],
            "ingest": ["ab"],
            "staging": [os.path.basename(staging.path)],
            "trash": [],
        }
    blob.abandon()
    gc.sweep(store)
    assert contents(store) == EMPTY | {"layers": [key]}


def test_layers_without_an_image_are_left_while_somebody_publishes(store: Store) -> None:
    key = put_layer(store, "fresh")
    with store.publishing(), store.publishing():
        gc.sweep(store)
        assert contents(store)["layers"] == [key]
    gc.sweep(store)
    assert contents(store) == EMPTY


def test_partial_downloads_are_kept_for_a_week(store: Store) -> None:
    for name, age, size in (("new", 0, gc.WORTHWHILE), ("small", 0, 100), ("old", 8 * 24 * 3600, gc.WORTHWHILE)):
        path = Path(store.root, "ingest", name)
        path.write_bytes(b"x" * size)
        os.utime(path, (time.time() - age,) * 2)
    gc.sweep(store)
    assert contents(store)["ingest"] == ["new"]


def test_sweep_never_fails(store: Store) -> None:
    os.makedirs(f"{store.root}/staging/a")
    os.rmdir(store.trash)
    gc.sweep(store)
    assert os.listdir(f"{store.root}/staging") == ["a"]


def test_publish_gives_way_to_who_was_faster(store: Store) -> None:
    key = put_layer(store, "same")
    inode = os.stat(store.layer_path(key)).st_ino
    assert put_layer(store, "same") == key
    assert os.stat(store.layer_path(key)).st_ino == inode
    assert contents(store)["staging"] == []


def test_publish_replaces_what_has_no_row(store: Store) -> None:
    key = hashlib.sha256(b"same").hexdigest()
    os.makedirs(f"{store.layer_path(key)}/half")
    put_layer(store, "same")
    assert os.listdir(store.layer_path(key)) == ["diff"]


def test_release_spares_what_was_published_anew(store: Store) -> None:
    key = put_layer(store, "again")
    gc.release_layers(store, [key])
    assert contents(store)["layers"] == [key]
    store.connection.execute("DELETE FROM layer")
    gc.release_layers(store, [key])
    assert contents(store)["layers"] == []


def test_an_image_of_a_layer_that_went_is_refused_whole(store: Store) -> None:
    key = put_layer(store, "there")
    with pytest.raises(LayerGoneError):
        put_image(store, key, "f" * 64)
    assert store.connection.execute("SELECT count(*) FROM image").fetchone() == (0,)


def test_a_layer_whose_directory_is_lost_is_forgotten(store: Store) -> None:
    key = put_layer(store, "lost")
    os.rename(store.layer_path(key), f"{store.trash}/x")
    assert find_layer(store, key) is None
    assert store.connection.execute("SELECT count(*) FROM layer").fetchone() == (0,)


def test_a_layer_that_came_anew_is_not_forgotten(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two pulls find the same damage after a power cut: the slower one is not to drop what the faster one has made."""
    key = put_layer(store, "suspect")
    store.connection.execute("UPDATE layer SET boot_id = 'another'")

    def faster(store: Store, key: str) -> bool:
        monkeypatch.undo()
        gc.release_layers(store, [key] if store.connection.execute("DELETE FROM layer").rowcount else [])
        put_image(store, put_layer(store, "suspect"))
        return False

    monkeypatch.setattr(durability, "confirm", faster)
    found = find_layer(store, key)
    assert found is not None
    assert found.key == key
    assert contents(store)["layers"] == [key]


def test_a_layer_that_came_anew_is_not_synced_yet(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    put_layer(store, "again")

    def sync(path: str) -> None:
        store.connection.execute("DELETE FROM layer")
        put_layer(store, "again")

    monkeypatch.setattr(durability, "sync", sync)
    durability.make_durable(store)
    assert store.connection.execute("SELECT durable FROM layer").fetchall() == [(0,)]


def test_a_blob_of_another_owner_is_left(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The collector had opened what the last owner was just done with."""
    owners = [ingest.claim(store, "sha256:ab")]

    def open_and_lose(path: str, *arguments: int) -> int:
        fd = os.open(path, *arguments)
        if path.endswith("/ab"):
            assert owners[0] is not None
            owners[0].done()
            owners[:] = [ingest.claim(store, "sha256:ab")]
        return fd

    monkeypatch.setattr(posix, "open", open_and_lose)
    gc._sweep_ingest(store)
    monkeypatch.undo()
    assert owners[0] is not None
    assert ingest.claim(store, "sha256:ab") is None
    owners[0].done()


def test_what_takes_long_is_deleted_behind_the_back(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(50):
        os.makedirs(f"{store.trash}/x/{number}")
    monkeypatch.setattr(gc, "_INLINE_SECONDS", 0.0)
    before = children()
    begin = time.monotonic()
    gc.empty_trash(store)
    while os.listdir(store.trash):
        assert time.monotonic() - begin < 10
        time.sleep(0.01)
    assert children() == before


def children() -> str:
    """List this process's children, ended or not."""
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return file.read()


def test_remove_tree(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    top = tmp_path / "top"
    top.mkdir()
    (top / "link").symlink_to(outside)
    (top / "dangling").symlink_to("nowhere")
    (top / os.fsdecode(b"\xff\n")).mkdir(mode=0)
    os.mkfifo(top / "fifo")
    (top / "closed").mkdir()
    (top / "closed" / "file").touch()
    os.chmod(top / "closed", 0)
    remove_tree(str(top))
    remove_tree(str(top))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outside"]
    assert (outside / "file").exists()


def test_remove_tree_of_any_depth(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    fd = os.open(top, os.O_PATH)
    for _ in range(3000):
        os.mkdir("d", dir_fd=fd)
        below = os.open("d", os.O_PATH, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    remove_tree(str(top))
    assert list(tmp_path.iterdir()) == []


def test_remove_tree_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    remove_tree(str(tmp_path / "file"))
    assert list(tmp_path.iterdir()) == []
