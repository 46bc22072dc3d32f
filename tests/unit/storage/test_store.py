"""The store's parts: staging, the lock on a blob, layers that lean on others, copies, damage."""

from __future__ import annotations

import hashlib
import os
import posix
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storage import chain, durability, ingest, remap
from storage.check import check
from storage.errors import CorruptError
from storage.images import Image, load
from storage.keeping import options_for
from storage.layers.erofs import mounting
from storage.layers.erofs.mounting import Opened
from storage.layers.unpacking import UnpackOptions, unpack
from storage.publish import Layer, LayerGoneError, NewImage, find_layer, publish_image, publish_layer
from storage.rootfs import lowers
from storage.source import seconds
from storage.store import INDEX, TAR, Store, open_store
from tests.fixtures import images as fixtures

OPTIONS = UnpackOptions(rootless=os.getuid() != 0, ignore_chown_errors=os.getuid() != 0, defer_links=True)


@pytest.fixture(params=["directories", "erofs"])
def either(store: Store, request: pytest.FixtureRequest) -> Store:
    """A store that unpacks its layers, or one that keeps them."""
    store.keeps = request.param == "erofs"
    if store.keeps and mounting.obstacle(store.root):
        pytest.skip("the kernel mounts EROFS from files for root only, since 6.15, and not on every file system")
    return store


def add(store: Store, layer: fixtures.Layer) -> Layer:
    with store.staging() as staging:
        result = unpack(iter([layer.blob.read()]), staging.path, options=options_for(store, OPTIONS))
        found = Layer(
            result.diff_id.removeprefix("sha256:"),
            result.diff_id,
            result.size,
            result.entries,
            result.implied,
            result.pending_links,
        )
        publish_layer(store, staging, found)
    return found


def add_image(store: Store, *layers: fixtures.Layer) -> Image:
    for layer in layers:
        add(store, layer)
    diff_ids = [layer.diff_id for layer in layers]
    keys = tuple(zip(diff_ids, chain.keys(store, diff_ids), strict=True))
    image = fixtures.Image(list(layers))
    manifest = image.manifest()
    config = image.config().read()
    new = NewImage(config, manifest.read(), fixtures.MANIFEST, (manifest.digest,), 0.0, "amd64", "linux", keys)
    publish_image(store, new, ["localhost/a:latest"])
    return load(store, new.id)


BASE = fixtures.layer(
    fixtures.entry("usr", mode=0o750, type=b"5"),
    fixtures.entry("usr/bin", mode=0o711, type=b"5"),
    fixtures.entry("usr/bin/file", b"content", mode=0o4755),
)


# -- staging ---------------------------------------------------------------------------------------------------


def test_staging_is_discarded_unless_published(store: Store) -> None:
    with store.staging() as staging:
        os.mkdir(f"{staging.path}/diff")
    assert os.listdir(f"{store.root}/staging") == []
    with store.staging() as staging:
        staging.publish(f"{store.layers}/x")
    assert os.listdir(store.layers) == ["x"]


def test_first_commands_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One has made the tables and put a layer in, while another looks for tables and layers."""
    root = str(tmp_path / "new")
    listdir = os.listdir

    def faster(path: str) -> list[str]:
        monkeypatch.undo()
        other = open_store(root)
        add_image(other, BASE)
        other.close()
        return listdir(path)

    monkeypatch.setattr(posix, "listdir", faster)
    store = open_store(root)
    assert check(store) == []
    store.close()


# -- the lock on a blob ----------------------------------------------------------------------------------------


def claimed(store: Store) -> ingest.Ingest:
    blob = ingest.claim(store, "sha256:ab")
    assert blob is not None
    return blob


def test_a_blob_has_one_owner(store: Store) -> None:
    first = claimed(store)
    assert ingest.claim(store, "sha256:ab") is None
    first.done()
    claimed(store).abandon()
    assert os.listdir(f"{store.root}/ingest") == []


def test_a_forked_child_does_not_keep_the_lock(store: Store) -> None:
    first = claimed(store)
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(write_end)
        os.read(read_end, 1)
        os._exit(0)
    first.abandon()
    claimed(store).done()
    os.close(write_end)
    os.close(read_end)
    os.waitpid(pid, 0)


def fetched(data: bytes, size: int, asked: list[int]) -> Callable[[int], Iterator[bytes]]:
    def fetch(offset: int) -> Iterator[bytes]:
        asked.append(offset)
        while offset < len(data):
            yield data[offset : offset + size]
            offset += size

    return fetch


def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "_FAST_BYTES_PER_SECOND", 1 << 60)


def test_a_slow_download_goes_on_where_it_was_cut_off(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    slow(monkeypatch)
    data = os.urandom(4 << 20)
    asked: list[int] = []
    first = claimed(store)
    part = first.chunks(fetched(data, 1 << 18, asked), len(data))
    received = b"".join(next(part) for _ in range(8))
    first.abandon()
    second = claimed(store)
    assert second.kept == len(received) == 2 << 20
    assert b"".join(second.chunks(fetched(data, 1 << 18, asked), len(data))) == data
    assert asked == [0, 2 << 20]
    second.abandon()
    whole = claimed(store)
    assert b"".join(whole.chunks(fetched(data, 1 << 18, asked), len(data))) == data
    assert asked == [0, 2 << 20]
    whole.done()
    assert os.listdir(f"{store.root}/ingest") == []


def test_a_fast_download_is_not_kept(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "_SAMPLE", 1 << 20)
    monkeypatch.setattr(ingest, "_FAST_BYTES_PER_SECOND", 0)
    data = os.urandom(4 << 20)
    blob = claimed(store)
    assert b"".join(blob.chunks(fetched(data, 1 << 18, []), len(data))) == data
    assert blob.kept == 0
    blob.abandon()
    assert os.listdir(f"{store.root}/ingest") == []


def test_more_than_the_blob_is_forgotten(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    slow(monkeypatch)
    Path(store.ingest_path("sha256:ab")).write_bytes(b"x" * 100)
    asked: list[int] = []
    blob = claimed(store)
    assert b"".join(blob.chunks(fetched(b"y" * 50, 10, asked), 50)) == b"y" * 50
    assert asked == [0]
    blob.done()


# -- layers that lean on others --------------------------------------------------------------------------------


def test_chain_ids_are_those_of_the_specification() -> None:
    ids = ["sha256:" + letter * 64 for letter in "abc"]
    second = "sha256:" + hashlib.sha256(f"{ids[0]} {ids[1]}".encode()).hexdigest()
    third = "sha256:" + hashlib.sha256(f"{second} {ids[2]}".encode()).hexdigest()
    assert chain.chain_ids(ids) == [ids[0], second, third]
    assert chain.chain_ids([]) == []


def mode(path: str) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


def test_implied_directories_look_as_in_the_parents(either: Store) -> None:
    store = either
    top = fixtures.layer(fixtures.entry("usr/bin/other", b"x"), fixtures.entry("new/file", b"y"))
    image = add_image(store, BASE, top)
    with Opened(lowers(store, image)) as paths:
        assert [mode(f"{paths[0]}/{name}") for name in ("usr", "usr/bin", "new")] == [0o750, 0o711, 0o755]
    key = os.path.basename(os.path.dirname(lowers(store, image)[0]))
    assert key == chain.chain_ids(image.layers)[1].removeprefix("sha256:")
    with Opened(lowers(store, add_image(store, top))) as paths:
        assert mode(f"{paths[0]}/usr") == 0o755
    assert check(store, deep=True) == []


def test_parents_with_ordinary_attributes_need_no_copy(either: Store) -> None:
    store = either
    base = fixtures.layer(fixtures.entry("usr"), fixtures.entry("usr/a", b"a"))
    top = fixtures.layer(fixtures.entry("usr/b", b"b"))
    image = add_image(store, base, top)
    assert [f"sha256:{path.split('/')[-2]}" for path in lowers(store, image)] == [top.diff_id, base.diff_id]


def shown_mode(store: Store, image: Image, name: str) -> int:
    """Return the mode that a directory has in the topmost layer."""
    with Opened(lowers(store, image)[:1]) as (path,):
        return mode(f"{path}/{name}")


def test_what_upper_layers_hide_gives_no_attributes(either: Store) -> None:
    store = either
    hiding = fixtures.layer(fixtures.entry(".wh.usr", b""))
    opaque = fixtures.layer(fixtures.entry("usr"), fixtures.entry("usr/.wh..wh..opq", b""))
    top = fixtures.layer(fixtures.entry("usr/bin/b", b"b"))
    if os.getuid() == 0:
        assert shown_mode(store, add_image(store, BASE, hiding, top), "usr") == 0o755
        assert shown_mode(store, add_image(store, BASE, opaque, top), "usr/bin") == 0o755
    assert shown_mode(store, add_image(store, BASE, top), "usr/bin") == 0o711


def test_layers_below_one_that_hides_everything_are_left_out(either: Store) -> None:
    hiding = fixtures.layer(fixtures.entry(".wh..wh..opq", b""), fixtures.entry("new", b"x"))
    if os.getuid() == 0:
        assert len(lowers(either, add_image(either, BASE, hiding))) == 1


def test_hard_links_into_lower_layers(either: Store) -> None:
    store = either
    top = fixtures.layer(fixtures.link("linked", "usr/bin/file"))
    image = add_image(store, BASE, top)
    path = f"{lowers(store, image)[0]}/linked"
    assert Path(path).read_bytes() == b"content"
    assert mode(path) == 0o4755
    assert check(store, deep=True) == []
    with pytest.raises(CorruptError, match="hard link"):
        add_image(store, fixtures.layer(fixtures.entry("a", b"")), top)


# -- copies with other owners ----------------------------------------------------------------------------------


@pytest.mark.root
def test_remapped_layers_keep_everything_but_the_owners(either: Store) -> None:
    store = either
    capability = bytes.fromhex("0100000200200000000000000000000000000000")
    attributes = {"SCHILY.xattr.security.capability": capability.decode()}
    image = add_image(
        store,
        fixtures.layer(
            fixtures.entry("dir", uid=5, gid=6, mode=0o1777, type=b"5"),
            fixtures.entry("dir/file", b"content", uid=1000, gid=7, mode=0o6755),
            fixtures.link("dir/again", "dir/file"),
            fixtures.symlink("link", "dir/file"),
            fixtures.entry("fifo", type=b"6", uid=3),
            fixtures.entry("big", b"\0" * 100_000, uid=70_000, pax_headers=attributes),
        ),
    )
    mapping = [(0, 100_000, 1000), (1000, 5000, 1)]
    layers = lowers(store, image)
    paths = remap.lowers(store, layers, mapping, mapping)
    assert paths == remap.lowers(store, layers, list(reversed(mapping)), mapping)
    shifted = paths[0]
    found = {
        name: os.lstat(f"{shifted}/{name}") for name in ("", "dir", "dir/file", "dir/again", "link", "fifo", "big")
    }
    assert {name: (status.st_uid, status.st_gid) for name, status in found.items()} == {
        "": (100_000, 100_000),
        "dir": (100_005, 100_006),
        "dir/file": (5000, 100_007),
        "dir/again": (5000, 100_007),
        "link": (100_000, 100_000),
        "fifo": (100_003, 100_000),
        "big": (70_000, 100_000),
    }
    with Opened(layers) as (plain,):
        for name, status in found.items():
            before = os.lstat(f"{plain}/{name}")
            assert (status.st_mode, status.st_mtime_ns) == (before.st_mode, before.st_mtime_ns)
    assert found["dir/file"].st_ino == found["dir/again"].st_ino
    assert os.getxattr(f"{shifted}/big", "security.capability") == capability
    assert check(store, deep=True) == []


def test_layers_that_go_meanwhile_are_told_from_other_failures(store: Store) -> None:
    upper = fixtures.layer(fixtures.entry("usr/bin/other", b"x"))
    add(store, BASE)
    add(store, upper)
    store.discard(store.layer_path(BASE.diff_id))
    with pytest.raises(LayerGoneError, match="removed meanwhile"):
        chain.keys(store, [BASE.diff_id, upper.diff_id])


# -- durability and damage -------------------------------------------------------------------------------------


def test_layers_become_durable(either: Store) -> None:
    store = either
    add_image(store, BASE)
    durability.main(store.root)
    assert store.connection.execute("SELECT durable FROM layer").fetchall() == [(1,)]


def test_layers_of_a_lost_boot_are_read_through(store: Store) -> None:
    image = add_image(store, BASE)
    store.connection.execute("UPDATE layer SET boot_id = 'another'")
    path = lowers(store, image)[0]
    assert store.connection.execute("SELECT durable FROM layer").fetchone() == (1,)
    store.connection.execute("UPDATE layer SET durable = 0")
    Path(path, "usr/bin/file").write_bytes(b"changed")
    with pytest.raises(CorruptError, match="damaged"):
        lowers(store, image)
    assert find_layer(store, BASE.diff_id.removeprefix("sha256:")) is None
    assert os.listdir(store.layers) == []
    add(store, BASE)
    assert len(lowers(store, image)) == 1


@pytest.mark.parametrize("name", [INDEX, TAR])
@pytest.mark.parametrize("either", ["erofs"], indirect=True)
def test_kept_layers_of_a_lost_boot_are_read_through(either: Store, name: str) -> None:
    store = either
    image = add_image(store, BASE)
    store.connection.execute("UPDATE layer SET boot_id = 'another'")
    path = Path(lowers(store, image)[0]).parent / name
    assert store.connection.execute("SELECT durable FROM layer").fetchone() == (1,)
    store.connection.execute("UPDATE layer SET durable = 0")
    with path.open("r+b") as file:
        file.seek(1500)
        file.write(b"damaged")
    assert len(check(store, deep=True)) == 1
    with pytest.raises(CorruptError, match="damaged"):
        lowers(store, image)
    assert find_layer(store, BASE.diff_id.removeprefix("sha256:")) is None


def damage(path: str, how: str) -> None:
    file = f"{path}/usr/bin/file"
    if how == "mode":
        os.chmod(file, 0o600)
    elif how == "size":
        os.truncate(file, 3)
    elif how == "kind":
        os.unlink(file)
        os.symlink("x", file)
    elif how == "missing":
        os.unlink(file)
    elif how == "log":
        os.truncate(f"{path}/../headers.zst", 40)
    elif how == "directory":
        os.rename(path, f"{path}.away")


@pytest.mark.parametrize("how", ["mode", "size", "kind", "missing", "log", "directory"])
def test_damage_is_seen(store: Store, how: str) -> None:
    image = add_image(store, BASE)
    assert check(store) == check(store, deep=True) == []
    damage(lowers(store, image)[0], how)
    assert len(check(store)) == 1


def test_deep_damage_is_seen(store: Store) -> None:
    image = add_image(store, BASE)
    file = Path(lowers(store, image)[0], "usr/bin/file")
    before = file.stat()
    file.write_bytes(b"CONTENT")
    os.chmod(file, 0o4755)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert check(store) == []
    assert len(check(store, deep=True)) == 1


def test_missing_rows_are_seen(store: Store) -> None:
    add_image(store, BASE)
    store.connection.execute("DELETE FROM layer")
    store.connection.execute("UPDATE image SET config = x'00'")
    assert len(check(store)) == 2


def test_times_of_configs() -> None:
    assert seconds("2024-01-02T03:04:05Z") == seconds("2024-01-02T04:04:05+01:00") == 1704164645.0
    assert seconds("2024-01-02T03:04:05.123456789Z") == pytest.approx(1704164645.123456)
    assert seconds("nonsense") == seconds("") == 0.0
