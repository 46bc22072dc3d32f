"""Only a real procfs is written to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runtime import procfs
from runtime.errors import OCIRuntimeError


@pytest.mark.parametrize("path", ["/sys", "/proc/1", "/proc/sys", "/proc/self/attr"])
def test_only_the_root_of_procfs_is_opened(path: str) -> None:
    with pytest.raises(OCIRuntimeError, match="is not a procfs"):
        procfs.open_root(path)


def test_a_link_to_procfs_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "proc").symlink_to("/proc")
    with pytest.raises(OSError, match="Not a directory"):
        procfs.open_root(str(tmp_path / "proc"))


def test_writes_go_through_self_but_not_through_magic_links(tmp_path: Path) -> None:
    root = procfs.open_root()
    name = Path("/proc/self/comm").read_text().strip()
    try:
        procfs.write(root, "self/comm", b"written")
        assert Path("/proc/self/comm").read_text() == "written\n"
        (tmp_path / "file").write_text("kept")
        fd = os.open(tmp_path / "file", os.O_RDWR)
        for path in (f"self/fd/{fd}", "../etc/passwd", "/proc/self/comm", f"self/root{tmp_path}/file"):
            with pytest.raises(OSError, match=r"link|symbolic|mounted|levels"):
                procfs.write(root, path, b"x")
        os.close(fd)
        assert (tmp_path / "file").read_text() == "kept"
    finally:
        procfs.write(root, "self/comm", name.encode())
        os.close(root)
