"""A large blob over several connections: only when one is slow, in order, and whatever the registry does."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Generator
from itertools import islice

import pytest

from storage import documents
from storage.documents import Descriptor
from storage.errors import RegistryError
from storage.registry import parallel
from storage.registry.client import RegistryClient
from storage.registry.options import RegistryOptions
from tests.fakes import actions
from tests.fakes.registry import Action, Exchange, FakeRegistry

DATA = os.urandom(1 << 20)
OPTIONS = RegistryOptions(retry_delay=0.001, connect_timeout=30, read_timeout=2)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("SMALLEST", 1 << 18), ("_SAMPLE", 1 << 16), ("_PART", 1 << 16)):
        monkeypatch.setattr(parallel, name, value)


class Source:
    """Gives out openers, and remembers what was asked of each."""

    def __init__(self, pause: float = 0.005) -> None:
        self.asked: list[list[tuple[int, int]]] = []
        self.pause = pause
        self.ranges = True
        self.fail_at = -1

    def connect(self) -> Callable[[int, int], Generator[bytes]]:
        mine: list[tuple[int, int]] = []
        self.asked.append(mine)

        def opener(start: int, end: int) -> Generator[bytes]:
            mine.append((start, end))
            if start == self.fail_at:
                raise RegistryError("broken")
            if end < len(DATA) and not self.ranges:
                raise parallel.NoRangesError("whole only")
            for position in range(start, end, 1 << 14):
                time.sleep(self.pause)
                yield DATA[position : min(position + (1 << 14), end)]

        return opener


def test_fast_connection_stays_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "_FAST_BYTES_PER_SECOND", 1)
    source = Source(pause=0)
    assert b"".join(parallel.fetch(source.connect, 5, len(DATA))) == DATA[5:]
    assert source.asked == [[(5, len(DATA))]]


def test_slow_connection_gets_company() -> None:
    source = Source()
    assert b"".join(parallel.fetch(source.connect, 0, len(DATA))) == DATA
    assert len(source.asked) == 5
    parts = sorted(part for asked in source.asked[1:] for part in asked)
    assert parts == [(start, start + (1 << 16)) for start in range(1 << 16, len(DATA), 1 << 16)]


def test_registry_without_ranges() -> None:
    source = Source()
    source.ranges = False
    assert b"".join(parallel.fetch(source.connect, 0, len(DATA))) == DATA


def test_error_of_a_part_comes_in_its_place() -> None:
    source = Source()
    source.fail_at = 5 << 16
    chunks = parallel.fetch(source.connect, 0, len(DATA))
    assert b"".join(islice(chunks, 5 << 2)) == DATA[: 5 << 16]
    with pytest.raises(RegistryError, match="broken"):
        next(chunks)


def test_little_is_in_memory_when_the_reader_is_slow() -> None:
    before = set(threading.enumerate())
    source = Source(pause=0.001)
    chunks = parallel.fetch(source.connect, 0, len(DATA))
    while sum(len(asked) for asked in source.asked) < 2:
        next(chunks)
    time.sleep(0.2)
    assert sum(len(asked) for asked in source.asked) <= 2 * parallel._CONNECTIONS + 2
    chunks.close()  # type: ignore[attr-defined]
    deadline = time.monotonic() + 5
    while set(threading.enumerate()) - before:
        assert time.monotonic() < deadline, "threads go on for nobody"
        time.sleep(0.01)


def slow(action: Action | None = None) -> Action:
    """Send a body slowly, or do something else after a while."""

    def act(exchange: Exchange) -> None:
        time.sleep(0.02)
        (action or actions.trickling(1 << 14, 0.005))(exchange)

    return act


@pytest.mark.parametrize(
    "disturbance", [actions.broken_after(1000), actions.status(503), actions.hung_up(), actions.stuck_after(10, 3)]
)
def test_at_a_registry(disturbance: Action) -> None:
    with FakeRegistry() as registry:
        blob = Descriptor(documents.OCI_LAYER, registry.add_blob(DATA), len(DATA))
        registry.script("/blobs/", *[slow()] * 3, disturbance, *[slow()] * 30)
        client = RegistryClient(registry.domain, OPTIONS)
        assert b"".join(client.open_blob("a/b", blob)) == DATA
        asked = [request.headers["Range"] for request in registry.seen("/blobs/")]
        assert asked[0] is None
        assert f"bytes={1 << 18}-{(1 << 18) + (1 << 16) - 1}" in asked  # after one chunk of the first connection
        client.close()


def test_at_a_registry_that_ignores_ranges() -> None:
    with FakeRegistry() as registry:
        blob = Descriptor(documents.OCI_LAYER, registry.add_blob(DATA), len(DATA))
        registry.script("/blobs/", slow(), *[actions.without_range(registry)] * 9)
        client = RegistryClient(registry.domain, OPTIONS)
        assert b"".join(client.open_blob("a/b", blob)) == DATA
        client.close()
