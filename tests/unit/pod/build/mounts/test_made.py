"""What a runtime makes to mount something on, and taking it away."""

from __future__ import annotations

import os
from pathlib import Path

from pod.build.mounts import made

DIRECTORY = os.O_PATH | os.O_DIRECTORY


def test_what_is_missing_and_what_is_removed(tmp_path: Path) -> None:
    (tmp_path / "there" / "inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to("/there")
    (tmp_path / "file").write_text("")
    root = os.open(tmp_path, DIRECTORY)
    try:
        targets = ["/there/inner", "/file", "/link/a/b", "//new/./x", "/new/y", "/file/z", "/"]
        paths = made.missing(root, targets)
        assert paths == ["link/a", "link/a/b", "new", "new/x", "new/y"]
        for path in ("there/a/b", "new/x"):
            (tmp_path / path).mkdir(parents=True)
        (tmp_path / "new" / "y").write_text("")
        (tmp_path / "new" / "own").write_text("")
        made.remove(root, paths)
    finally:
        os.close(root)
    assert sorted(os.listdir(tmp_path)) == ["file", "link", "new", "there"]
    assert (os.listdir(tmp_path / "there"), os.listdir(tmp_path / "new")) == (["inner"], ["own"])


def test_what_is_not_empty_or_a_link_stays(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    (tmp_path / "link").symlink_to("elsewhere")
    root = os.open(tmp_path, DIRECTORY)
    try:
        made.remove(root, ["file", "link", "link/x", "none", "none/x"])
    finally:
        os.close(root)
    assert sorted(os.listdir(tmp_path)) == ["file", "link"]


def test_notes(tmp_path: Path) -> None:
    directory, rootfs = str(tmp_path), str(tmp_path / "rootfs")
    os.mkdir(rootfs)
    assert made.noted(directory) == []
    made.note(directory, rootfs, ["/"])
    assert made.noted(directory) == []
    made.note(directory, rootfs, ["/a/\udcff b"])
    assert made.noted(directory) == ["a", "a/\udcff b"]
