"""What the tests of storage share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.layers.erofs import mounting
from storage.store import Store, open_store
from storage.trees import remove_tree
from tests.fakes.registry import FakeRegistry
from tests.fixtures import unpacked


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store of the test's own."""
    opened = open_store(str(tmp_path / "store"))
    yield opened
    opened.close()


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    """A registry of the test's own, which has nothing yet."""
    with FakeRegistry() as running:
        yield running


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
