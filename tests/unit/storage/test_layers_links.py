"""Hard links, and entries that replace others."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from storage.errors import CorruptError
from tests.fixtures.tars import archive, directory, file, header, link, symlink
from tests.fixtures.unpacked import Unpacked


def refused(staging: Path, *parts: bytes, match: str) -> None:
    with pytest.raises(CorruptError, match=match):
        Unpacked(staging, archive(*parts))


# -- hard links ----------------------------------------------------------------------------------------------


def test_hard_links_share_and_carry_no_metadata(staging: Path) -> None:
    parts = [file(b"d/a", b"data", mode=0o600), header(b"b", kind=b"1", link=b"./d/a", mode=0o777, mtime=5)]
    layer = Unpacked(staging, archive(*parts))
    status = os.stat(layer / "b")
    assert status.st_ino == os.stat(layer / "d/a").st_ino
    assert (stat.S_IMODE(status.st_mode), status.st_mtime) == (0o600, 1_600_000_000)


def test_hard_links_before_their_targets(staging: Path) -> None:
    parts = [link(b"d/c", b"b"), link(b"b", b"a"), link(b"gone", b"a"), file(b"a", b"data"), file(b"gone", b"other")]
    layer = Unpacked(staging, archive(*parts))
    assert (layer / "d/c").read_bytes() == b"data"
    assert os.stat(layer / "d/c").st_ino == os.stat(layer / "a").st_ino
    assert (layer / "gone").read_bytes() == b"other"


def test_hard_link_replaces_what_is_there(staging: Path) -> None:
    parts = [
        file(b"a", b"1"),
        file(b"b", b"22"),
        link(b"b", b"a"),
        directory(b"d"),
        file(b"d/x", b"3"),
        link(b"d", b"a"),
    ]
    layer = Unpacked(staging, archive(*parts))
    assert layer.names() == ["a", "b", "d"]
    assert os.stat(layer / "a").st_nlink == 3


def test_hard_link_to_itself_changes_nothing(staging: Path) -> None:
    parts = [directory(b"d"), symlink(b"s", b"d"), file(b"d/a", b"1"), link(b"d/a", b"d/a"), link(b"s/a", b"d/a")]
    layer = Unpacked(staging, archive(*parts))
    assert (layer / "d/a").read_bytes() == b"1"


def test_hard_link_to_a_symbolic_link(staging: Path) -> None:
    layer = Unpacked(staging, archive(symlink(b"s", b"/etc/passwd"), link(b"h", b"s")))
    assert os.readlink(layer / "h") == "/etc/passwd"
    assert os.lstat(layer / "h").st_ino == os.lstat(layer / "s").st_ino


def test_hard_link_through_a_link_stays_inside(staging: Path) -> None:
    refused(staging, symlink(b"s", b"/etc"), link(b"h", b"s/passwd"), match="hard link `h` to missing")


def test_hard_link_to_a_directory_is_refused(staging: Path) -> None:
    refused(staging, directory(b"d"), link(b"h", b"d"), match="cannot link")


@pytest.mark.parametrize("target", [b"nowhere", b".", b"white", b"nowhere/x", b"f/x"])
def test_hard_link_to_nothing_is_refused(staging: Path, target: bytes) -> None:
    refused(staging, file(b"f"), file(b".wh.white"), link(b"h", target), match="hard link `h` to missing")


def test_hard_link_into_a_lower_layer_copies_the_file(staging: Path) -> None:
    lower = Unpacked(staging.with_name("lower"), archive(file(b"d/a", b"data", mode=0o640), symlink(b"s", b"t")))
    parts = archive(link(b"b", b"d/a"), link(b"c", b"b"), link(b"t", b"s"))
    layer = Unpacked(staging, parts, lowers=(str(lower.diff),))
    assert (layer / "b").read_bytes() == b"data"
    assert stat.S_IMODE(os.stat(layer / "b").st_mode) == 0o640
    assert os.stat(layer / "b").st_ino == os.stat(layer / "c").st_ino
    assert os.readlink(layer / "t") == "t"


def test_hard_link_into_a_hidden_lower_layer_is_refused(staging: Path) -> None:
    low = Unpacked(staging.with_name("low"), archive(file(b"d/a", b"data"), file(b"e/a", b"data")))
    high = Unpacked(staging.with_name("high"), archive(file(b"d/.wh..wh..opq"), file(b".wh.e"), directory(b"x")))
    for target in (b"d/a", b"e/a"):
        with pytest.raises(CorruptError, match="missing"):
            Unpacked(
                staging.with_name(f"s{target[:1]!r}"),
                archive(link(b"b", target)),
                lowers=(str(high.diff), str(low.diff)),
            )


def test_hard_links_can_be_left_for_later(staging: Path) -> None:
    layer = Unpacked(staging, archive(link(b"b", b"d/a")), defer_links=True)
    assert layer.result.pending_links == (("b", "d/a"),)


# -- replacement ---------------------------------------------------------------------------------------------

REPLACEABLE = {
    "file": file(b"x", b"first content"),
    "empty": file(b"x"),
    "directory": directory(b"x") + file(b"x/below", b"below") + directory(b"x/deep") + file(b"x/deep/er", b"deeper"),
    "link": symlink(b"x", b"target"),
    "hard link": file(b"source", b"source") + link(b"x", b"source"),
    "fifo": header(b"x", kind=b"6"),
    "whiteout": file(b".wh.x"),
}


@pytest.mark.parametrize("first", REPLACEABLE)
@pytest.mark.parametrize("second", ["file", "empty", "directory", "link", "hard link", "fifo"])
def test_the_last_entry_wins(staging: Path, first: str, second: str) -> None:
    layer = Unpacked(staging, archive(REPLACEABLE[first], REPLACEABLE[second]))
    mode = os.lstat(layer / "x").st_mode
    assert stat.S_IFMT(mode) == {"directory": stat.S_IFDIR, "link": stat.S_IFLNK, "fifo": stat.S_IFIFO}.get(
        second, stat.S_IFREG
    )
    if second == "file":
        assert (layer / "x").read_bytes() == b"first content"
    if second == "hard link":
        assert (layer / "x").read_bytes() == b"source"


def test_directories_merge_and_take_the_last_attributes(staging: Path) -> None:
    parts = [directory(b"d", mode=0o700, mtime=1), file(b"d/a"), directory(b"d", mode=0o1777, mtime=2), file(b"d/b")]
    layer = Unpacked(staging, archive(*parts))
    assert layer.names() == ["d/", "d/a", "d/b"]
    status = os.stat(layer / "d")
    assert (stat.S_IMODE(status.st_mode), status.st_mtime) == (0o1777, 2)


def test_a_replaced_directory_leaves_nothing_behind(staging: Path) -> None:
    first = [
        directory(b"d/e", mode=0o700, mtime=1),
        file(b"d/e/.wh..wh..opq"),
        file(b"d/e/.wh.w"),
        file(b"d/e/f", b"1"),
    ]
    parts = [*first, file(b"d", b"now a file"), directory(b"d"), file(b"d/e/g", b"2")]
    layer = Unpacked(staging, archive(*parts))
    assert layer.names() == ["d/", "d/e/", "d/e/g"]
    assert layer.result.implied == ("d/e",)
    assert not layer.is_opaque("d/e")
    assert stat.S_IMODE(os.stat(layer / "d/e").st_mode) == 0o755


def test_a_file_in_place_of_a_parent_makes_way(staging: Path) -> None:
    layer = Unpacked(staging, archive(file(b"a", b"file"), file(b"a/b", b"below")))
    assert layer.names() == ["a/", "a/b"]


def test_many_duplicates_are_all_kept_for_the_tar(staging: Path) -> None:
    parts = [file(b"d/f", b"version %d" % version) for version in range(50)]
    layer = Unpacked(staging, archive(*parts))
    assert (layer / "d/f").read_bytes() == b"version 49"
