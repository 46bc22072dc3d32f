"""Which layers are inflated ahead, by a process of their own; what is done before any is written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from storage import committer, fetch, transfer
from storage.committer import Draft
from storage.documents import Descriptor
from storage.fetch import Fetcher, Job
from storage.layers.worker import Worker, fork_unpack
from storage.reference import normalize
from storage.registry.options import RegistryOptions
from storage.store import open_store
from tests.fakes.registry import FakeRegistry
from tests.fixtures.tars import archive, file
from tests.fixtures.trusting import accept_anything
from tests.fixtures.unpacked import IS_ROOT


def job(size: int) -> Job:
    return Job("", "", Descriptor("", "", size))


@pytest.mark.parametrize(
    ("size", "waiting", "running", "processors", "expected"),
    [
        (10, [], [], 1, 24),
        (10, [5, 4], [], 2, 8),
        (10, [5, 5], [], 2, 0),
        (10, [5], [5], 2, 0),
        (10, [5], [5], 5, 0),
        (10, [5], [5], 6, 8),
        (10, [1] * 9, [], 2, 4),
    ],
)
def test_ahead(
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    waiting: list[int],
    running: list[int],
    processors: int,
    expected: int,
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: processors)
    fetcher = Fetcher.__new__(Fetcher)
    fetcher._waiting = [job(one) for one in waiting]
    fetcher._running = {number: job(one) for number, one in enumerate(running)}
    assert fetcher._ahead(job(size)) == expected


def log_when_unpacking(store: str) -> tuple[list[int], Callable[..., Worker]]:
    """Give what forks a worker, and the list of how long the database's log was whenever it was called."""
    sizes: list[int] = []

    def fork(*arguments: Any, **options: Any) -> Worker:
        path = f"{store}/pod.db-wal"
        sizes.append(os.path.getsize(path) if os.path.exists(path) else 0)
        return fork_unpack(*arguments, **options)

    return sizes, fork


def test_the_log_is_begun_before_a_layer_is_pulled(
    tmp_path: Path, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_store(root := str(tmp_path / "store")).close()
    registry.add_image("a/b", "latest", [archive(file(b"f", b"1")), archive(file(b"g", b"2"))])
    sizes, fork = log_when_unpacking(root)
    monkeypatch.setattr(fetch, "fork_unpack", fork)
    options = RegistryOptions(user_agent="test")
    store = open_store(root)
    transfer.pull(
        store,
        normalize(f"{registry.domain}/a/b"),
        options=options,
        trust=accept_anything(options),
        rootless=not IS_ROOT,
        single_id=not IS_ROOT,
    )
    store.close()
    assert len(sizes) == 2
    assert all(sizes)


def test_the_log_is_begun_before_a_layer_is_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_store(root := str(tmp_path / "store")).close()
    sizes, fork = log_when_unpacking(root)
    monkeypatch.setattr(committer, "fork_unpack", fork)
    store = open_store(root)
    committer.commit_layer(
        store,
        iter([archive(file(b"f", b"1"))]),
        Draft({}, 0.0),
        lambda _diff_id: {},
        rootless=not IS_ROOT,
        single_id=not IS_ROOT,
    )
    store.close()
    assert len(sizes) == 1
    assert all(sizes)
