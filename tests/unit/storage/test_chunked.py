"""zstd:chunked: what is written can be read by all that reads zstd, and a pull fetches what the store does not have."""

from __future__ import annotations

import itertools
import json
import os
import tarfile
import tracemalloc
from pathlib import Path

import pytest
import zstandard

from storage import documents
from storage.check import check
from storage.chunked import known, partial, placement, tarsplit, toc
from storage.chunked.writer import Chunked
from storage.documents import Descriptor
from storage.errors import CorruptError, StorageError
from storage.layers import producing
from storage.layers.erofs import mounting
from storage.store import Store
from tests.fakes.registry import FakeRegistry
from tests.fixtures.chunked import BIG, Registry, pull, ranges, serve, written
from tests.fixtures.images import entry, link, tar


def layer(**changes: bytes) -> bytes:
    """Make a tar with files of all sizes; the changes are contents by name."""
    files = {"usr/big": BIG, "usr/empty": b"", **{f"usr/{n}": os.urandom(10) * n for n in range(1, 200)}, **changes}
    return tar(
        entry("usr", mode=0o750),
        *(entry(name, content) for name, content in files.items()),
        link("usr/hard", "usr/big"),
        entry("usr/soft", type=b"2", linkname="big", pax_headers={"mtime": "1.5"}),
        entry(f"usr/{120 * 'n'}", b"x", pax_headers={"SCHILY.xattr.user.a": "b"}),
    )


def parts(registry: Registry, layers: list[str], directory: Path) -> bytes:
    source = partial.layer(registry, registry.blob)
    assert source is not None
    return b"".join(partial.stream(source, layers, lambda: iter([registry.data]), str(directory)))


def test_the_blob_is_zstd_of_the_tar() -> None:
    data = layer()
    registry = written(data)
    reader = zstandard.ZstdDecompressor().stream_reader(registry.data, read_across_frames=True)
    assert reader.read() == data
    assert written(data).data == registry.data, "the same tar gives the same blob"


def test_the_tables_are_as_containers_storage_has_them() -> None:
    data = layer()
    registry = written(data)
    tables = placement.read(registry.blob)
    assert tables is not None
    assert tables.tar_split is not None
    table = toc.read(registry.data[tables.toc.start : tables.toc.end], tables, registry.blob.size)
    assert table.tar_split == documents.digest_of(registry.data[tables.tar_split.start : tables.tar_split.end])
    assert [file.name for file in table.files][:3] == ["usr/big", "usr/1", "usr/2"]
    footer = registry.data[-72:]
    assert footer[:8] == b"\x50\x2a\x4d\x18\x40\0\0\0"
    assert footer[-8:] == b"GNUlInUx"
    assert int.from_bytes(footer[8:16], "little") == tables.toc.start
    text = toc.inflate(registry.data[tables.toc.start : tables.toc.end], tables.toc.inflated, "table")
    entries = {one["name"]: one for one in json.loads(text)["entries"]}
    assert entries["usr/"] == {"type": "dir", "name": "usr/", "mode": 0o750, "modtime": "2023-11-14T22:13:20Z"}
    assert entries["usr/hard"]["linkName"] == "usr/big"
    assert entries[f"usr/{120 * 'n'}"]["xattrs"] == {"user.a": "Yg=="}
    assert "digest" not in entries["usr/empty"]


def test_a_large_file_is_not_held_in_memory() -> None:
    size = 48 << 20
    described = tarfile.TarInfo("large")
    described.size = size
    header = described.tobuf()
    contents = (bytes(1 << 20) for _ in range(size >> 20))
    tracemalloc.start()
    try:
        assert sum(map(len, Chunked(itertools.chain([header], contents, [bytes(1024)])).chunks()))
        assert tracemalloc.get_traced_memory()[1] < 24 << 20
    finally:
        tracemalloc.stop()


def test_crc64() -> None:
    assert tarsplit.crc64(b"123456789") == 0xB90956C775A41001  # as Go's hash/crc64 with its ISO table
    assert tarsplit.crc64(BIG[1000:], tarsplit.crc64(BIG[:1000])) == tarsplit.crc64(BIG)
    assert tarsplit.crc64(b"") == 0


def remembered(name: str, digest: bytes) -> toc.File:
    return toc.File(name, name.encode(), digest, len(BIG), 0, 0)


@pytest.fixture
def old(tmp_path: Path) -> str:
    """A layer's directory with a few of the files."""
    (tmp_path / "old/diff/usr").mkdir(parents=True)
    (tmp_path / "old/diff/usr/renamed").write_bytes(BIG)
    (tmp_path / "old/diff/usr/out").symlink_to("/etc/passwd")
    digest = bytes.fromhex(documents.digest_of(BIG)[7:])
    known.write(str(tmp_path / "old"), [toc.File("usr/renamed", b"usr/renamed", digest, len(BIG), 0, 0)])
    return str(tmp_path / "old")


@pytest.fixture
def kept(tmp_path: Path) -> str:
    """A layer's directory with a few of the files in a tar."""
    (tmp_path / "kept").mkdir()
    sparse = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "4"}
    data = tar(entry("usr/before", b"x" * 700), entry("usr/renamed", BIG), link("usr/linked", "usr/renamed"))
    data = data.rstrip(b"\0") + bytes(-len(data.rstrip(b"\0")) % 512)
    data += tar(entry("usr/sparse", b"1\n0\n4\n".ljust(512, b"\0") + b"hole", pax_headers=sparse))
    (tmp_path / "kept/layer.tar").write_bytes(data)
    digest = bytes.fromhex(documents.digest_of(BIG)[7:])
    records = [("usr/renamed", digest), ("usr/linked", b"l" * 32), ("usr/sparse", b"s" * 32), ("usr/none", b"n" * 32)]
    known.write(str(tmp_path / "kept"), [remembered(name, one) for name, one in records])
    return str(tmp_path / "kept")


def test_files_of_a_kept_tar_are_not_fetched(kept: str, tmp_path: Path) -> None:
    data = layer()
    registry = written(data)
    assert known.layers(str(tmp_path)) == [kept]
    assert parts(registry, [kept], tmp_path) == data
    assert registry.fetched[0] < 200_000


def test_what_no_kept_tar_can_give(kept: str) -> None:
    file = remembered("usr/renamed", bytes.fromhex(documents.digest_of(BIG)[7:]))
    # A hard link, a sparse file, two that are not there.
    others = [remembered(2 * one, one.encode() * 32) for one in "lsnx"]
    contents = known.Contents([kept], [file, *others])
    assert contents.has(file)
    assert not contents.has(file._replace(size=len(BIG) - 1))
    for other in others:
        assert not contents.has(other)
        assert contents.read(other, 0) is None
    os.truncate(f"{kept}/layer.tar", 4096)
    assert contents.read(file, 0) is None
    contents.close()
    assert not known.Contents([kept], [file]).has(file), "its tar ends too soon"
    os.unlink(f"{kept}/layer.tar")
    assert not known.Contents([kept], [file]).has(file)


def test_what_is_there_is_not_fetched(old: str, tmp_path: Path) -> None:
    data = layer()
    registry = written(data)
    assert parts(registry, [old], tmp_path) == data
    assert registry.fetched[0] < 200_000
    assert known.layers(str(tmp_path)) == [old]
    assert (tmp_path / known.NAME).exists()


def test_little_gain_is_not_worth_it(tmp_path: Path) -> None:
    data = layer()
    registry = written(data)
    assert parts(registry, [], tmp_path) == data
    assert registry.fetched[0] < 10_000, "`whole` gives it"


def test_little_in_the_table_makes_no_large_layer(
    store: Store, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(producing, "_BOMB_SIZE", 8 << 20)
    monkeypatch.setattr(producing, "_BOMB_RATIO", 10)
    zeros = bytes(3 << 20)
    serve(registry, "1", tar(entry("usr"), entry("usr/0", zeros)))
    pull(store, registry, "1")
    serve(registry, "2", tar(entry("usr"), *(entry(f"usr/{n}", zeros) for n in range(4))))
    with pytest.raises(StorageError, match="inflate to more than"):
        pull(store, registry, "2")


@pytest.mark.parametrize("change", ["gone", "link", "shorter", "directory", "pipe"])
def test_a_file_that_is_not_what_was_remembered_is_fetched(old: str, tmp_path: Path, change: str) -> None:
    path = Path(old, "diff/usr/renamed")
    path.unlink()
    if change == "link":
        path.symlink_to("/etc/passwd")
    elif change == "shorter":
        path.write_bytes(BIG[1:])
    elif change == "directory":
        path.mkdir()
    elif change == "pipe":
        os.mkfifo(path)  # to open it would be noticed at its other end, as with a device
    data = layer()
    registry = written(data)
    assert parts(registry, [old], tmp_path) == data
    assert registry.fetched[0] > len(BIG)


@pytest.mark.parametrize("place", ["toc", "tar_split"])
def test_damaged_tables_are_refused(old: str, tmp_path: Path, place: str) -> None:
    registry = written(layer())
    tables = placement.read(registry.blob)
    where = getattr(tables, place).start + 9
    registry.data = registry.data[:where] + bytes([registry.data[where] ^ 1]) + registry.data[where + 1 :]
    with pytest.raises(CorruptError):
        parts(registry, [old], tmp_path)


@pytest.mark.parametrize(
    "position", ["", "1:2", "1:2:3", "1:2:3:2", "-1:2:3:1", "1:0:3:1", "1:99999999:3:1", "1:2:999999999:1", "a:2:3:1"]
)
def test_nonsense_of_annotations_is_no_position(position: str) -> None:
    annotations = {placement.CHECKSUM: f"sha256:{64 * '0'}", placement.POSITION: position}
    blob = Descriptor(documents.OCI_LAYER, f"sha256:{64 * '0'}", 1000, annotations=annotations)
    assert placement.read(blob) is None


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b'{"version":2,"entries":[]}',
        b'{"version":1,"entries":{}}',
        b'{"version":1,"entries":[{"type":"reg","name":1,"digest":"sha256:00"}]}',
        b'{"version":1,"entries":[{"type":"reg","name":"a","digest":"md5:%s"}]}' % (64 * b"0"),
        b'{"version":1,"entries":[{"type":"reg","name":"a","offset":5,"endOffset":4,"digest":"sha256:%s"}]}'
        % (64 * b"0"),
        b'{"version":1,"entries":[{"type":"reg","name":"../a","endOffset":9,"digest":"sha256:%s"}]}' % (64 * b"0"),
        b'{"version":1,"entries":[{"type":"reg","name":"\\ud800","endOffset":9,"digest":"sha256:%s"}]}' % (64 * b"0"),
        b'{"version":1,"entries":[{"type":"reg","name":"a","endOffset":9,"digest":"sha256:%s"}]}' % (32 * b"0 "),
        b'{"version":1,"entries":[%s[]]}' % (4_000_000 * b"[],"),
        b'{"version":1,"entries":[{"type":"reg","name":"a","endOffset":101,"digest":"sha256:%s"}]}' % (64 * b"0"),
    ],
)
def test_bad_tables(text: bytes) -> None:
    with pytest.raises(CorruptError):
        toc.parse(text, 100)


def test_what_the_format_cannot_hold() -> None:
    with pytest.raises(StorageError, match="UTF-8"):
        written(tar(entry(b"\xff".decode("utf-8", "surrogateescape"), b"x")))


# In the store.


def test_a_rebuilt_image_costs_what_changed(store: Store, registry: FakeRegistry) -> None:
    first = serve(registry, "1", layer())
    pull(store, registry, "1")
    assert ranges(registry, first) == [None]
    second = serve(registry, "2", tar(entry("usr"), entry("usr/new", b"new"), entry("usr/big2", BIG)))
    image = pull(store, registry, "2")
    asked = ranges(registry, second)
    assert None not in asked
    assert sum(1 + int(end) - int(start) for start, end in (one[6:].split("-") for one in asked if one)) < 10_000
    assert check(store, deep=True) == []
    assert len(image.layers) == 1


def test_layers_that_are_kept_give_their_files_too(store: Store, registry: FakeRegistry) -> None:
    if mounting.obstacle(store.root):
        pytest.skip("the kernel mounts EROFS from files for root only, since 6.15, and not on every file system")
    store.keeps = True
    serve(registry, "1", layer())
    first = pull(store, registry, "1")
    assert store.lower(first.layers[0]).endswith("layer.erofs")
    second = serve(registry, "2", tar(entry("usr"), entry("usr/new", b"new"), entry("usr/big2", BIG)))
    image = pull(store, registry, "2")
    assert store.lower(image.layers[0]).endswith("layer.erofs")
    asked = ranges(registry, second)
    assert None not in asked
    assert sum(1 + int(end) - int(start) for start, end in (one[6:].split("-") for one in asked if one)) < 10_000
    assert check(store, deep=True) == []


def test_a_lying_layer_makes_the_next_one_come_whole(store: Store, registry: FakeRegistry) -> None:
    data = layer()
    serve(registry, "1", data)
    image = pull(store, registry, "1")
    path = Path(store.layer_path(image.layers[0]), "diff/usr/big")
    path.write_bytes(bytes([BIG[0] ^ 1]) + BIG[1:])
    second = serve(registry, "2", tar(entry("usr"), entry("usr/big2", BIG)))
    again = pull(store, registry, "2")
    assert ranges(registry, second)[-1] is None
    assert Path(store.layer_path(again.layers[0]), "diff/usr/big2").read_bytes() == BIG


def test_annotations_that_lie_do_no_harm(store: Store, registry: FakeRegistry) -> None:
    data = layer()
    serve(registry, "1", data, **{placement.CHECKSUM: f"sha256:{64 * '0'}"})
    pull(store, registry, "1")
    serve(registry, "2", data + bytes(512), **{placement.TAR_SPLIT: "10:10:10"})
    pull(store, registry, "2")
    serve(registry, "3", data + bytes(1024), **{placement.POSITION: "10:10:10:1"})
    pull(store, registry, "3")
    assert check(store, deep=True) == []
