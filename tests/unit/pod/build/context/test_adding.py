"""ADD: archives by their content, files of the web with checksums, git repositories."""

from __future__ import annotations

import gzip
import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from pod.build.context import adding
from pod.build.context.adding import Added
from pod.build.context.copying import Change, copy
from pod.build.context.opening import Workshop
from pod.build.context.selection import Wanted, select
from pod.errors import PodError
from storage.errors import StorageError

from .conftest import Repository, Web
from .test_opening import COMPRESSIONS, tar_of

OWN = Change(owner=(os.geteuid(), os.getegid()))


@pytest.fixture
def top(tmp_path: Path) -> Path:
    made = tmp_path / "top"
    made.mkdir()
    (tmp_path / "rootfs").mkdir()
    return made


def put(added: Added, top: Path, to: str) -> list[str]:
    rootfs = top.parent / "rootfs"
    root = os.open(rootfs, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with added:
            for one in added.selections:
                copy(one, root, to, change=OWN, into=added.into)
    finally:
        os.close(root)
    return sorted(str(path.relative_to(rootfs)) for path in rootfs.rglob("*"))


def fetched(source: str, workshop: Workshop, *, checksum: str = "", keep_git_dir: bool = False) -> Added:
    place = workshop.new("added")
    name = adding.fetch(source, place, workshop, checksum=checksum, keep_git_dir=keep_git_dir)
    return adding.fetched(source, place, name)


def expanded(top: Path, workshop: Workshop, *sources: str) -> Added:
    root = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    selection = select(root, sources, Wanted())
    added = adding.unpacked(selection, adding.unpack(selection, workshop))
    added.keep(root)
    return added


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_archives_are_told_by_their_content(top: Path, workshop: Workshop, compression: str) -> None:
    (top / "anything").write_bytes(COMPRESSIONS[compression](tar_of(("0", b"1", "d/f"), ("2", b"f", "d/link"))))
    (top / "b.tar.gz").write_bytes(gzip.compress(b"no tar"))
    (top / "c.tar").write_text("no tar either")
    (top / "dir").mkdir()
    (top / "dir/inner.tar").write_bytes(tar_of(("0", b"1", "kept")))
    added = expanded(top, workshop, "anything", "b.tar.gz", "c.tar", "dir")
    assert put(added, top, "/x") == [
        *("x", "x/b.tar.gz", "x/c.tar", "x/d", "x/d/f", "x/d/link", "x/inner.tar"),
    ]


def test_an_archive_alone_needs_a_directory(top: Path, workshop: Workshop) -> None:
    (top / "a").write_bytes(tar_of(("0", b"1", "f")))
    (top / "plain").write_text("")
    assert put(expanded(top, workshop, "a"), top, "/x") == ["x", "x/f"]
    assert put(expanded(top, workshop, "plain"), top, "/y") == ["x", "x/f", "y"]


def test_an_archive_keeps_set_user_id_bits(top: Path, workshop: Workshop) -> None:
    import io
    import tarfile

    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w") as tar:
        info = tarfile.TarInfo("tool")
        info.mode, info.mtime = 0o4755, 7
        tar.addfile(info)
    (top / "a").write_bytes(memory.getvalue())
    put(expanded(top, workshop, "a"), top, "/x")
    found = (top.parent / "rootfs/x/tool").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_mtime) == (0o4755, 7)


@pytest.mark.parametrize("name", ["../out", "/../../out", "way/out"])
def test_a_hostile_archive(top: Path, workshop: Workshop, tmp_path: Path, name: str) -> None:
    """CVE-2025-47290 and its kind, by ADD."""
    (top / "a").write_bytes(tar_of(("2", str(tmp_path).encode(), "way"), ("0", b"owned", name)))
    try:
        put(expanded(top, workshop, "a"), top, "/x")
    except (PodError, StorageError):
        pass
    assert sorted(os.listdir(tmp_path)) == ["rootfs", "top", "workshop"]


def test_a_truncated_archive(top: Path, workshop: Workshop) -> None:
    (top / "a").write_bytes(tar_of(("0", b"1" * 5000, "f"))[:2000])
    with pytest.raises((PodError, StorageError)):
        expanded(top, workshop, "a")


def test_a_file_of_the_web(top: Path, workshop: Workshop, web: Web) -> None:
    web.files["/dir/a%20name"] = b"content"
    url = f"{web.url}/dir/a%20name"
    assert adding.is_remote(url)
    checksum = f"sha256:{hashlib.sha256(b'content').hexdigest()}"
    assert put(fetched(url, workshop, checksum=checksum), top, "/x/") == ["x", "x/a name"]
    found = (top.parent / "rootfs/x/a name").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_mtime, found.st_size) == (0o600, 1_000_000_000, 7)
    assert put(fetched(url, workshop), top, "/y") == ["x", "x/a name", "y"]


def test_a_file_that_is_not_what_was_promised(top: Path, workshop: Workshop, web: Web) -> None:
    web.files["/f"] = b"other"
    with pytest.raises(PodError, match="unexpected response digest"):
        fetched(f"{web.url}/f", workshop, checksum=f"sha256:{'0' * 64}")
    assert [files for _, _, files in os.walk(workshop.place) if files] == []
    with pytest.raises(PodError, match="404"):
        fetched(f"{web.url}/none", workshop)


@pytest.mark.parametrize("checksum", ["x", "sha256:1", "md5:" + "0" * 32, "sha256:" + "G" * 64, "sha512:" + "0" * 64])
def test_no_checksum(workshop: Workshop, checksum: str) -> None:
    with pytest.raises(PodError, match="invalid checksum"):
        fetched("http://127.0.0.1:1/f", workshop, checksum=checksum)


@pytest.mark.parametrize("url", ["http://h", "http://h/", "http://h/a/..", "http://h/%2e%2e", "http://h/a%2fb%00"])
def test_addresses_without_a_name(workshop: Workshop, url: str) -> None:
    with pytest.raises(PodError, match="cannot determine filename"):
        fetched(url, workshop)


def test_a_repository(top: Path, workshop: Workshop, repositories: Callable[[str], Repository]) -> None:
    served = repositories("a")
    served.commit(sub__f="1")
    assert put(fetched(f"{served.url}#main:sub", workshop), top, "/x") == ["x", "x/f"]
    kept = put(fetched(served.url, workshop, keep_git_dir=True), top, "/y")
    assert "y/.git/HEAD" in kept


def test_checksums_of_repositories(top: Path, workshop: Workshop, repositories: Callable[[str], Repository]) -> None:
    served = repositories("a")
    commit = served.commit(f="1")
    served.git("tag", "-a", "-m", "message", "v1")
    for suffix, checksum in (
        ("", commit),
        ("#main", commit[:7]),
        ("#v1", commit),
        ("#v1", served.git("rev-parse", "v1")),
    ):
        assert put(fetched(served.url + suffix, workshop, checksum=checksum), top, "/x/") == ["x", "x/f"]
    served.commit(f="2")
    for suffix, checksum, message in (
        ("#main", commit, f"main is the commit [0-9a-f]*, not {commit}"),
        ("", "sha256:0", 'invalid checksum "sha256:0"'),
        (f"?commit={commit}", "0123456", "it cannot be both"),
    ):
        with pytest.raises(PodError, match=message):
            fetched(served.url + suffix, workshop, checksum=checksum)
