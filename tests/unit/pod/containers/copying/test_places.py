"""The parts of `cp`: what its words mean, where a path leads, and copying a tree; of the user's own files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pod.containers.copying import cp
from pod.containers.copying import places as copy_places
from pod.containers.copying.tree import Copier, Policy
from pod.errors import PodError


@pytest.mark.parametrize(
    ("text", "container", "path"),
    [
        ("c:/a", "c", "/a"),
        ("c:a:b", "c", "/a:b"),
        ("./a:b", "", "./a:b"),
        ("/a:b", "", "/a:b"),
        ("../c:b", "", "../c:b"),
        ("plain", "", "plain"),
        ("-", "", "-"),
        ("c:-", "c", "/-"),
    ],
)
def test_words(text: str, container: str, path: str) -> None:
    assert cp.parse(text) == cp.End(container, path)


@pytest.mark.parametrize("words", [("a", "b"), ("", "c:/a"), ("c:/a", ""), ("c:", "a"), ("a", "c:")])
def test_words_that_make_no_copy(words: tuple[str, str]) -> None:
    with pytest.raises(PodError, match="invalid arguments"):
        cp.parse_both(*words)


@pytest.fixture
def root(tmp_path: Path) -> int:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/file").write_text("x")
    for name, target in (("abs", "/etc/file"), ("up", "../../../etc"), ("lost", "/etc/none"), ("loop", "loop")):
        (tmp_path / name).symlink_to(target)
    return os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)


@pytest.mark.parametrize(
    ("path", "base", "exists"),
    [
        ("/etc/file", "file", True),
        ("etc/", "etc", True),
        ("/etc/.", "etc", True),
        ("/abs", "file", True),
        ("/up", "etc", True),
        ("/up/file", "file", True),
        ("/../../etc/../abs", "file", True),
        ("/lost", "none", False),
        ("/new", "new", False),
        ("/etc/..", "", True),
    ],
)
def test_where_a_path_leads_inside(root: int, path: str, base: str, exists: bool) -> None:
    place = copy_places.find(path, root)
    assert place.exists == exists
    if base:
        assert place.base == base
    place.close()


@pytest.mark.parametrize("path", ["/etc/file/", "/none/x", "/loop", "/etc/file/x"])
def test_where_a_path_does_not_lead(root: int, path: str) -> None:
    with pytest.raises(OSError, match=r"."):
        copy_places.find(path, root)


def test_a_tree(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "deep" / "er").mkdir(parents=True)
    target.mkdir()
    (source / "one").write_text("same")
    os.link(source / "one", source / "deep" / "two")
    (source / "deep" / "link").symlink_to("/nowhere")
    os.utime(source / "deep", ns=(5, 7))
    os.chmod(source / "deep", 0o750)
    policy = Policy(lambda uid, gid: (os.getuid(), os.getgid()))
    for _ in range(2):  # and over itself
        directory, tree = (os.open(path, os.O_PATH | os.O_DIRECTORY) for path in (target, source))
        Copier(policy, directory).copy(tree, "copy")
        os.close(directory)
        os.close(tree)
    copy = target / "copy"
    assert sorted(os.listdir(copy)) == ["deep", "one"]
    assert sorted(os.listdir(copy / "deep")) == ["er", "link", "two"]
    assert os.stat(copy / "one").st_ino == os.stat(copy / "deep" / "two").st_ino
    assert os.stat(copy / "deep").st_mode & 0o777 == 0o750
    assert os.readlink(copy / "deep" / "link") == "/nowhere"
