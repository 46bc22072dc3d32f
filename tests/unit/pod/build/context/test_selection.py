"""Which files sources stand for: wildcards, ignore rules, --exclude, --parents, links, and what never leaves."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pod.build.context.ignore import IgnoreRules
from pod.build.context.selection import Selection, Wanted, select
from pod.errors import PodError

Select = Callable[..., dict[str, str]]


@pytest.fixture
def context(tmp_path: Path) -> Path:
    top = tmp_path / "context"
    for path in ("a.txt", "b.txt", "c.md", "d/f", "d/g.txt", "d/sub/h", "e/sub/h", "x/y/z", "[odd"):
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_text(path)
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/file").write_text("secret")
    return top


@pytest.fixture
def root(context: Path) -> Iterator[int]:
    descriptor = os.open(context, os.O_RDONLY | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


def chosen(root: int, *sources: str, rules: str = "", **more: object) -> list[str]:
    """Return what is selected, as the paths that it has in a directory; of a directory with a slash."""
    wanted = Wanted(rules=IgnoreRules.parse(rules.encode()), shown="/ctx", **more)  # type: ignore[arg-type]
    return names(select(root, sources, wanted))


def names(selection: Selection) -> list[str]:
    found = []
    for tree in selection.trees:
        found += [f"{entry.path}/" for entry in tree.above]
        under = f"{tree.under}/" if tree.under else ""
        for entry in tree.entries:
            slash = "/" if entry.status.st_mode & 0o170000 == 0o040000 else ""
            found.append(under + (tree.name or entry.path) + slash)
    return found


def test_stars_follow_no_link(root: int, context: Path) -> None:
    (context / "d/loop").symlink_to("..")
    (context / "d/out").symlink_to("../../secret")
    assert chosen(root, "**/g.txt") == ["g.txt"]
    with pytest.raises(PodError, match="no such file"):
        chosen(root, "d/**/file")


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (["a.txt"], ["a.txt"]),
        (["/a.txt"], ["a.txt"]),
        (["**/*.txt"], ["a.txt", "b.txt", "g.txt"]),
        (["**/sub/**/h"], ["h", "h"]),
        (["x/**"], ["y/", "y/z", "z", "z"]),
        (["./d/../a.txt"], ["a.txt"]),
        (["../../a.txt"], ["a.txt"]),
        (["*.txt"], ["a.txt", "b.txt"]),
        (["?.md", "[a-b].txt"], ["c.md", "a.txt", "b.txt"]),
        (["d"], ["f", "g.txt", "sub/", "sub/h"]),
        (["d/"], ["f", "g.txt", "sub/", "sub/h"]),
        (["d/sub"], ["h"]),
        (["*/sub"], ["h", "h"]),
        (["*/sub/h"], ["h", "h"]),
        (["x*"], ["y/", "y/z"]),
        (["\\[odd"], ["[odd"]),
    ],
)
def test_sources(root: int, sources: list[str], expected: list[str]) -> None:
    assert chosen(root, *sources) == expected


def test_all(root: int) -> None:
    found = chosen(root, ".")
    assert len(found) == len(set(found)) == 15
    inner = [name for name in found if "/" in name.rstrip("/")]
    assert all(f"{name.rstrip('/').rpartition('/')[0]}/" in found[: found.index(name)] for name in inner)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nope", 'checking on sources under "/ctx": copier: stat: "/nope": no such file or directory'),
        ("nop*", r'checking on sources under "/ctx": copier: stat: \["/nop\*"\]: no such file or directory'),
        ("a.txt/x", 'copier: stat: "/a.txt/x": not a directory'),
        ("../outside", 'copier: stat: "/outside": no such file or directory'),
        ("[", "syntax error in pattern"),
    ],
)
def test_no_such_source(root: int, source: str, message: str) -> None:
    with pytest.raises(PodError, match=message):
        chosen(root, source)


@pytest.mark.parametrize(
    ("rules", "source", "expected"),
    [
        ("d", ".", ["[odd", "a.txt", "b.txt", "c.md", "e/", "x/", "e/sub/", "e/sub/h", "x/y/", "x/y/z"]),
        ("*\n!d/sub", ".", ["d/", "d/sub/", "d/sub/h"]),
        ("*\n!*/y/z", ".", ["x/", "x/y/", "x/y/z"]),
        ("**/*.txt\n!b.txt", "*.txt", ["b.txt"]),
        ("d/sub", "d", ["f", "g.txt"]),
        ("d\n!d/f", "d", ["f"]),
        ("**/h", "e", ["sub/"]),
    ],
)
def test_rules(root: int, rules: str, source: str, expected: list[str]) -> None:
    assert chosen(root, source, rules=rules) == expected


def test_all_that_matches_is_ignored(root: int) -> None:
    message = (
        'no items matching glob "/ctx/[*].txt" copied [(]2 filtered out using /ctx/.dockerignore[)]: '
        "no such file or directory"
    )
    with pytest.raises(PodError, match=message):
        chosen(root, "*.txt", rules="*.txt", ignored_by="/ctx/.dockerignore")


def test_exclude(root: int) -> None:
    assert chosen(root, "d", excludes=("*.txt",)) == ["f", "sub/", "sub/h"]
    assert chosen(root, "d", excludes=("*", "!sub/h")) == ["sub/", "sub/h"]
    assert chosen(root, "*.*", excludes=("*.txt",)) == ["c.md"]


def test_parents(root: int) -> None:
    assert chosen(root, "x/y/z", parents=True) == ["x/", "x/y/", "x/y/z"]
    assert chosen(root, "./x/./y/z", parents=True) == ["y/", "y/z"]
    assert chosen(root, "*/./sub", parents=True) == ["sub/", "sub/h", "sub/", "sub/h"]
    assert chosen(root, "a.txt", parents=True) == ["a.txt"]
    assert chosen(root, "d/", parents=True, excludes=("d/*.txt",)) == ["d/", "d/f", "d/sub/", "d/sub/h"]
    assert len(chosen(root, ".", parents=True)) == 15


def test_links(context: Path, root: int) -> None:
    (context / "to-file").symlink_to("d/f")
    (context / "to-directory").symlink_to("/d/sub")
    (context / "d/up").symlink_to("../x")
    assert chosen(root, "to-file") == ["to-file"]
    assert chosen(root, "to-directory") == ["h"]
    assert chosen(root, "d/up/y") == ["z"]
    selection = select(root, ["d"], Wanted())
    assert [entry.link for entry in selection.trees[0].entries if entry.link] == ["../x"]


@pytest.mark.parametrize(
    "target", ["../secret/file", "../../../../../etc/passwd", "/etc/passwd", "loop", "/proc/1/root"]
)
def test_no_link_leads_out(context: Path, root: int, target: str) -> None:
    """CVE-2024-9675, CVE-2022-4122: a source that is a link ends inside of the context."""
    (context / "loop").symlink_to(target)
    (context / "above").symlink_to("..")
    for source in ("loop", "above/secret/file", "above/secret", "lo*"):
        with pytest.raises(PodError, match=r"no such file or directory|too many levels of symbolic links"):
            chosen(root, source)


def test_no_link_leads_to_what_is_ignored(context: Path, root: int) -> None:
    (context / "way").symlink_to("d/f")
    with pytest.raises(PodError, match="1 filtered out"):
        chosen(root, "way", rules="d")


def test_sockets_are_left_out_and_fifos_are_not_read(context: Path, root: int) -> None:
    import socket

    os.mkfifo(context / "e/fifo")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(f"/proc/self/fd/{root}/e/socket")
        assert chosen(root, "e") == ["fifo", "sub/", "sub/h"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads all")
def test_a_directory_that_cannot_be_read(context: Path, root: int) -> None:
    (context / "d/sub").chmod(0)
    try:
        with pytest.raises(PodError, match='reading "/ctx/d/sub": permission denied'):
            chosen(root, "d")
    finally:
        (context / "d/sub").chmod(0o755)


def test_a_directory_that_becomes_a_link_while_it_is_walked(context: Path, root: int, tmp_path: Path) -> None:
    (context / "swap/inner").mkdir(parents=True)
    (context / "swap/inner/mine").write_text("")
    (context / "way-out").symlink_to(tmp_path / "secret")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            os.rename(context / "swap/inner", context / "aside")
            os.rename(context / "way-out", context / "swap/inner")
            os.rename(context / "swap/inner", context / "way-out")
            os.rename(context / "aside", context / "swap/inner")

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for _ in range(500):
            try:
                assert "inner/file" not in chosen(root, "swap")
                assert "file" not in chosen(root, "swap/inner")
            except (PodError, OSError):
                continue
    finally:
        stop.set()
        thread.join()
