"""Layers on a real kernel: owners, capabilities, devices, user namespaces, overlay mounts, full disks, other tars."""

from __future__ import annotations

import io
import itertools
import os
import random
import stat
import struct
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.errors import CorruptError, NoSpaceError, StorageError
from storage.layers.rebuild import rebuild_tar
from storage.layers.unpacking import LayerResult, UnpackOptions, unpack
from storage.layers.verify import tree_damage
from storage.layers.worker import fork_unpack
from storage.trees import remove_tree
from tests.fixtures.namespaces import in_mount_namespace, in_user_namespace, mount
from tests.fixtures.tars import archive, directory, file, gnu_long, header, link, pax, symlink
from tests.fixtures.unpacked import Unpacked, pieces
from tests.fixtures.user import User

needs_root = pytest.mark.root
_numbers = itertools.count()
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)  # cap_net_raw=ep
SUBORDINATE = 1_000_000


@pytest.fixture
def place(workplace: str) -> Iterator[Path]:
    """A directory of the test's own, emptied however deep."""
    path = Path(workplace, f"layers{next(_numbers)}")
    path.mkdir()
    os.chmod(path, 0o777)
    yield path
    remove_tree(str(path))


def ids(path: Path) -> tuple[int, int]:
    status = os.lstat(path)
    return status.st_uid, status.st_gid


# -- rootful -------------------------------------------------------------------------------------------------


@needs_root
def test_owners_modes_and_capabilities(place: Path) -> None:
    capability = pax((b"SCHILY.xattr.security.capability", CAPABILITY))
    parts = [
        directory(b"d", uid=33, gid=44, mode=0o2755),
        file(b"d/f", b"x", uid=70_000, gid=80_000),
        file(b"d/suid", b"x", uid=5, gid=6, mode=0o6755),
        capability + file(b"d/ping", b"x", uid=7, mode=0o755),
        header(b"l", kind=b"2", link=b"d", uid=3, gid=4),
        header(b"p", kind=b"6", uid=3, gid=4, mode=0o1600),
        file(b"d/root", b"x"),
    ]
    layer = Unpacked(place / "staging", archive(*parts))
    assert ids(layer / "d") == (33, 44)
    assert ids(layer / "d/f") == (70_000, 80_000)
    assert ids(layer / "l") == ids(layer / "p") == (3, 4)
    assert ids(layer / "d/root") == (0, 0)
    assert stat.S_IMODE(os.stat(layer / "d/suid").st_mode) == 0o6755
    assert stat.S_IMODE(os.stat(layer / "p").st_mode) == 0o1600
    assert os.getxattr(layer / "d/ping", "security.capability") == CAPABILITY


@needs_root
def test_a_directory_that_comes_again_has_its_last_owner(place: Path) -> None:
    layer = Unpacked(place / "staging", archive(directory(b"d", uid=5), directory(b"d", gid=6)))
    assert ids(layer / "d") == (0, 6)


@needs_root
def test_devices(place: Path) -> None:
    parts = [
        header(b"null", kind=b"3", device=(1, 3), mode=0o666),
        header(b"disk", kind=b"4", device=(8, 1), mode=0o660, gid=6),
        link(b"zero", b"null"),
    ]
    layer = Unpacked(place / "staging", archive(*parts))
    status = os.stat(layer / "null")
    assert stat.S_ISCHR(status.st_mode)
    assert (status.st_rdev, status.st_nlink) == (os.makedev(1, 3), 2)
    status = os.stat(layer / "disk")
    assert stat.S_ISBLK(status.st_mode)
    assert (status.st_rdev, status.st_gid, stat.S_IMODE(status.st_mode)) == (os.makedev(8, 1), 6, 0o660)


@needs_root
def test_what_overlayfs_makes_of_it(place: Path) -> None:
    low = archive(
        directory(b"d"),
        file(b"d/old", b"1"),
        file(b"d/kept", b"1"),
        file(b"e/old"),
        file(b"f/old"),
        file(b"gone", b"1"),
    )
    high = archive(
        directory(b"d"),
        file(b"d/.wh.old"),
        file(b".wh.gone"),
        file(b"e/.wh..wh..opq"),
        file(b"e/.wh.x"),
        file(b"e/new", b"2"),
        file(b".wh.f"),
        directory(b"f"),
        file(b"f/new", b"2"),
        pax((b"SCHILY.xattr.trusted.overlay.redirect", b"/d"), (b"SCHILY.xattr.trusted.overlay.opaque", b"y")),
        directory(b"d/trick"),
    )
    layers = [Unpacked(place / name, data) for name, data in (("low", low), ("high", high))]
    for name in ("upper", "work", "merged"):
        (place / name).mkdir()

    def look() -> list[str]:
        lowers = ":".join(str(layer.diff) for layer in reversed(layers))
        options = f"lowerdir={lowers},upperdir={place}/upper,workdir={place}/work"
        mount("overlay", f"{place}/merged", "overlay", options)
        return sorted(str(path.relative_to(place / "merged")) for path in (place / "merged").rglob("*"))

    assert in_mount_namespace(look) == ["d", "d/kept", "d/trick", "e", "e/new", "f", "f/new"]


@needs_root
@pytest.mark.parametrize(("options", "parts"), [("size=1m", [b"x" * 3_000_000]), ("nr_inodes=20", [b""] * 100)])
def test_a_full_disk(place: Path, options: str, parts: list[bytes]) -> None:
    data = archive(*(file(b"%d" % at, part) for at, part in enumerate(parts)))

    def fill() -> str:
        mount("tmpfs", str(place), "tmpfs", options)
        with pytest.raises(NoSpaceError) as raised:
            fork_unpack(lambda: pieces(data), _staging(place), options=UnpackOptions()).result()
        return str(raised.value)

    assert in_mount_namespace(fill) == f"unpack layer in `{place}/staging/diff`: no space left on device"


def _staging(place: Path) -> str:
    (place / "staging").mkdir()
    return str(place / "staging")


# -- in user namespaces --------------------------------------------------------------------------------------


def unpack_mapped(place: Path, count: int, data: bytes, **options: Any) -> LayerResult:
    """Unpack as root of a namespace in which root is user 12345, with `count` more IDs."""
    os.chown(place, 12345, 12345)
    maps = [(0, 12345, 1)] + ([(1, SUBORDINATE, count)] if count else [])
    settings_ = UnpackOptions(rootless=True, **options)
    return in_user_namespace(
        maps, lambda: fork_unpack(lambda: pieces(data), _staging(place), options=settings_).result()
    )


ROOTLESS = archive(
    directory(b"d", uid=33, mode=0o2755),
    file(b"d/f", b"x", uid=1000, gid=100),
    file(b"d/suid", b"x", uid=5, mode=0o4755),
    pax((b"SCHILY.xattr.security.capability", CAPABILITY)) + file(b"ping", b"x", mode=0o755),
    pax((b"SCHILY.xattr.trusted.md5sum", b"1"), (b"SCHILY.xattr.security.ima", b"1")) + file(b"attributes", b"x"),
    file(b".wh.gone"),
    file(b"o/.wh..wh..opq"),
    header(b"null", kind=b"3", device=(1, 3)),
)


@needs_root
def test_rootless(place: Path) -> None:
    unpack_mapped(place, 65_535, ROOTLESS)
    diff = place / "staging/diff"
    assert sorted(os.listdir(diff)) == ["attributes", "d", "gone", "o", "ping"]
    assert ids(diff) == ids(diff / "ping") == (12345, 12345)
    assert ids(diff / "d") == (SUBORDINATE + 32, 12345)
    assert ids(diff / "d/f") == (SUBORDINATE + 999, SUBORDINATE + 99)
    assert stat.S_IMODE(os.stat(diff / "d/suid").st_mode) == 0o4755
    assert os.getxattr(diff / "o", "user.overlay.opaque") == b"y"
    whiteout = os.lstat(diff / "gone")
    assert stat.S_ISCHR(whiteout.st_mode)
    assert whiteout.st_rdev == 0
    revision, permitted, *_, root = struct.unpack("<IIIIII", os.getxattr(diff / "ping", "security.capability"))
    assert (revision, permitted, root) == (0x03000001, 1 << 13, 12345)


@needs_root
def test_capability_of_another_namespace(place: Path) -> None:
    value = struct.pack("<IIIIII", 0x03000001, 1 << 13, 0, 0, 0, 4242)
    data = archive(pax((b"SCHILY.xattr.security.capability", value)) + file(b"ping", b"x"))
    unpack_mapped(place, 65_535, data)
    assert os.getxattr(place / "staging/diff/ping", "security.capability") == value[:20] + struct.pack("<I", 12345)


@needs_root
@pytest.mark.parametrize("kind", [file(b"f", b"x", uid=65_536, gid=7), directory(b"d", uid=65_536, gid=7)])
def test_an_unmapped_owner_is_told(place: Path, kind: bytes) -> None:
    with pytest.raises(StorageError, match=r"its owner 65536:7 is not an ID of this user namespace") as raised:
        unpack_mapped(place, 65_535, archive(kind))
    assert "/etc/subuid" in raised.value.hint
    assert "65536" in raised.value.hint


@needs_root
def test_a_single_id(place: Path) -> None:
    with pytest.raises(StorageError, match="its owner 33:0"):
        unpack_mapped(place, 0, ROOTLESS)
    remove_tree(str(place / "staging"))
    unpack_mapped(place, 0, ROOTLESS, ignore_chown_errors=True)
    diff = place / "staging/diff"
    assert ids(diff / "d/f") == (12345, 12345)
    assert b"".join(rebuild_tar(str(place / "staging"))) == ROOTLESS


def test_as_whoever_runs_the_tests(place: Path, ordinary_user: User) -> None:
    """Not even a user namespace: files of root and of nobody else, as in a first try without privileges."""
    data = archive(directory(b"d"), file(b"d/f", b"x"), file(b".wh.w"), symlink(b"l", b"d"), file(b"l/g", b"y"))
    options = UnpackOptions(rootless=True)

    def as_user() -> LayerResult:
        if os.getuid() == 0:
            os.setgroups([])
            os.setresgid(ordinary_user.gid, ordinary_user.gid, ordinary_user.gid)
            os.setresuid(ordinary_user.uid, ordinary_user.uid, ordinary_user.uid)
        return fork_unpack(lambda: pieces(data), _staging(place), options=options).result()

    result = in_mount_namespace(as_user) if os.getuid() == 0 else as_user()
    assert result.entries == 5
    assert ids(place / "staging/diff/d/g") == (ordinary_user.uid, ordinary_user.gid)


# -- other programs' tars ------------------------------------------------------------------------------------


def listing(root: Path) -> dict[str, tuple[Any, ...]]:
    """Describe a tree by all that a tar keeps; hard links by their first name."""
    found: dict[str, tuple[Any, ...]] = {}
    first: dict[int, str] = {}
    for path in [root, *sorted(root.rglob("*"))]:
        status = os.lstat(path)
        name = str(path.relative_to(root))
        content: bytes | str = b""
        if stat.S_ISREG(status.st_mode):
            content = path.read_bytes()
        elif stat.S_ISLNK(status.st_mode):
            content = os.readlink(path)
        linked = first.setdefault(status.st_ino, name) if not stat.S_ISDIR(status.st_mode) else name
        xattrs = tuple(
            (key, os.getxattr(path, key, follow_symlinks=False))
            for key in sorted(os.listxattr(path, follow_symlinks=False))
        )
        attributes = (status.st_mode, status.st_uid, status.st_gid, int(status.st_mtime))
        found[name] = (*attributes, status.st_rdev, content, linked, xattrs)
    return found


NAMES = st.sampled_from(["a", "b", "c", "ä", "long" * 40])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


@st.composite
def trees(draw: st.DrawFn) -> list[tuple[tarfile.TarInfo, bytes]]:
    """Make up members in an order that any tar program accepts: parents first, no name twice."""
    members: dict[str, tuple[tarfile.TarInfo, bytes]] = {}
    is_root = os.getuid() == 0
    for path in sorted(draw(st.sets(PATHS, max_size=12))):
        parents = [path[:at] for at, letter in enumerate(path) if letter == "/"]
        if any(parent in members and members[parent][0].type != tarfile.DIRTYPE for parent in parents):
            continue
        files = [name for name, (info, _) in members.items() if info.type == tarfile.REGTYPE]
        kinds = [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.FIFOTYPE]
        info = tarfile.TarInfo(path)
        info.type = draw(st.sampled_from(kinds + ([tarfile.LNKTYPE] if files else [])))
        info.mode = draw(st.sampled_from([0o755, 0o644, 0o4755, 0o2755, 0o1777, 0o600]))
        info.mtime = draw(st.integers(0, 2_000_000_000))
        if is_root:
            info.uid, info.gid = draw(st.tuples(st.integers(0, 100_000), st.integers(0, 100_000)))
        data = draw(st.binary(max_size=3000)) if info.type == tarfile.REGTYPE else b""
        info.size = len(data)
        if info.type == tarfile.SYMTYPE:
            info.linkname = draw(st.sampled_from(["a", "/etc", "../..", "x" * 150]))
        if info.type == tarfile.LNKTYPE:
            info.linkname = draw(st.sampled_from(files))
        for parent in parents:
            if parent not in members:
                members[parent] = (_directory_info(parent), b"")
        members[path] = (info, data)
    return list(members.values())


def _directory_info(path: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(path)
    info.type, info.mode, info.mtime = tarfile.DIRTYPE, 0o755, 1000
    return info


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(trees(), st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
@needs_root
def test_unpacks_as_gnu_tar_does(place: Path, members: list[tuple[tarfile.TarInfo, bytes]], format: int) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as made:
        for info, data in members:
            made.addfile(info, io.BytesIO(data))
    here = place / str(next(_numbers))
    here.mkdir()
    theirs = here / "theirs"
    theirs.mkdir()
    command = ["tar", "-x", "-p", "--same-owner", "--numeric-owner", "-C", str(theirs)]
    subprocess.run(command, input=buffer.getvalue(), check=True, capture_output=True)
    ours = Unpacked(here / "ours", buffer.getvalue())
    expected, found = listing(theirs), listing(ours.diff)
    del expected["."], found["."]
    assert found == expected


@needs_root
@pytest.mark.parametrize("format", ["gnu", "pax", "ustar", "oldgnu"])
@pytest.mark.parametrize("sparse", [[], ["--sparse", "--sparse-version=0.0"], ["--sparse", "--sparse-version=1.0"]])
def test_unpacks_what_gnu_tar_packs(place: Path, format: str, sparse: list[str]) -> None:
    if sparse and format == "ustar":
        sparse = []
    source = place / "source"
    source.mkdir()
    (source / "dir").mkdir()
    (source / "dir/suid").write_bytes(b"x")
    os.chown(source / "dir/suid", 5, 6)
    os.chmod(source / "dir/suid", 0o4755)
    os.link(source / "dir/suid", source / "link")
    os.symlink("dir/suid", source / "symlink")
    os.mkfifo(source / "fifo")
    os.mknod(source / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    with open(source / "holes", "wb") as holes:
        for at in range(0, 80 << 16, 1 << 16):
            holes.seek(at)
            holes.write(b"data %d" % at)
        holes.truncate(200 << 16)
    if format == "pax":
        os.setxattr(source / "dir/suid", "user.test", b"a\0b")
        os.setxattr(source / "dir/suid", "security.capability", CAPABILITY)
    os.utime(source / "dir", (1000, 1000))
    command = ["tar", "-c", f"--format={format}", *sparse, "--numeric-owner", "-C", str(source), "."]
    if format == "pax":
        command += ["--xattrs", "--xattrs-include=*"]
    packed = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    layer = Unpacked(place / "staging", packed)
    assert listing(layer.diff) == listing(source)


@pytest.mark.slow
def test_a_real_tree(place: Path) -> None:
    """The machine's own programs and documents: thousands of real names, links and sizes."""
    sources = [name for name in ("usr/share/zoneinfo", "usr/sbin", "etc/alternatives") if Path("/", name).is_dir()]
    command = ["tar", "-c", "--ignore-failed-read", "--owner=0", "--group=0", "-C", "/", *sources]
    packed = subprocess.run(command, check=False, capture_output=True).stdout
    staging = _staging(place)
    options = UnpackOptions(rootless=os.getuid() != 0)
    result = fork_unpack(lambda: pieces(packed, 1 << 18), staging, options=options).result()
    assert result.entries > 1000
    assert b"".join(rebuild_tar(staging)) == packed
    subprocess.run(["tar", "-d", "--no-same-owner", "-C", f"{staging}/diff"], input=packed, check=os.getuid() == 0)


# -- hostile tars --------------------------------------------------------------------------------------------

PARTS = [
    directory(b"d"),
    file(b"d/f", b"data" * 300),
    file(b"d/f", b"again"),
    symlink(b"l", b"d"),
    symlink(b"out", b"../../canary"),
    symlink(b"abs", b"/"),
    file(b"l/through", b"x"),
    file(b"out/escape", b"x"),
    file(b"abs/escape", b"x"),
    link(b"h", b"d/f"),
    link(b"h2", b"out"),
    link(b"late", b"z"),
    file(b".wh.d"),
    file(b"d/.wh..wh..opq"),
    file(b"d/.wh.f"),
    file(b"out", b"now a file"),
    directory(b"out"),
    directory(b"l"),
    gnu_long(b"d/" * 60 + b"x") + file(b"y", b"deep"),
    pax((b"path", b"abs/../canary/x"), (b"SCHILY.xattr.user.a", b"1")) + file(b"y", b"pax"),
    pax((b"GNU.sparse.size", b"900"), (b"GNU.sparse.map", b"10,5,800,5")) + file(b"s", b"0123456789"),
    header(b"p", kind=b"6"),
    file(b"z"),
]


@pytest.mark.slow
@settings(max_examples=200, suppress_health_check=list(HealthCheck))
@given(st.permutations(PARTS), st.integers(0, 1 << 32))
def test_mutated_tars_fail_cleanly_and_stay_inside(place: Path, parts: list[bytes], seed: int) -> None:
    chance = random.Random(seed)
    data = bytearray(archive(*parts))
    for _ in range(chance.choice((0, 1, 4))):
        _mutate(data, chance)
    here = place / str(next(_numbers))
    (here / "canary").mkdir(parents=True)
    (here / "staging").mkdir()
    before = sorted(os.listdir(place))
    try:
        result = unpack(pieces(bytes(data)), str(here / "staging"), options=UnpackOptions(rootless=os.getuid() != 0))
        assert b"".join(rebuild_tar(str(here / "staging"))) == data
        assert tree_damage(str(here / "staging"), incomplete=bool(result.pending_links)) == []
        assert result.size == len(data)
    except StorageError:
        pass
    assert sorted(os.listdir(place)) == before
    assert sorted(os.listdir(here)) == ["canary", "staging"]
    assert os.listdir(here / "canary") == []
    assert not os.path.exists("/escape")
    remove_tree(str(here))


def _mutate(data: bytearray, chance: random.Random) -> None:
    """Change a field of a header, and mend its checksum: what an attacker would do."""
    start = chance.randrange(len(data) // 512) * 512
    block = data[start : start + 512]
    at = chance.choice((0, 100, 124, 156, 157, 257, 345, chance.randrange(500)))
    value = chance.choice(
        (b"../x", b"/", b"\0", b"1", b"2", b"5", b"\xff" * 8, b"l/../..", b"777", chance.randbytes(3))
    )
    block[at : at + len(value)] = value
    if block[257:262] == b"ustar":
        block[148:156] = b" " * 8
        block[148:156] = b"%06o\0 " % sum(block)
    data[start : start + 512] = block[:512]


@pytest.mark.parametrize("evil", [b"../canary/x", b"/../canary/x", b"d/../../canary/x"])
def test_escapes_are_refused(place: Path, evil: bytes) -> None:
    (place / "canary").mkdir()
    with pytest.raises(CorruptError, match="leaves the root"):
        Unpacked(place / "staging", archive(directory(b"d"), file(evil, b"x")))
    assert os.listdir(place / "canary") == []
