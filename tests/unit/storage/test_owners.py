"""Owners of trees that are changed in place."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from storage import owners

OWN = (os.geteuid(), os.getegid())
# POSIX ACLs as the kernel has them: version 2, then tag, rights and ID of each entry.
NONE = 0xFFFFFFFF


def access(uid: int, gid: int) -> bytes:
    entries = ((1, 6, NONE), (2, 4, uid), (4, 4, NONE), (8, 4, gid), (16, 4, NONE), (32, 0, NONE))
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def test_access_lists_tell_of_the_same_users(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    try:
        os.setxattr(path, "system.posix_acl_access", access(700, 800))
    except OSError:
        pytest.skip("the file system has no access lists")
    owners.move(str(tmp_path), [(700, 5, 1)], [(700, 6, 101)])
    assert os.getxattr(path, "system.posix_acl_access") == access(5, 106)


@pytest.mark.skipif(OWN[0] != 0, reason="gives files away")
def test_each_file_is_moved_once(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    (tmp_path / "link").symlink_to("/nowhere")
    (tmp_path / "a").chmod(0o6755)
    owners.move(str(tmp_path), [(0, 1, 10)], [(0, 2, 10)])
    found = [os.lstat(path) for path in (tmp_path, tmp_path / "a", tmp_path / "b", tmp_path / "link")]
    assert [(status.st_uid, status.st_gid) for status in found] == [(1, 2)] * 4
    assert found[1].st_mode & 0o7777 == 0o6755


@pytest.mark.skipif(OWN[0] != 0, reason="gives files away")
def test_deep_trees_and_links_to_elsewhere(tmp_path: Path) -> None:
    outside, tree = tmp_path / "outside", tmp_path / "tree"
    outside.mkdir()
    tree.mkdir()
    (tree / "link").symlink_to(outside)
    descriptor = os.open(tree, os.O_RDONLY)
    for _ in range(150):
        os.mkdir("d", dir_fd=descriptor)
        below = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    owners.move(str(tree), [(0, 7, 1)], [])
    assert os.fstat(descriptor).st_uid == 7
    assert outside.stat().st_uid == 0
    os.close(descriptor)


@pytest.mark.skipif(OWN[0] != 0, reason="gives programs capabilities")
@pytest.mark.parametrize(("root", "left"), [(700, None), (701, 1)])
def test_capabilities_count_where_they_did(tmp_path: Path, root: int, left: int | None) -> None:
    path = tmp_path / "program"
    path.touch()
    os.chown(path, 705, 705)
    rights = struct.pack("<4I", 0x400, 0, 0, 0)
    os.setxattr(path, "security.capability", struct.pack("<I", 0x03000001) + rights + struct.pack("<I", root))
    owners.move(str(tmp_path), [(700, 0, 10)], [(700, 0, 10)])
    assert path.stat().st_uid == 5
    expected = struct.pack("<I", 0x02000001) + rights
    if left is not None:
        expected = struct.pack("<I", 0x03000001) + rights + struct.pack("<I", left)
    assert os.getxattr(path, "security.capability") == expected
