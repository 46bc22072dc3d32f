"""Paths without os.path."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.paths import absolute, exists, is_directory


@given(st.text(alphabet="ab./", max_size=20))
def test_absolute_paths_are_those_of_the_library(path: str) -> None:
    # POSIX leaves it open what two slashes at the beginning mean, and os.path keeps them.
    assert absolute(path) == os.path.abspath(path).replace("//", "/")


@pytest.mark.parametrize("name", ["file", "directory", "to_file", "to_directory", "dangling", "none", "file/x", "a\0b"])
def test_what_is_there_is_told_as_the_library_tells_it(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "directory").mkdir()
    (tmp_path / "to_file").symlink_to("file")
    (tmp_path / "to_directory").symlink_to("directory")
    (tmp_path / "dangling").symlink_to("nothing")
    path = f"{tmp_path}/{name}"
    assert exists(path) == os.path.exists(path)
    assert is_directory(path) == os.path.isdir(path)
