"""What frees space works on a disk that is full to the last byte: the store has kept a little back for it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator

import pytest

from tests.fixtures.check_store import check
from tests.fixtures.closed_database import wait_until_closed
from tests.fixtures.command import Pod
from tests.fixtures.small_disk import fill, on_small_disk
from tests.integration.test_build import context


@pytest.fixture(params=["open", "closed"])
def full(request: pytest.FixtureRequest, box: Pod, busybox: str) -> Iterator[Pod]:
    """`pod` with an image, a list of it and the cached step of a build, and no room.

    With or without the files of the database's WAL, which go when its last user closes it.
    """
    with on_small_disk(box, 16) as made:
        made.run("manifest", "create", "several", busybox)
        made.run("build", "--quiet", context(made, f"FROM {busybox}\nRUN echo x > /x\n"))
        assert reserved(made)
        wait_until_closed(made)
        user = sqlite3.connect(f"{made.root}/pod.db")
        if request.param == "open":
            user.execute("SELECT count(*) FROM image").fetchall()
        filler = fill(made)
        assert os.path.exists(f"{made.root}/pod.db-wal") == (request.param == "open")
        yield made
        user.close()
        os.unlink(filler)
        assert made.run("system", "check").out == ""
        assert check(made) == []


def reserved(box: Pod) -> int:
    """Return the size of what a store has kept back."""
    return os.stat(f"{box.root}/reserve").st_size


@pytest.mark.parametrize(
    "words",
    [
        ("image", "prune", "--force"),
        ("image", "prune", "--all", "--force"),
        ("builder", "prune", "--all", "--force"),
        ("manifest", "rm", "several"),
        ("rmi", "several"),
        ("rmi", "--all", "--force"),
        ("system", "prune", "--all", "--force"),
    ],
    ids=" ".join,
)
def test_what_frees_space_works(full: Pod, words: tuple[str, ...]) -> None:
    assert "localhost/several" in full.run("images", "--format", "{{.Repository}}").stdout.splitlines()
    assert reserved(full)  # who only reads takes no more of it than the files of the WAL
    assert full.run(*words).stderr == ""
