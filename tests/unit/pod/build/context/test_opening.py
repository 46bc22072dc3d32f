"""Contexts that are no directory: streams, addresses, git repositories; and what hostile ones try."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import re
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from pod.build.context import git, ignore_files, opening
from pod.build.context.git import Repository
from pod.build.context.named import NamedContext, parse
from pod.build.context.opening import Context, Workshop, open_context
from pod.errors import PodError
from storage.errors import StorageError

from .conftest import Repository as Served
from .conftest import Web

COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.compress,
}


def tar_of(*members: tuple[str, bytes, str]) -> bytes:
    """Return a tar of (kind, content or target, name)."""
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w") as tar:
        for kind, content, name in members:
            info = tarfile.TarInfo(name)
            info.type = kind.encode()
            if kind in (tarfile.SYMTYPE.decode(), tarfile.LNKTYPE.decode()):
                info.linkname = content.decode()
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return memory.getvalue()


def streamed(data: bytes, workshop: Workshop) -> Context:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        return open_context("-", workshop, stdin=file.fileno())


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_tar_from_standard_input(workshop: Workshop, compression: str) -> None:
    data = COMPRESSIONS[compression](tar_of(("0", b"FROM scratch\n", "Containerfile"), ("0", b"1", "d/f")))
    with streamed(data, workshop) as context:
        assert sorted(os.listdir(context.fd)) == ["Containerfile", "d"]
        assert context.containerfile is None
        assert context.private


@pytest.mark.parametrize("text", [b"", b"FROM scratch\n", b"# long\n" * 1000])
def test_a_containerfile_from_standard_input(workshop: Workshop, text: bytes) -> None:
    with streamed(text, workshop) as context:
        assert os.listdir(context.fd) == []
        assert context.containerfile == text


def test_neither(workshop: Workshop) -> None:
    with pytest.raises(PodError, match="neither an archive nor a Containerfile"):
        streamed(b"x" * (17 << 20), workshop)


@pytest.mark.parametrize(
    "damage", [gzip.compress(b"no tar at all" * 100), gzip.compress(tar_of(("0", b"1", "a")))[:-9]]
)
def test_a_damaged_archive(workshop: Workshop, damage: bytes) -> None:
    with pytest.raises((PodError, StorageError)):
        streamed(damage, workshop)


@pytest.mark.parametrize(
    "members",
    [
        [("0", b"owned", "../../outside")],
        [("0", b"owned", "/../../../outside")],
        [("2", b"../..", "way"), ("0", b"owned", "way/outside")],
        [("2", b"/", "way"), ("2", b"{tmp}", "there"), ("0", b"owned", "there/outside")],
        [("1", b"../../secret", "link"), ("0", b"owned", "link")],
        [("1", b"{tmp}/secret", "link"), ("0", b"owned", "link")],
    ],
)
def test_a_hostile_tar_stays_inside(workshop: Workshop, tmp_path: Path, members: list[tuple[str, bytes, str]]) -> None:
    """CVE-2024-1753 and its kind, by a context: neither reads nor writes what is beside its place."""
    (tmp_path / "secret").write_text("secret")
    here = str(tmp_path).encode()
    named = [(kind, content.replace(b"{tmp}", here), name) for kind, content, name in members]
    try:
        with streamed(tar_of(*named), workshop) as context:
            for directory, _, files, descriptor in os.fwalk(".", dir_fd=context.fd):
                for name in files:
                    if not os.path.islink(f"/proc/self/fd/{descriptor}/{name}"):
                        with open(os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=descriptor), "rb") as file:
                            assert file.read() == b"owned", directory
    except (PodError, StorageError):
        pass
    assert (tmp_path / "secret").read_text() == "secret"
    assert (tmp_path / "secret").stat().st_nlink == 1
    assert not (tmp_path / "outside").exists()
    assert not Path("/outside").exists()


def test_the_web(workshop: Workshop, web: Web) -> None:
    web.files |= {"/Containerfile": b"FROM scratch\n", "/c.tar.gz": gzip.compress(tar_of(("0", b"1", "a")))}
    with open_context(f"{web.url}/Containerfile", workshop) as context:
        assert context.containerfile == b"FROM scratch\n"
    with open_context(f"{web.url}/c.tar.gz", workshop) as context:
        assert os.listdir(context.fd) == ["a"]
    with pytest.raises(PodError, match="404"):
        open_context(f"{web.url}/none", workshop)
    web.server.shutdown()
    web.server.server_close()
    with pytest.raises(PodError, match="connection refused"):
        open_context(f"{web.url}/c.tar.gz", workshop)


def test_directories(tmp_path: Path, workshop: Workshop) -> None:
    with open_context(str(tmp_path), workshop) as context:
        assert context.shown == str(tmp_path)
        assert not context.private
    (tmp_path / "file").write_text("")
    with pytest.raises(PodError, match="context must be a directory"):
        opening.open_directory(str(tmp_path / "file"))
    with pytest.raises(PodError, match="no such file or directory"):
        opening.open_directory(str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://h/a.git", Repository("https://h/a.git")),
        ("https://h/a.git#v1:sub/dir", Repository("https://h/a.git", "v1", "sub/dir")),
        ("https://h/a.git#:sub", Repository("https://h/a.git", "", "sub")),
        ("git@h:a/b.git#main", Repository("git@h:a/b.git", "main")),
        ("git://h/a", Repository("git://h/a")),
        ("ssh://git@h/a", Repository("ssh://git@h/a")),
        ("github.com/a/b", Repository("https://github.com/a/b")),
        # A query as BuildKit has it; one that has nothing of that is the server's.
        ("https://h/a.git?ref=pull/1/head", Repository("https://h/a.git", "pull/1/head")),
        ("https://h/a.git?branch=b&subdir=s%2Ft", Repository("https://h/a.git", "refs/heads/b", "s/t")),
        ("git@h:a/b.git?tag=v1#:s", Repository("git@h:a/b.git", "refs/tags/v1", "s")),
        ("ssh://git@h/a?tag=refs/tags/v1", Repository("ssh://git@h/a", "refs/tags/v1")),
        ("github.com/a/b?ref=x#x", Repository("https://github.com/a/b", "x")),
        ("git://h/a?ref=x&commit=01234567", Repository("git://h/a", "x", "", "01234567")),
        ("git://h/a?checksum=01234567", Repository("git://h/a", "01234567", "", "01234567")),
        ("https://h/a.git?token=x#v1", Repository("https://h/a.git?token=x", "v1")),
        ("https://h/a.tar.gz?ref=x", None),
        ("https://h/a.tar.gz", None),
        ("https://h/a.git.tar#x", None),
        ("./git", None),
        ("file:///a.git", None),
        ("ext::sh -c id", None),
        ("-", None),
    ],
)
def test_which_words_are_repositories(text: str, expected: Repository | None) -> None:
    assert git.parse(text) == expected


@pytest.mark.parametrize(
    ("suffix", "message"),
    [
        ("?ref=x#y", 'names two: reference "y" and "x"'),
        ("?branch=x&tag=x", 'names two: reference "refs/heads/x" and "refs/tags/x"'),
        ("?ref=x&ref=y", 'names two: reference "x" and "y"'),
        ("?subdir=x#y:z", 'names two: directory "z" and "x"'),
        ("?commit=01234567&checksum=01234568", 'names two: checksum "01234567" and "01234568"'),
        ("?commit=master", 'invalid checksum "master"'),
        ("?ref=x&brnach=y", 'unexpected "brnach"'),
        ("?submodules=0", 'unexpected "submodules"'),
        ("?tag=", '"tag" has no value'),
        ("?ref=--upload-pack%3Dx", 'invalid git reference "--upload-pack=x"'),
        ("?branch=a%20b", 'invalid git reference "refs/heads/a b"'),
    ],
)
def test_queries_that_contradict_themselves(suffix: str, message: str) -> None:
    with pytest.raises(PodError, match=re.escape(message)):
        git.parse(f"https://h/a.git{suffix}")


@pytest.mark.parametrize("reference", ["--upload-pack=touch /tmp/x", "-x", "a b", "a:b:c^", "a^{}", "a..b\\"])
def test_references_are_not_options(reference: str) -> None:
    if reference == "a:b:c^":
        assert git.parse(f"https://h/a.git#{reference}") == Repository("https://h/a.git", "a", "b:c^")
        return
    with pytest.raises(PodError, match="invalid git reference"):
        git.parse(f"https://h/a.git#{reference}")


def test_a_repository(workshop: Workshop, repositories: Callable[[str], Served]) -> None:
    served = repositories("a")
    first = served.commit(Containerfile="FROM scratch\n", sub__f="old")
    served.git("tag", "v1")
    served.git("checkout", "--quiet", "-b", "other")
    other = served.commit(sub__f="new")
    served.git("checkout", "--quiet", "main")
    for suffix, names, content in (
        ("", ["Containerfile", "sub"], None),
        ("#:sub", ["f"], "old"),
        ("#v1:sub", ["f"], "old"),
        ("#other:/sub/", ["f"], "new"),
        (f"#{first}:sub", ["f"], "old"),
        (f"#{first[:10]}:sub", ["f"], "old"),
        ("?subdir=sub", ["f"], "old"),
        ("?tag=v1&subdir=sub", ["f"], "old"),
        ("?branch=other&subdir=sub", ["f"], "new"),
        (f"?ref=v1&subdir=sub&commit={first[:7]}", ["f"], "old"),
        (f"?checksum={first}#:sub", ["f"], "old"),
    ):
        with open_context(served.url + suffix, workshop) as context:
            assert sorted(os.listdir(context.fd)) == names
            if content is not None:
                with open(os.open("f", os.O_RDONLY, dir_fd=context.fd)) as file:
                    assert file.read() == content
    for suffix, message in (
        ("#none", "git fetch: fatal: couldn't find remote ref none"),
        ("#:none", "no directory none"),
        ("?tag=other", "git fetch: fatal: couldn't find remote ref refs/tags/other"),
        (f"?ref=other&commit={first}", f"other is the commit {other}, not {first}"),
        (f"?ref={first[:8]}&commit={other}", f"is the commit {first}, not {other}"),
        (f"?ref={other[:8]}&commit={first}", f"is the commit {other}, not {first}"),
    ):
        with pytest.raises(PodError, match=message):
            open_context(served.url + suffix, workshop)


def test_a_repository_runs_nothing_and_leads_nowhere(
    workshop: Workshop, repositories: Callable[[str], Served], tmp_path: Path
) -> None:
    """CVE-2024-9407, CVE-2026-44517 and git's own: links, submodules of files, hooks."""
    served = repositories("hostile")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/file").write_text("secret")
    (served.path / "way").symlink_to(tmp_path / "secret")
    (served.path / "up").symlink_to("../../../../../../../../../..")
    served.commit(a="1")
    for directory in ("way", "up", "up/etc", "../../secret", "a"):
        try:
            with open_context(f"{served.url}#:{directory}", workshop) as context:
                assert sorted(os.listdir(context.fd)) == ["a", "up", "way"], directory
        except PodError as error:
            assert "no directory" in str(error)  # noqa: PT017 - both are right


def test_a_submodule_of_the_host_is_refused(
    workshop: Workshop, repositories: Callable[[str], Served], tmp_path: Path
) -> None:
    served, inner = repositories("outer"), repositories("inner")
    inner.commit(a="1")
    served.git("submodule", "--quiet", "add", str(inner.path), "sub")
    served.commit(b="2")
    with pytest.raises(PodError, match="git submodule: fatal"):
        open_context(served.url, workshop)


def test_a_submodule_of_the_network(workshop: Workshop, repositories: Callable[[str], Served]) -> None:
    served, inner = repositories("outer"), repositories("inner")
    inner.commit(a="1")
    served.git("submodule", "--quiet", "add", inner.url, "sub")
    served.commit(b="2")
    with open_context(served.url, workshop) as context:
        assert sorted(os.listdir(context.fd)) == [".gitmodules", "b", "sub"]
        assert os.listdir(f"/proc/self/fd/{context.fd}/sub") == ["a"]


def test_settings_of_the_caller_run_nothing(
    workshop: Workshop, repositories: Callable[[str], Served], tmp_path: Path
) -> None:
    served = repositories("a")
    served.commit(a="1")
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "post-checkout").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    (hooks / "post-checkout").chmod(0o755)
    (tmp_path / "home").mkdir()
    (tmp_path / "home/.gitconfig").write_text(f"[core]\n\thooksPath = {hooks}\n\tfsmonitor = touch {tmp_path}/ran\n")
    environment = {
        **workshop.environment,
        "HOME": str(tmp_path / "home"),
        "GIT_DIR": str(tmp_path / "elsewhere"),
        "GIT_EXTERNAL_DIFF": f"touch {tmp_path}/ran",
        "GIT_CONFIG_PARAMETERS": f"'core.hooksPath={hooks}'",
    }
    with open_context(served.url, Workshop(workshop.place, environment, workshop.unpacking)) as context:
        assert os.listdir(context.fd) == ["a"]
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=dir", NamedContext("a", opened="dir")),
        ("a=https://h/x.git#v=1", NamedContext("a", opened="https://h/x.git#v=1")),
        ("a=docker-image://debian:12", NamedContext("a", image="debian:12")),
        ("a=container-image://debian", NamedContext("a", image="debian")),
        ("a=oci-layout:///path", NamedContext("a", layout="/path")),
    ],
)
def test_named_contexts(text: str, expected: NamedContext) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize("text", ["", "a", "a=", "=b", "a=docker-image://"])
def test_no_named_context(text: str) -> None:
    with pytest.raises(PodError, match="invalid value"):
        parse(text)


@pytest.fixture
def top(tmp_path: Path) -> Path:
    made = tmp_path / "top"
    made.mkdir()
    return made


def ignored(top: Path, **more: object) -> tuple[bool, str]:
    descriptor = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    try:
        found = ignore_files.find(descriptor, "/ctx", **more)  # type: ignore[arg-type]
        return found.rules.matches("x"), found.path
    finally:
        os.close(descriptor)


def test_which_ignore_file_counts(top: Path, tmp_path: Path) -> None:
    assert ignored(top) == (False, "")
    (top / ".dockerignore").write_text("x")
    assert ignored(top) == (True, "/ctx/.dockerignore")
    (top / ".containerignore").write_text("y")
    assert ignored(top) == (False, "/ctx/.containerignore")
    (top / "F.dockerignore").write_text("x")
    assert ignored(top, inside=["F"]) == (True, "/ctx/F.dockerignore")
    (top / "F.containerignore").write_text("y")
    assert ignored(top, inside=["F"]) == (False, "/ctx/F.containerignore")
    beside = str(tmp_path / "G")
    (tmp_path / "G.dockerignore").write_text("x")
    assert ignored(top, beside=[beside], inside=["F"]) == (True, f"{beside}.dockerignore")
    assert ignored(top, ignorefile=f"{beside}.dockerignore") == (True, f"{beside}.dockerignore")
    with pytest.raises(PodError, match=r"open /none/x: no such file"):
        ignored(top, ignorefile="/none/x")
    (top / ".containerignore").write_text("[")
    with pytest.raises(PodError, match=r"error reading /ctx/.containerignore: .*syntax error"):
        ignored(top)


def test_an_ignore_file_that_is_a_link(top: Path, tmp_path: Path) -> None:
    """CVE-2022-4122: it is read inside of the context, and must be a file."""
    (tmp_path / "outside").write_text("x")
    (top / ".containerignore").symlink_to("../outside")
    assert ignored(top) == (False, "")
    (top / "inside").write_text("x")
    (top / ".containerignore").unlink()
    (top / ".containerignore").symlink_to("/inside")
    assert ignored(top) == (True, "/ctx/.containerignore")
    (top / "inside").unlink()
    os.mkfifo(top / "inside")
    with pytest.raises(PodError, match="not a regular file"):
        ignored(top)
