from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime import inroot


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "root").mkdir()
    (tmp_path / "outside").mkdir()
    fd = os.open(tmp_path / "root", os.O_PATH | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def link(root: int, name: str, target: str) -> None:
    os.symlink(target, name, dir_fd=root)


def made(root: int, path: str, *, directory: bool = True) -> str:
    fd = inroot.make(root, path, directory=directory)
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)


def test_makes_directories_and_files(root: int, tmp_path: Path) -> None:
    assert made(root, "/a/b/c") == str(tmp_path / "root/a/b/c")
    assert made(root, "/a/x/file", directory=False) == str(tmp_path / "root/a/x/file")
    assert stat.S_ISREG(os.stat(tmp_path / "root/a/x/file").st_mode)


@pytest.mark.parametrize("target", ["../outside", "../../../../outside", "/outside", "{outside}"])
def test_links_end_inside_of_the_root(root: int, tmp_path: Path, target: str) -> None:
    link(root, "way", target.format(outside=tmp_path / "outside"))
    made(root, "/way/new/deep")
    assert os.listdir(tmp_path / "outside") == []
    assert made(root, "/way/new/deep").startswith(str(tmp_path / "root"))


def test_a_link_that_leads_nowhere_is_followed_inside(root: int, tmp_path: Path) -> None:
    link(root, "etc", "/real/etc")
    assert made(root, "/etc/hosts", directory=False) == str(tmp_path / "root/real/etc/hosts")


def test_parents_stop_at_the_root(root: int, tmp_path: Path) -> None:
    assert made(root, "/../../x/../y") == str(tmp_path / "root/y")


def test_endless_links_are_refused(root: int) -> None:
    link(root, "a", "b/x")
    link(root, "b", "a/x")
    with pytest.raises(OSError, match="symbolic links"):
        inroot.make(root, "/a/c", directory=True)


def test_a_file_in_the_way_is_an_error(root: int) -> None:
    made(root, "/file", directory=False)
    with pytest.raises(OSError):
        inroot.make(root, "/file/below", directory=True)


def test_small_files_only(root: int, tmp_path: Path) -> None:
    (tmp_path / "root/text").write_text("x" * 100)
    os.mkfifo(tmp_path / "root/fifo")
    link(root, "zero", "/dev/zero")
    assert inroot.read_small_file(root, "text", 10) == b"x" * 10
    for name in ("fifo", "zero", "missing", "."):
        assert inroot.read_small_file(root, name) == b""


@pytest.mark.parametrize("directory", [True, False])
def test_the_last_component_is_taken_for_what_it_is(root: int, tmp_path: Path, directory: bool) -> None:
    link(root, "way", str(tmp_path / "outside"))
    link(root, "inner", "/sub")
    for path, expected in (("/way", "root/way"), ("/inner/new", "root/sub/new"), ("/a/..", "root/a"), ("/..", "root")):
        fd = inroot.make_unfollowed(root, path, directory=directory)
        try:
            assert os.readlink(f"/proc/self/fd/{fd}") == str(tmp_path / expected)
        finally:
            os.close(fd)
    assert stat.S_ISDIR(os.stat(tmp_path / "root/sub/new").st_mode) == directory
    assert os.listdir(tmp_path / "outside") == []
