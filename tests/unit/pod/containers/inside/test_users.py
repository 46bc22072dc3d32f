from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pod.containers.inside import users
from pod.errors import PodError

PASSWD = """root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
alice:x:1000:1000::/home/alice:/bin/sh
0:x:4242:4242:a name that looks like a number:/trap:/bin/sh
broken:line
big:x:99999999999:0::/:/bin/sh
"""
GROUP = "root:x:0:\nwheel:x:10:alice,daemon\nalice:x:1000:\naudio:x:29:alice\n"


@pytest.fixture
def rootfs(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(PASSWD)
    (tmp_path / "etc/group").write_text(GROUP)
    return tmp_path


@pytest.fixture
def root(rootfs: Path) -> Iterator[int]:
    descriptor = os.open(rootfs, os.O_PATH | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (0, 0, [0], "/root")),
        ("0", (0, 0, [0], "/root")),
        ("alice", (1000, 1000, [10, 29, 1000], "/home/alice")),
        ("1000", (1000, 1000, [10, 29, 1000], "/home/alice")),
        ("alice:wheel", (1000, 10, [10], "/home/alice")),
        ("1000:7", (1000, 7, [7], "/home/alice")),
        ("12345", (12345, 0, [0], "/")),
        ("12345:audio", (12345, 29, [29], "/")),
    ],
)
def test_resolve(root: int, text: str, expected: tuple[int, int, list[int], str]) -> None:
    user = users.resolve(root, text, [])
    assert (user.uid, user.gid, user.additional_gids, user.home) == expected


@pytest.mark.parametrize("text", ["nobody-here", "alice:no-group", "4294967295", "4294967296", "big", "99999999999999"])
def test_refused(root: int, text: str) -> None:
    with pytest.raises(PodError):
        users.resolve(root, text, [])


def test_added_groups(root: int) -> None:
    assert users.resolve(root, "0", ["audio", "77"]).additional_gids == [0, 29, 77]


@pytest.mark.parametrize("trap", ["/dev/zero", "/proc/self/mem", "../../../../../etc/passwd", "/nonexistent"])
def test_hostile_passwd_is_not_followed_out(rootfs: Path, root: int, trap: str) -> None:
    (rootfs / "etc/passwd").unlink()
    (rootfs / "etc/passwd").symlink_to(trap)
    assert users.read_file(root, "etc/passwd") == b""


def test_fifo_does_not_block(rootfs: Path, root: int) -> None:
    (rootfs / "etc/passwd").unlink()
    os.mkfifo(rootfs / "etc/passwd")
    assert users.read_file(root, "etc/passwd") == b""


def test_huge_file_is_cut(rootfs: Path, root: int) -> None:
    with open(rootfs / "etc/group", "wb") as file:
        file.truncate(100 << 20)
    assert len(users.read_file(root, "etc/group")) <= 4 << 20
