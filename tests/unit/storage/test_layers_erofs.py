"""Layers that are kept as tars with an EROFS index: what is particular to them; the traps are in test_layers_apply."""

from __future__ import annotations

import gzip
import os
import random
import stat
import subprocess
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from storage.errors import CorruptError, StorageError
from storage.layers.erofs import apply, format, index, mounting
from storage.layers.erofs.nodes import Nodes
from storage.layers.erofs.verify import damage
from storage.layers.rebuild import rebuild_tar
from storage.layers.stream import Stream
from storage.layers.tar import Reader
from storage.layers.unpacking import LayerResult, UnpackOptions, unpack
from storage.store import INDEX, TAR
from tests.fixtures import unpacked
from tests.fixtures.tars import archive, directory, file, gnu_long, header, link, padded, pax, symlink
from tests.fixtures.unpacked import Unpacked


@pytest.fixture
def staging(tmp_path: Path) -> Iterator[Path]:
    """A path for a layer that is to be kept."""
    if mounting.obstacle(str(tmp_path)):
        pytest.skip("the kernel mounts EROFS from files for root only, since 6.15, and not on every file system")
    yield tmp_path / unpacked.KEPT
    _unmount()


def _unmount() -> None:
    while unpacked.mounts:
        unpacked.mounts.pop().__exit__(None, None, None)


def test_every_name_of_a_big_directory_is_found(staging: Path) -> None:
    pattern = random.Random(1)
    names = {bytes(pattern.choices(b"!-.09AZaz~\xff", k=pattern.choice([3, 3, 20, 255]))) for _ in range(3000)}
    names -= {b".", b"..", *(name for name in names if name[:4] == b".wh.")}
    layer = Unpacked(staging, archive(*(gnu_long(b"d/" + name) + file(b"x", name) for name in names)))
    place = os.fsencode(layer / "d")
    assert set(os.listdir(place)) == names
    for name in names:
        with open(place + b"/" + name, "rb") as opened:
            assert opened.read() == name
    assert not os.path.lexists(place + b"/!!!!missing")


def test_targets_of_links_of_every_length(staging: Path) -> None:
    targets = {b"l%d" % size: b"t" * size for size in (1, 100, 447, 448, 449, 512, 4095)}
    parts = [gnu_long(target, kind=b"K") + symlink(name, b"x") for name, target in targets.items()]
    layer = Unpacked(staging, archive(*parts))
    assert {name: os.readlink(os.fsencode(layer.diff) + b"/" + name) for name in targets} == targets


def test_large_files_and_their_ends(staging: Path) -> None:
    contents = {b"f%d" % size: os.urandom(size) for size in (1, 511, 512, 513, 4095, 4096, 4097, 1 << 20, 3_000_001)}
    layer = Unpacked(staging, archive(*(file(name, data) for name, data in contents.items())))
    for name, data in contents.items():
        assert (layer / name.decode()).read_bytes() == data


def _sparse(segments: list[tuple[int, int]], size: int) -> bytes:
    text = b"%d\n" % len(segments) + b"".join(b"%d\n%d\n" % pair for pair in segments)
    data = b"".join(bytes([number + 65]) * length for number, (_, length) in enumerate(segments))
    records = pax(
        (b"GNU.sparse.major", b"1"),
        (b"GNU.sparse.minor", b"0"),
        (b"GNU.sparse.name", b"sparse"),
        (b"GNU.sparse.realsize", b"%d" % size),
    )
    stored = padded(text) + data
    return records + header(b"x", size=len(stored)) + padded(stored)


@pytest.mark.parametrize(
    ("segments", "size"),
    [
        ([], 10_000_000),
        ([(0, 512), (1 << 20, 1024)], 2 << 20),
        ([(4096, 4096), (12288, 5)], 12293),
        ([(512, 512), (1024, 512)], 5000),
        ([(1 << 40, 512)], (1 << 40) + 512),
    ],
)
def test_sparse_files_have_holes(staging: Path, segments: list[tuple[int, int]], size: int) -> None:
    layer = Unpacked(staging, archive(_sparse(segments, size), file(b"after", b"x")))
    assert layer.is_kept
    assert (layer / "sparse").stat().st_size == size
    with (layer / "sparse").open("rb") as opened:
        for number, (start, length) in enumerate(segments):
            opened.seek(start)
            assert opened.read(length) == bytes([number + 65]) * length
            if start:
                opened.seek(start - 512)
                assert opened.read(512) in (bytes(512), bytes([number + 64]) * 512)
        if not segments:
            assert opened.read() == bytes(size)


@pytest.mark.parametrize(
    "part",
    [
        _sparse([(0, 100), (5000, 100)], 6000),
        pax((b"SCHILY.xattr.security.capability", b"no capability")) + file(b"f"),
        pax((b"SCHILY.xattr.system.what", b"1")) + file(b"f"),
    ],
)
def test_what_has_no_room_in_an_index_is_unpacked(tmp_path: Path, staging: Path, part: bytes) -> None:
    data = archive(directory(b"d", mode=0o1777), part, file(b"z", b"end"))
    try:
        names = Unpacked(tmp_path / "staging", data).names()
    except StorageError as error:
        with pytest.raises(type(error)):
            Unpacked(staging, data)
    else:
        layer = Unpacked(staging, data)
        assert not layer.is_kept
        assert layer.names() == names


def test_attributes_of_any_size(staging: Path) -> None:
    values = {f"user.{size}": b"v" * size for size in (0, 1, 300, 5000, 60_000)}
    records = pax(*((b"SCHILY.xattr." + name.encode(), value or b"-") for name, value in values.items()))
    layer = Unpacked(staging, archive(records, file(b"f", b"data"), records, directory(b"d")))
    assert layer.is_kept
    for name in ("f", "d"):
        assert {one: os.getxattr(layer / name, one) or b"" for one in os.listxattr(layer / name)} == {
            one: value or b"-" for one, value in values.items()
        }
    assert (layer / "f").read_bytes() == b"data"


def test_too_many_attributes_are_left_to_the_file_system(staging: Path) -> None:
    records = pax(*((b"SCHILY.xattr.user.%d" % number, b"v" * 60_000) for number in range(6)))
    with pytest.raises(Exception, match="no room"):
        Unpacked(staging, archive(records, file(b"f", b"data")))


def test_owners_modes_devices_and_links(staging: Path) -> None:
    parts = [
        header(b"c", kind=b"3", device=(259, 70_000), uid=70_000, gid=65_536, mode=0o620),
        header(b"p", kind=b"6", mode=0o600),
        file(b"s", b"x", mode=0o6755, uid=1),
        link(b"t", b"s"),
        directory(b"d", mode=0o1777),
    ]
    layer = Unpacked(staging, archive(*parts))
    device, setuid = os.lstat(layer / "c"), os.lstat(layer / "s")
    assert (os.major(device.st_rdev), os.minor(device.st_rdev), device.st_uid, device.st_gid) == (
        259,
        70_000,
        70_000,
        65_536,
    )
    assert stat.S_ISFIFO(os.lstat(layer / "p").st_mode)
    assert (stat.S_IMODE(setuid.st_mode), setuid.st_uid, setuid.st_nlink) == (0o6755, 1, 2)
    assert setuid.st_ino == os.lstat(layer / "t").st_ino
    assert stat.S_IMODE(os.lstat(layer / "d").st_mode) == 0o1777
    assert os.stat(layer.diff).st_nlink == 3


def test_a_real_tree_is_the_same_as_unpacked(tmp_path: Path, staging: Path) -> None:
    """The system's own Python modules, as GNU tar packs them."""
    source = os.path.dirname(os.__file__)
    command = ["tar", "-C", source, "--exclude=*-packages", "--sparse", "--xattrs", "-c", "."]
    data = subprocess.run(command, capture_output=True, check=True).stdout
    kept, plain = Unpacked(staging, data), Unpacked(tmp_path / "staging", data)
    assert kept.is_kept
    assert kept.names() == plain.names()
    for name in plain.names():
        one, other = os.lstat(kept / name.rstrip("/")), os.lstat(plain / name.rstrip("/"))
        assert (one.st_mode, one.st_uid, one.st_mtime_ns) == (other.st_mode, other.st_uid, other.st_mtime_ns)
        if stat.S_ISREG(one.st_mode):
            assert (kept / name).read_bytes() == (plain / name).read_bytes()


def _part(choice: random.Random) -> bytes:
    """Make any entry: few names, so that they meet."""
    name = b"/".join(choice.choice([b"a", b"b", b"c", b"d"]) for _ in range(choice.choice([1, 1, 2, 2, 3, 4])))
    above, _, last = name.rpartition(b"/")
    above += b"/" * bool(above)
    parts = [
        file(name, choice.randbytes(choice.choice([0, 1, 600])), mode=choice.choice([0o644, 0o4755]), uid=7),
        directory(name, mode=choice.choice([0o755, 0o1777]), gid=9),
        symlink(name, choice.choice([b"a", b"/b", b"../c", b"a/b", b"..", b"x"])),
        link(name, choice.choice([b"a", b"a/b", b"c", b"d/c/a", b".wh..wh.plnk/a"])),
        file(above + b".wh." + last),
        file(above + b".wh..wh..opq"),
        header(name, kind=b"6"),
        pax((b"SCHILY.xattr.user.x", b"1"), (b"SCHILY.xattr.trusted.y", b"2")) + directory(name),
        file(b".wh..wh.plnk/a", b"leftover"),
    ]
    return choice.choice(parts)


def _shown(layer: _Layer, path: bytes = b"") -> Iterator[tuple[object, ...]]:
    """Describe a tree, but for times that nobody gave."""
    full = os.path.join(os.fsencode(layer.directory), path or b".")
    status = os.lstat(full)
    names = [name for name in os.listxattr(full, follow_symlinks=False) if not name.startswith("security.")]
    attributes = {name: os.getxattr(full, name, follow_symlinks=False) for name in names}
    own = (path, status.st_mode, status.st_uid, status.st_gid, attributes)
    if not stat.S_ISDIR(status.st_mode):
        content = Path(os.fsdecode(full)).read_bytes() if stat.S_ISREG(status.st_mode) else b""
        yield (*own, status.st_nlink, content, stat.S_ISLNK(status.st_mode) and os.readlink(full))
        return
    yield (*own, 0 if path.decode() in (*layer.result.implied, "") else status.st_mtime_ns)
    for name in sorted(os.listdir(full)):
        yield from _shown(layer, path + b"/" + name if path else name)


@dataclass
class _Layer:
    result: LayerResult
    directory: str


def _seen(place: Path, data: bytes, *, keep: bool) -> object:
    place.mkdir()
    try:
        result = unpack(iter([data]), str(place), options=UnpackOptions(keep=keep, defer_links=True))
    except CorruptError as error:
        return str(error).partition(":")[0]
    lower = place / INDEX if (place / INDEX).exists() else place / "diff"
    with mounting.Opened([str(lower)]) as (path,):
        return list(_shown(_Layer(result, path))), result.implied, sorted(result.pending_links), result.entries


@pytest.mark.usefixtures("staging")
@pytest.mark.parametrize(
    "parts",
    [
        [symlink(b"b", b".."), file(b"b/b", b"in the place of the link that led here")],
        [symlink(b"a", b"."), directory(b"a/a", mode=0o1777)],
        [link(b"a/c/a", b"b/d"), file(b"a"), symlink(b"a", b"a")],
        [file(b".wh.a"), file(b"a", b"x"), directory(b"a")],
        [file(b".wh.a"), directory(b"a"), file(b"a", b"x"), directory(b"a")],
    ],
)
def test_entries_that_replace_their_own_way(tmp_path: Path, parts: list[bytes]) -> None:
    data = archive(*parts)
    assert _seen(tmp_path / "a", data, keep=True) == _seen(tmp_path / "b", data, keep=False)


@pytest.mark.usefixtures("staging")
def test_a_name_that_looks_like_compression(tmp_path: Path) -> None:
    """The blob is inflated once: what comes of it, and has to be unpacked after all, is taken as it is."""
    data = gzip.compress(archive(file(b"BZh91AY", b"data"), link(b"to", b"missing")))
    seen = _seen(tmp_path / "a", data, keep=True)
    assert not isinstance(seen, str), seen
    assert seen == _seen(tmp_path / "b", data, keep=False)


@pytest.mark.usefixtures("staging")
def test_any_tar_is_the_same_tree_as_unpacked(tmp_path: Path) -> None:
    for seed in range(150):
        choice = random.Random(seed)
        data = archive(*(_part(choice) for _ in range(choice.randrange(1, 14))))
        kept = _seen(tmp_path / f"kept{seed}", data, keep=True)
        assert kept == _seen(tmp_path / f"plain{seed}", data, keep=False), seed


def test_damage_is_found(staging: Path) -> None:
    Unpacked(staging, archive(file(b"f", b"data")))
    _unmount()
    content = bytearray((staging / INDEX).read_bytes())
    for position in (0, format.UUID_OFFSET, format.SUPERBLOCK_OFFSET, len(content) - 1):
        damaged = bytearray(content)
        damaged[position] ^= 1
        (staging / INDEX).write_bytes(damaged)
        assert damage(str(staging)) == ["its index is damaged"]
    (staging / INDEX).write_bytes(content)
    assert damage(str(staging)) == []
    os.truncate(staging / TAR, 1024)
    assert len(damage(str(staging))) == 1
    (staging / TAR).unlink()
    assert damage(str(staging)) == ["layer.tar: no such file or directory"]
    with pytest.raises(CorruptError, match="No such file"):
        list(rebuild_tar(str(staging)))


def test_what_a_tar_can_make_us_hold_is_bounded(staging: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply, "_MAX_NODES", 20)
    assert not Unpacked(staging, archive(file(b"/".join([b"d"] * 30), b"x"))).is_kept


def _built(parts: Iterator[bytes]) -> apply.Builder:
    builder = apply.Builder()
    builder.run(Reader(Stream(parts, lambda _: None)))
    return builder


@pytest.mark.parametrize("kind", ["files", "directories", "sparse files"])
def test_as_many_nodes_as_there_may_be_fit_into_memory(kind: str) -> None:
    """The limit times what one of them costs, as hostile as it can be: another time, owner and name each."""
    count = 3000

    def parts() -> Iterator[bytes]:
        for number in range(count):
            name = b"%06d" % number
            if kind == "directories":
                yield header(name + b"/", kind=b"5", mtime=1_600_000_000 + number, uid=1000 + number)
            elif kind == "files":
                yield header(name, mtime=1_600_000_000 + number, uid=1000 + number, size=1000) + bytes(1024)
            else:
                sparse = (b"GNU.sparse.map", b"%d,512" % (512 * number)), (b"GNU.sparse.size", b"9999999")
                yield pax(*sparse) + header(name, mtime=1_600_000_000 + number, size=512) + bytes(512)

    tracemalloc.start()
    try:
        builder = _built(parts())
        cost = tracemalloc.get_traced_memory()[0] / count
    finally:
        tracemalloc.stop()
    assert builder.ordinal + 1 == count
    assert apply._MAX_NODES * cost < 150 << 20, f"{cost:.0f} bytes each"


def test_directories_at_the_end_of_a_long_path_cost_no_paths() -> None:
    deep, count = b"/".join([b"d"] * 1500), 3000
    builder = _built(iter([b"".join(gnu_long(deep + b"/%d/" % number) + directory(b"x") for number in range(count))]))
    tracemalloc.start()
    try:
        assert len(builder.implied()) == 1500
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20, "not the paths of all, which are 9 MB"


def test_paths_of_what_is_only_implied_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    builder = _built(iter([b"".join(file(b"/".join([b"d"] * 40) + b"/%d/f" % number) for number in range(100))]))
    assert len(builder.implied()) == 140
    monkeypatch.setattr(apply, "_MAX_TEXT", 8000)
    with pytest.raises(format.UnfitError):
        builder.implied()


def test_limits_of_the_index(tmp_path: Path) -> None:
    with (tmp_path / "x").open("xb") as opened, pytest.raises(format.UnfitError):
        index.write(opened, Nodes().root, 1 << 41)
