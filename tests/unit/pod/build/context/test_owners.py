"""`--chown`: names and numbers, by the files of the image, which nothing outside of it takes the place of."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pod.build.context import owners
from pod.errors import PodError


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "rootfs/etc").mkdir(parents=True)
    (tmp_path / "rootfs/etc/passwd").write_text("root:x:0:0::/:\nalice:x:1000:100::/:\nbob:x:5:5::/:\n")
    (tmp_path / "rootfs/etc/group").write_text("root:x:0:\nusers:x:100:\nstaff:x:50:\n")
    descriptor = os.open(tmp_path / "rootfs", os.O_RDONLY | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("alice", (1000, 100)),
        ("alice:staff", (1000, 50)),
        ("alice:7", (1000, 7)),
        ("alice:", (1000, 100)),
        ("1000", (1000, 1000)),
        ("1234", (1234, 1234)),
        ("1234:0", (1234, 0)),
        ("12:users", (12, 100)),
        ("0:0", (0, 0)),
        (":staff", (0, 50)),
        (":9", (0, 9)),
    ],
)
def test_owners(root: int, text: str, expected: tuple[int, int]) -> None:
    assert owners.resolve(root, text) == expected


@pytest.mark.parametrize("text", ["eve", "alice:none", "4294967296", "-1", "", ":", ":none", "1:2:3"])
def test_no_owner(root: int, text: str) -> None:
    with pytest.raises(PodError, match="looking up UID/GID for"):
        owners.resolve(root, text)


def test_a_file_that_leads_out_is_none(root: int, tmp_path: Path) -> None:
    """CVE-2024-9676: names are not looked up in files of the host."""
    (tmp_path / "passwd").write_text("eve:x:6:6::/:\n")
    (tmp_path / "rootfs/etc/passwd").unlink()
    for target in (str(tmp_path / "passwd"), "../../passwd", "/dev/zero"):
        (tmp_path / "rootfs/etc/passwd").symlink_to(target)
        with pytest.raises(PodError, match="looking up UID/GID"):
            owners.resolve(root, "eve")
        (tmp_path / "rootfs/etc/passwd").unlink()
