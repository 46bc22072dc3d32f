"""Which layers are inflated ahead, by a process of their own."""

from __future__ import annotations

import os

import pytest

from storage.documents import Descriptor
from storage.fetch import Fetcher, Job


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
