"""Applying a layer: each trap of the craft by its name."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from storage.errors import CorruptError
from tests.fixtures.tars import archive, directory, file, gnu_long, header, link, padded, pax, symlink
from tests.fixtures.unpacked import IS_ROOT, Unpacked


def refused(staging: Path, *parts: bytes, match: str) -> None:
    with pytest.raises(CorruptError, match=match):
        Unpacked(staging, archive(*parts))


# -- whiteouts -----------------------------------------------------------------------------------------------


def test_whiteout(staging: Path) -> None:
    layer = Unpacked(staging, archive(directory(b"d"), file(b"d/.wh.gone"), file(b".wh.top")))
    assert layer.names() == ["d/", "d/gone", "top"]
    assert layer.is_whiteout("d/gone")
    assert layer.is_whiteout("top")


@pytest.mark.parametrize("parts", [[file(b"a", b"new"), file(b".wh.a")], [file(b".wh.a"), file(b"a", b"new")]])
def test_an_entry_wins_over_a_whiteout_in_any_order(staging: Path, parts: list[bytes]) -> None:
    layer = Unpacked(staging, archive(*parts))
    assert (layer / "a").read_bytes() == b"new"


@pytest.mark.parametrize("name", [b".wh.", b".wh..", b".wh...", b"d/.wh.", b"d/.wh..", b"d/.wh..."])
def test_whiteouts_of_nothing_are_refused(staging: Path, name: bytes) -> None:
    refused(staging, directory(b"d"), file(name), match="names no file")


def test_whiteout_with_data(staging: Path) -> None:
    layer = Unpacked(staging, archive(file(b".wh.a", b"data nobody wants"), file(b"b", b"data")))
    assert layer.is_whiteout("a")


@pytest.mark.parametrize("order", [1, -1])
def test_opaque_directory_in_any_order(staging: Path, order: int) -> None:
    parts = [file(b"d/.wh..wh..opq"), file(b"d/child", b"x")][::order]
    layer = Unpacked(staging, archive(directory(b"d"), *parts))
    assert layer.is_opaque("d")
    assert layer.names() == ["d/", "d/child"]


def test_opaque_marker_replaces_a_file_by_a_directory(staging: Path) -> None:
    layer = Unpacked(staging, archive(file(b"d", b"a file"), file(b"d/.wh..wh..opq")))
    assert layer.is_opaque("d")


@pytest.mark.parametrize("order", [1, -1])
def test_no_plain_whiteout_within_an_opaque_directory(staging: Path, order: int) -> None:
    parts = [file(b"d/.wh..wh..opq"), file(b"d/.wh.a"), file(b"d/sub/.wh.b")][::order]
    layer = Unpacked(staging, archive(directory(b"d"), directory(b"d/sub"), *parts, file(b".wh.c")))
    assert layer.names() == ["c", "d/", "d/sub/"]


@pytest.mark.parametrize("order", [1, -1])
def test_a_directory_in_place_of_a_whiteout_is_opaque(staging: Path, order: int) -> None:
    parts = [file(b".wh.d"), directory(b"d")][::order]
    layer = Unpacked(staging, archive(*parts, file(b"d/new")))
    assert layer.is_opaque("d")
    assert layer.names() == ["d/", "d/new"]


def test_a_file_in_place_of_a_whiteout_is_just_a_file(staging: Path) -> None:
    layer = Unpacked(staging, archive(file(b".wh.a"), symlink(b"a", b"elsewhere")))
    assert os.readlink(layer / "a") == "elsewhere"


def test_whiteout_below_a_whiteout_is_ignored(staging: Path) -> None:
    layer = Unpacked(staging, archive(file(b".wh.foo"), file(b"foo/.wh.bar"), file(b"foo/x/.wh.bar")))
    assert layer.names() == ["foo"]
    assert layer.is_whiteout("foo")


def test_a_file_below_a_whiteout_makes_an_opaque_directory(staging: Path) -> None:
    layer = Unpacked(staging, archive(file(b".wh.foo"), file(b"foo/bar", b"x")))
    assert layer.is_opaque("foo")
    assert layer.names() == ["foo/", "foo/bar"]


def test_leftovers_of_aufs_are_skipped(staging: Path) -> None:
    parts = [file(b".wh..wh.aufs", b"x"), directory(b".wh..wh.orph"), directory(b".wh..wh.plnk"), file(b"a", b"1")]
    assert Unpacked(staging, archive(*parts)).names() == ["a"]


def test_hard_link_to_a_leftover_of_aufs(staging: Path) -> None:
    parts = [directory(b".wh..wh.plnk"), file(b".wh..wh.plnk/1.2", b"content"), link(b"a", b".wh..wh.plnk/1.2")]
    layer = Unpacked(staging, archive(*parts, link(b"b", b"/.wh..wh.plnk/1.2")))
    assert layer.names() == ["a", "b"]
    assert (layer / "b").read_bytes() == b"content"


def test_what_only_looks_like_a_leftover_of_aufs_is_a_file(staging: Path) -> None:
    layer = Unpacked(staging, archive(file(b".wh..wh.plnkx/file", b"1"), file(b"d/.wh..wh.plnk/file", b"2")))
    assert (layer / ".wh..wh.plnkx/file").read_bytes() == b"1"


def test_a_whiteout_that_went_with_its_directory_hides_nothing(staging: Path) -> None:
    parts = [file(b"d/.wh.x"), file(b"d", b"file"), file(b"d/x", b"1"), link(b"l", b"d/x")]
    layer = Unpacked(staging, archive(*parts))
    assert (layer / "l").read_bytes() == b"1"


# -- parents -------------------------------------------------------------------------------------------------


def test_implied_parents_are_told(staging: Path) -> None:
    layer = Unpacked(staging, archive(file(b"a/b/c"), file(b"x/y/z"), directory(b"x"), directory(b"a/b")))
    assert layer.result.implied == ("a", "x/y")
    assert stat.S_IMODE(os.stat(layer / "a").st_mode) == 0o755


def test_the_root_has_the_attributes_of_its_entry(staging: Path) -> None:
    layer = Unpacked(staging, archive(directory(b"./", mode=0o700, mtime=1000), file(b"./a")))
    status = os.stat(layer.diff)
    assert (stat.S_IMODE(status.st_mode), status.st_mtime) == (0o700, 1000)
    assert Unpacked(staging.with_name("second"), archive(file(b"a"))).result.implied == ()


@pytest.mark.parametrize("entry", [file(b"."), file(b"/", b"data"), symlink(b"./", b"/"), header(b".", kind=b"6")])
def test_a_root_that_is_no_directory_is_refused(staging: Path, entry: bytes) -> None:
    refused(staging, entry, match="root is not a directory")


@pytest.mark.parametrize("name", [b"../a", b"a/../../b", b"/../a"])
def test_paths_out_of_the_root_are_refused(staging: Path, name: bytes) -> None:
    for entry in (file(name), directory(name), symlink(name, b"x"), link(b"fine", name)):
        with pytest.raises(CorruptError, match="leaves the root"):
            Unpacked(staging.with_name(f"staging{hash(entry)}"), archive(entry))
    assert not (staging.parent / "a").exists()


def test_absolute_names_are_below_the_root(staging: Path) -> None:
    layer = Unpacked(staging, archive(file(b"/etc/x", b"1"), link(b"/y", b"/etc/x")))
    assert layer.names() == ["etc/", "etc/x", "y"]


@pytest.mark.parametrize("target", [b"usr/lib", b"/usr/lib", b"./usr/../usr/lib", b"../../../usr/lib", b"link2"])
def test_a_link_to_a_directory_in_the_same_layer_is_followed(staging: Path, target: bytes) -> None:
    parts = [directory(b"usr"), directory(b"usr/lib"), symlink(b"link2", b"/usr/lib"), symlink(b"lib", target)]
    layer = Unpacked(staging, archive(*parts, file(b"lib/x", b"1"), directory(b"lib/d"), file(b"lib/d/y", b"2")))
    assert layer.names() == ["lib", "link2", "usr/", "usr/lib/", "usr/lib/d/", "usr/lib/d/y", "usr/lib/x"]
    assert layer.result.implied == ()


def test_a_link_out_of_the_layer_ends_at_its_root(staging: Path) -> None:
    outside = staging.parent / "outside"
    outside.mkdir()
    parts = [symlink(b"evil", os.fsencode(outside)), file(b"evil/x", b"1"), symlink(b"up", b"../../.."), file(b"up/y")]
    layer = Unpacked(staging, archive(*parts))
    assert os.listdir(outside) == []
    assert (layer / "y").exists()
    assert (layer / str(outside)[1:] / "x").read_bytes() == b"1"


def test_a_link_to_a_directory_of_a_lower_layer_makes_that_directory(staging: Path) -> None:
    layer = Unpacked(staging, archive(symlink(b"lib", b"usr/lib"), file(b"lib/x", b"1")))
    assert layer.names() == ["lib", "usr/", "usr/lib/", "usr/lib/x"]
    assert layer.result.implied == ("usr", "usr/lib")


def test_a_loop_of_links_is_refused(staging: Path) -> None:
    refused(staging, symlink(b"a", b"b"), symlink(b"b", b"a"), file(b"a/x"), match="too many symbolic links")


def test_a_link_that_becomes_a_directory_is_no_longer_followed(staging: Path) -> None:
    parts = [directory(b"real"), symlink(b"l", b"real"), file(b"l/one", b"1"), directory(b"l"), file(b"l/two", b"2")]
    layer = Unpacked(staging, archive(*parts))
    assert layer.names() == ["l/", "l/two", "real/", "real/one"]


def test_link_targets_are_kept_to_the_letter(staging: Path) -> None:
    targets = [b"/abs//x", b"../../..", b"a/./b", b"\xff\xfe", b"x" * 4000]
    parts = [pax((b"linkpath", target)) + symlink(b"l%d" % at, b"") for at, target in enumerate(targets)]
    layer = Unpacked(staging, archive(*parts))
    assert [os.readlink(os.fsencode(layer / f"l{at}")) for at in range(len(targets))] == targets


# -- attributes ----------------------------------------------------------------------------------------------


def test_modes_do_not_depend_on_the_umask(staging: Path) -> None:
    umask = os.umask(0o077)
    try:
        layer = Unpacked(staging, archive(file(b"f", mode=0o666), directory(b"d", mode=0o777), file(b"i/f")))
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(umask)
    modes = [stat.S_IMODE(os.stat(layer / name).st_mode) for name in ("f", "d", "i")]
    assert modes == [0o666, 0o777, 0o755]


def test_read_only_and_closed_modes(staging: Path) -> None:
    layer = Unpacked(staging, archive(file(b"f", b"x" * 3000, mode=0o400), file(b"z", mode=0)))
    assert [stat.S_IMODE(os.stat(layer / name).st_mode) for name in ("f", "z")] == [0o400, 0]


def test_set_user_id_bits_survive_and_children_inherit_no_group(staging: Path) -> None:
    parts = [directory(b"d", mode=0o2775), file(b"d/s", b"x", mode=0o6755), directory(b"d/e")]
    layer = Unpacked(staging, archive(*parts))
    modes = [stat.S_IMODE(os.stat(layer / name).st_mode) for name in ("d", "d/s", "d/e")]
    assert modes == [0o2775, 0o6755, 0o755]


def test_a_store_with_group_and_acl_gives_files_neither(tmp_path: Path) -> None:
    os.chmod(tmp_path, 0o2777)
    layer = Unpacked(tmp_path / "staging", archive(file(b"f"), directory(b"d"), file(b"d/f")))
    assert stat.S_IMODE(os.stat(layer / "d").st_mode) == 0o755
    assert {os.stat(layer / name).st_gid for name in ("f", "d", "d/f")} == {os.getegid()}


def test_directory_times_come_last(staging: Path) -> None:
    parts = [
        directory(b"d", mtime=1),
        directory(b"d/e", mtime=2),
        file(b"d/e/f", b"x"),
        file(b"d/g"),
        link(b"d/h", b"d/g"),
    ]
    layer = Unpacked(staging, archive(directory(b".", mtime=3), *parts))
    assert [os.stat(layer / name).st_mtime for name in (".", "d", "d/e")] == [3, 1, 2]


def test_times_of_everything(staging: Path) -> None:
    extended = pax((b"mtime", b"1500000000.123456789"), (b"atime", b"1500000001.5"))
    parts = [extended, file(b"f", b"x"), extended, symlink(b"l", b"f"), extended, directory(b"d"), extended]
    layer = Unpacked(staging, archive(*parts, header(b"p", kind=b"6")))
    assert {os.lstat(layer / name).st_mtime_ns for name in ("l", "p", "d", "f")} == {1_500_000_000_123_456_789}
    # Only of the fifo: the others were read meanwhile. EROFS keeps no times of access.
    assert layer.is_kept or os.lstat(layer / "p").st_atime_ns == 1_500_000_001_500_000_000


def test_extreme_times_are_clamped(staging: Path) -> None:
    parts = [header(b"old", mtime=b"\xff" * 12), header(b"far", mtime=b"\x80" + b"\x7f" * 11)]
    layer = Unpacked(staging, archive(*parts, directory(b"d", mtime=b"\xff" * 12)))
    assert os.stat(layer / "old").st_mtime == 0
    assert os.stat(layer / "d").st_mtime == 0
    assert os.stat(layer / "far").st_mtime > 4_000_000_000


def test_user_xattrs(staging: Path) -> None:
    value = b"a\0b\nc"
    extended = pax((b"SCHILY.xattr.user.test", value), (b"SCHILY.xattr.security.selinux", b"system_u"))
    parts = [extended, file(b"f", b"x"), extended, directory(b"d"), extended, symlink(b"l", b"f"), extended]
    layer = Unpacked(staging, archive(*parts, header(b"p", kind=b"6")))
    assert os.getxattr(layer / "f", "user.test") == value
    assert os.getxattr(layer / "d", "user.test") == value
    assert os.listxattr(layer / "l", follow_symlinks=False) == []


def test_overlay_xattrs_of_a_tar_mean_nothing(staging: Path) -> None:
    names = [b"trusted.overlay.opaque", b"user.overlay.opaque", b"user.overlay.redirect", b"trusted.overlay.metacopy"]
    extended = pax(*((b"SCHILY.xattr." + name, b"y") for name in names))
    layer = Unpacked(staging, archive(extended, directory(b"d"), extended, file(b"f", b"x")))
    for name in ("d", "f"):
        found = set(os.listxattr(layer / name))
        assert not found & set(map(bytes.decode, names))
        mounted = ("trusted." if IS_ROOT else "user.") + "overlay.overlay."
        assert found
        assert all(attribute.startswith(mounted) for attribute in found)


def test_a_huge_xattr_is_refused_or_kept(staging: Path) -> None:
    extended = pax((b"SCHILY.xattr.user.big", b"x" * 70_000))
    with pytest.raises(Exception, match=r"no room|extended attribute|Argument list"):
        Unpacked(staging, archive(extended, file(b"f")))


def test_fifo(staging: Path) -> None:
    layer = Unpacked(staging, archive(header(b"p", kind=b"6", mode=0o622)))
    mode = os.lstat(layer / "p").st_mode
    assert stat.S_ISFIFO(mode)
    assert stat.S_IMODE(mode) == 0o622


def test_character_device_0_0_is_refused(staging: Path) -> None:
    refused(staging, header(b"c", kind=b"3", device=(0, 0)), match="character device 0:0")


def test_devices_are_skipped_when_rootless(staging: Path) -> None:
    parts = [header(b"c", kind=b"3", device=(1, 3)), header(b"b", kind=b"4", device=(8, 0)), file(b"f")]
    assert Unpacked(staging, archive(*parts), rootless=True).names() == ["f"]


# -- files ---------------------------------------------------------------------------------------------------


def test_sparse_files_have_holes_and_their_tar_comes_back(staging: Path) -> None:
    extended = pax(
        (b"GNU.sparse.major", b"1"),
        (b"GNU.sparse.minor", b"0"),
        (b"GNU.sparse.name", b"s"),
        (b"GNU.sparse.realsize", b"100000000"),
    )
    stored = padded(b"2\n0\n3\n90000000\n2\n") + b"abcde"
    old = pax((b"GNU.sparse.size", b"5000"), (b"GNU.sparse.map", b"4998,1"))
    empty = pax((b"GNU.sparse.size", b"700"), (b"GNU.sparse.map", b""))
    parts = [extended, file(b"GNUSparseFile.1/s", stored), old, file(b"t", b"z"), empty, file(b"u")]
    layer = Unpacked(staging, archive(*parts[:4]))
    status = os.stat(layer / "s")
    assert status.st_size == 100_000_000
    assert status.st_blocks * 512 < 1_000_000
    with open(layer / "s", "rb") as opened:
        assert opened.read(4) == b"abc\0"
        opened.seek(90_000_000)
        assert opened.read(3) == b"de\0"
    assert (layer / "t").read_bytes() == bytes(4998) + b"z\0"


def test_sparse_duplicates_come_back(staging: Path) -> None:
    old = pax((b"GNU.sparse.size", b"5000"), (b"GNU.sparse.map", b"0,1,4998,1"))
    layer = Unpacked(staging, archive(old, file(b"t", b"yz"), old, file(b"t", b"ab")))
    assert (layer / "t").read_bytes() == b"a" + bytes(4997) + b"b\0"


def test_long_and_deep_names(staging: Path) -> None:
    deep = b"/".join([b"d" * 200] * 20)
    many = b"d/" * 2000 + b"end"
    parts = [gnu_long(deep), file(b"x", b"deep"), pax((b"path", many)), file(b"x", b"many")]
    layer = Unpacked(staging, archive(*parts))
    assert len(layer.result.implied) == 19 + 2000


def test_a_component_that_is_too_long_is_refused(staging: Path) -> None:
    refused(staging, pax((b"path", b"d/" + b"x" * 256)), file(b"f"), match="too long")


def test_links_cannot_make_a_path_longer_than_the_kernel_allows(staging: Path) -> None:
    deep = b"d/" * 2000
    parts = [pax((b"path", deep)), directory(b"x"), pax((b"linkpath", deep + b".")), symlink(b"l", b"")]
    refused(staging, *parts, pax((b"path", b"l/" + deep + b"f")), file(b"x"), match="too long")


def test_padding_that_is_not_zero_comes_back(staging: Path) -> None:
    data = header(b"a", size=3) + b"abc" + b"\xff" * 509 + file(b"b", b"x") + bytes(1024) + b"trailing" * 1000
    Unpacked(staging, data)


def test_an_empty_tar_is_an_empty_layer(staging: Path) -> None:
    assert Unpacked(staging, b"").names() == []
    assert Unpacked(staging.with_name("other"), bytes(1024)).names() == []
