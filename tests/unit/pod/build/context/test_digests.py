"""What a digest tells apart, what it does not, and when it is trusted without reading again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pod.build.context import known, selection
from pod.build.context.digests import digest
from pod.build.context.known import KnownDigests
from pod.errors import PodError


@pytest.fixture
def context(tmp_path: Path) -> Path:
    top = tmp_path / "context"
    (top / "d/sub").mkdir(parents=True)
    (top / "a").write_text("content")
    (top / "d/f").write_text("other")
    (top / "d/link").symlink_to("f")
    return top


@pytest.fixture
def root(context: Path) -> Iterator[int]:
    descriptor = os.open(context, os.O_RDONLY | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


def of(root: int, *sources: str, digests: KnownDigests | None = None, image: bool = False) -> str:
    chosen = selection.select(root, sources or ["."], selection.Wanted(from_image=image))
    return digest(chosen, digests or KnownDigests())


def _link(top: Path) -> None:
    (top / "d/link").unlink()
    (top / "d/link").symlink_to("g")


def _file_for_directory(top: Path) -> None:
    (top / "d/sub").rmdir()
    (top / "d/sub").write_text("")


CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda top: (top / "d/f").write_text("OTHER"),
    "name": lambda top: (top / "d/f").rename(top / "d/g"),
    "place": lambda top: (top / "d/f").rename(top / "f"),
    "more": lambda top: (top / "d/new").write_text(""),
    "mode": lambda top: (top / "d/f").chmod(0o755),
    "mode of a directory": lambda top: (top / "d/sub").chmod(0o700),
    "a link's target": _link,
    "an empty directory": lambda top: (top / "d/sub").rmdir(),
    "kind": _file_for_directory,
    "attribute": lambda top: os.setxattr(top / "d/f", "user.some", b"1"),
    "attribute of a directory": lambda top: os.setxattr(top / "d/sub", "user.some", b"1"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_told_apart(context: Path, root: int, change: str, tmp_path: Path) -> None:
    digests = KnownDigests(str(tmp_path / "known"))
    before = of(root, digests=digests)
    CHANGES[change](context)
    assert of(root, digests=digests) != before
    assert of(root, digests=digests) == of(root)


def test_what_is_not(context: Path, root: int) -> None:
    before = of(root)
    os.utime(context / "d/f", (1, 1))
    os.utime(context / "d", (1, 1))
    (context / "d/f").chmod((context / "d/f").stat().st_mode | 0o4000)
    assert of(root) == before
    assert of(root, image=True) != of(root)


def test_links_to_one_file_are_told_from_two_files(context: Path, root: int) -> None:
    os.link(context / "a", context / "b")
    before = of(root)
    (context / "b").unlink()
    (context / "b").write_text("content")
    assert of(root) != before


def test_the_order_and_names_of_sources_count(root: int) -> None:
    assert len({of(root, "a", "d/f"), of(root, "d/f", "a"), of(root, "a"), of(root, "d")}) == 4


def test_a_file_that_has_gone(context: Path, root: int) -> None:
    chosen = selection.select(root, ["."], selection.Wanted(shown="/ctx"))
    (context / "d/f").unlink()
    with pytest.raises(PodError, match='reading "/ctx/d/f": no such file or directory'):
        digest(chosen, KnownDigests())


def test_here_documents() -> None:
    one, two = (digest(selection.inline([("name", text)]), KnownDigests()) for text in (b"1", b"2"))
    assert one != two != digest(selection.inline([("other", b"2")]), KnownDigests())


def _settle(context: Path) -> None:
    for path in context.rglob("*"):
        if not path.is_symlink():
            os.utime(path, (1_000_000_000.5, 1_000_000_000.5))
    time.sleep(0.05)


def test_what_is_known_is_not_read_again(context: Path, root: int, tmp_path: Path) -> None:
    _settle(context)
    file = str(tmp_path / "known")
    first = KnownDigests(file)
    expected = of(root, digests=first)
    first.save()
    second = KnownDigests(file)
    status = os.stat(context / "d/f")
    assert second.find(status) is not None
    # A lie in the file shows that the content was not read.
    (tmp_path / "known").write_bytes(_with_another_digest(file, known.key(status)))
    assert of(root, digests=KnownDigests(file)) != expected


def _with_another_digest(file: str, key: bytes) -> bytes:
    import zlib

    data = Path(file).read_bytes()
    at = data.index(key) + len(key)
    content = (data[:at] + bytes(32) + data[at + 32 :])[20:]
    return data[:16] + zlib.crc32(content).to_bytes(4, "little") + content


def test_what_has_just_changed_is_not_trusted(
    context: Path, root: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _settle(context)
    digests = KnownDigests(str(tmp_path / "known"))
    (context / "d/f").write_text("racy1")
    changed = os.stat(context / "d/f").st_ctime_ns
    monkeypatch.setattr(known, "now", lambda: changed + 10_000_000)  # however long this process was kept waiting
    of(root, digests=digests)
    assert digests.find(os.stat(context / "d/f")) is None
    assert digests.find(os.stat(context / "a")) is not None


def test_a_changed_file_of_the_same_size_and_time(context: Path, root: int, tmp_path: Path) -> None:
    _settle(context)
    digests = KnownDigests(str(tmp_path / "known"))
    before = of(root, digests=digests)
    found = os.stat(context / "d/f")
    (context / "d/f").write_text("OTHER")
    os.utime(context / "d/f", ns=(found.st_atime_ns, found.st_mtime_ns))
    assert of(root, digests=digests) != before


@pytest.mark.parametrize("damage", [b"", b"x", b"y" * 500])
def test_a_damaged_file_is_as_none(context: Path, root: int, tmp_path: Path, damage: bytes) -> None:
    _settle(context)
    file = tmp_path / "known"
    file.write_bytes(damage)
    digests = KnownDigests(str(file))
    expected = of(root, digests=digests)
    digests.save()
    file.write_bytes(file.read_bytes()[:-3] + b"xyz")
    assert KnownDigests(str(file)).find(os.stat(context / "a")) is None
    assert of(root, digests=KnownDigests(str(file))) == expected


def test_a_place_that_cannot_be_written(context: Path, root: int, tmp_path: Path) -> None:
    _settle(context)
    digests = KnownDigests(str(tmp_path / "none/known"))
    of(root, digests=digests)
    digests.save()
    assert not (tmp_path / "none").exists()
    assert sorted(os.listdir(tmp_path)) == ["context"]


def test_digests_of_contexts_that_nobody_builds_are_removed(tmp_path: Path) -> None:
    old, kept, mine = (tmp_path / name for name in ("old", "kept", "mine"))
    for path in (old, kept, mine):
        path.write_bytes(b"")
        os.utime(path, (0, time.time() - 31 * 24 * 3600))
    os.utime(kept)
    os.utime(mine, (0, time.time() - 29 * 24 * 3600))
    KnownDigests(str(mine)).save()
    assert sorted(os.listdir(tmp_path)) == ["kept", "mine"]
    assert mine.stat().st_mtime > time.time() - 60  # it was used, though nothing new was learned
