"""A tree as a tar, when it is deeper than there are files to open, and when somebody moves it meanwhile."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from storage.layers import write


@pytest.fixture
def deep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a tree of 20 levels, with files beside the way, to a writer that keeps 4 directories open."""
    monkeypatch.setattr(write, "_MAX_OPEN", 4)
    here = tmp_path / "tree"
    here.mkdir()
    for _ in range(20):
        here = here / "m"
        here.mkdir()
        for name in ("a", "z"):
            (here / name).write_bytes(b"x")
    return tmp_path / "tree"


def test_few_directories_are_open(deep: Path) -> None:
    root = os.open(deep, os.O_RDONLY | os.O_DIRECTORY)
    before, most, data = len(os.listdir("/proc/self/fd")), 0, []
    for chunk in write._pieces_of(root, write._Writing(write.WriteOptions())):
        data.append(chunk)
        most = max(most, len(os.listdir("/proc/self/fd")) - before)
    os.close(root)
    with tarfile.open(fileobj=io.BytesIO(b"".join(data))) as archive:
        names = archive.getnames()
    assert names == sorted(names)
    assert len(names) == 60
    assert most <= 6


def test_a_directory_that_is_moved_out_ends_it(deep: Path, tmp_path: Path) -> None:
    root = os.open(deep, os.O_RDONLY | os.O_DIRECTORY)
    pieces = write._pieces_of(root, write._Writing(write.WriteOptions()))
    while not any(name.startswith(b"m/m/m/m/m/m/m/m/m/m/a") for name in [next(pieces)]):
        pass
    os.rename(deep / "m/m/m/m/m/m", tmp_path / "elsewhere")
    with pytest.raises(OSError, match="moved while it was read"):
        for _ in pieces:
            pass
    os.close(root)
