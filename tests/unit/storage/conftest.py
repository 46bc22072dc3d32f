"""What the tests of storage share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.layers.erofs import mounting
from storage.trees import remove_tree
from tests.fixtures import unpacked


@pytest.fixture(params=["staging", unpacked.KEPT])
def staging(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A path for a layer, in a directory of the test's own; by its name `Unpacked` knows what kind of layer."""
    if request.param == unpacked.KEPT and mounting.obstacle(str(tmp_path)):
        pytest.skip("the kernel mounts EROFS from files for root only, since 6.15, and not on every file system")
    path = tmp_path / "tree"
    path.mkdir()
    yield path / request.param
    while unpacked.mounts:
        unpacked.mounts.pop().__exit__(None, None, None)
    # Some trees are too deep for pytest's own cleaning.
    remove_tree(str(path))
