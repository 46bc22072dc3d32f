"""What the tests of storage share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.trees import remove_tree


@pytest.fixture
def staging(tmp_path: Path) -> Iterator[Path]:
    """A path for a layer, in a directory of the test's own."""
    path = tmp_path / "tree"
    path.mkdir()
    yield path / "staging"
    # Some trees are too deep for pytest's own cleaning.
    remove_tree(str(path))
