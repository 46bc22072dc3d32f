"""What a runtime makes to mount something on, and taking it away."""

from __future__ import annotations

import os
from pathlib import Path

from pod.build.mounts import made
from runtime import inroot

DIRECTORY = os.O_PATH | os.O_DIRECTORY


def test_what_is_missing_and_what_is_removed(tmp_path: Path) -> None:
    (tmp_path / "there" / "inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to("/there")
    (tmp_path / "file").write_text("")
    root = os.open(tmp_path, DIRECTORY)
    try:
        targets = ["/there/inner", "/file", "/link/a/b", "//new/./x", "/new/y", "/file/z", "/"]
        paths = made.missing(root, targets)
        assert paths == ["there/a", "there/a/b", "new", "new/x", "new/y"]
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


def test_places_are_those_that_links_lead_to(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    for name, target in {
        "dangling": "/nowhere/below",
        "inner/beside": "../other",
        "chain": "inner/beside",
        "over": "none/../inner/x",
        "loop": "loop",
    }.items():
        (tmp_path / name).symlink_to(target)
    root = os.open(tmp_path, DIRECTORY)
    try:
        assert made.missing(root, ["/dangling/x"]) == ["nowhere", "nowhere/below", "nowhere/below/x"]
        assert made.missing(root, ["/chain/x", "/inner/beside"]) == ["other", "other/x"]
        assert made.missing(root, ["/over"]) == ["none", "inner/x"]
        assert made.missing(root, ["/loop/x", "/inner/../../inner", "/inner/.."]) == []
        for target in ("/dangling/x", "/chain/x", "/over"):
            os.close(inroot.make(root, target, directory=True))
        made.remove(root, ["nowhere", "nowhere/below", "nowhere/below/x", "other", "other/x", "none", "inner/x"])
    finally:
        os.close(root)
    assert sorted(os.listdir(tmp_path)) == ["chain", "dangling", "inner", "loop", "over"]
    assert os.listdir(tmp_path / "inner") == ["beside"]


def test_what_has_taken_a_links_place_stays(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    root = os.open(tmp_path, DIRECTORY)
    try:
        paths = made.missing(root, ["/link/deep/s"])
        (tmp_path / "real" / "deep" / "s").mkdir(parents=True)
        (tmp_path / "link").unlink()
        (tmp_path / "link" / "deep" / "s").mkdir(parents=True)
        (tmp_path / "else").mkdir()
        (tmp_path / "lead").symlink_to("else")
        (tmp_path / "else" / "x").mkdir()
        made.remove(root, [*paths, "lead/x"])
    finally:
        os.close(root)
    assert os.listdir(tmp_path / "real") == []
    assert os.listdir(tmp_path / "link" / "deep") == ["s"]
    assert os.listdir(tmp_path / "else") == ["x"]


def test_a_directory_that_a_program_has_changed_stays(tmp_path: Path) -> None:
    for name in ("plain", "mode", "owner"):
        (tmp_path / name).mkdir()
    (tmp_path / "mode").chmod(0o700)
    root = os.open(tmp_path, DIRECTORY)
    try:
        if os.geteuid() == 0:
            os.chown(tmp_path / "owner", 5, 5)
            made.remove(root, ["owner"])
        made.remove(root, ["plain", "mode"])
    finally:
        os.close(root)
    assert sorted(os.listdir(tmp_path)) == ["mode", "owner"]


def test_notes(tmp_path: Path) -> None:
    directory, rootfs = str(tmp_path), str(tmp_path / "rootfs")
    os.mkdir(rootfs)
    assert made.noted(directory) == []
    made.note(directory, rootfs, ["/"])
    assert made.noted(directory) == []
    made.note(directory, rootfs, ["/a/\udcff b"])
    assert made.noted(directory) == ["a", "a/\udcff b"]
