"""One large blob over several connections, where a single one is slow: registries and their networks limit each.

It begins on one connection. What comes fast goes on so: a second one would only cost. Else the rest is fetched in small
parts, a few at once and each in order, so that little is in memory.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from storage.errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    # Yields the bytes of a blob from one position to another; raises NoRangesError if it cannot stop there.
    Opener = Callable[[int, int], Generator[bytes]]

SMALLEST = 32 << 20
"""From this size on, in bytes, it may be worth it."""
_SAMPLE = 4 << 20
_FAST_BYTES_PER_SECOND = 32 << 20
_PART = 2 << 20
_CONNECTIONS = 4


class NoRangesError(RegistryError):
    """The registry sends a blob whole or not at all."""


def fetch(connect: Callable[[], Opener], start: int, end: int) -> Iterator[bytes]:
    """Yield the bytes of a blob from `start` to `end`; `connect` gives an opener with a connection of its own.

    Raises what the openers raise.
    """
    opener = connect()
    position = start
    chunks = opener(start, end)
    waited = 0.0
    while position - start < _SAMPLE:
        before = time.perf_counter()
        chunk = next(chunks, b"")
        waited += time.perf_counter() - before
        if not chunk:
            return
        position += len(chunk)
        yield chunk
    if end - position < SMALLEST // 2 or position - start > waited * _FAST_BYTES_PER_SECOND:
        yield from chunks
        return
    chunks.close()
    try:
        for start_of_part, part in fetch_parts(connect, split([(position, end)])):
            position = start_of_part
            for chunk in part:
                position += len(chunk)
                yield chunk
    except NoRangesError:
        yield from opener(position, end)


def split(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Cut ranges of bytes into parts that `fetch_parts` may keep in memory."""
    return [(start, min(start + _PART, end)) for first, end in ranges for start in range(first, end, _PART)]


def fetch_parts(connect: Callable[[], Opener], parts: list[tuple[int, int]]) -> Iterator[tuple[int, list[bytes]]]:
    """Yield the start and the chunks of each of these parts, in their order, a few fetched at once.

    Raises what the openers raise, where the part would be; NoRangesError if the registry has no part of a blob.
    """
    fetching = _Parts(connect, parts)
    try:
        yield from fetching.results()
    finally:
        fetching.stop()


class _Parts:
    """The parts of a blob: threads fetch them, the reader takes them in order."""

    def __init__(self, connect: Callable[[], Opener], parts: list[tuple[int, int]]) -> None:
        self._connect = connect
        self._parts = parts
        self._claimed = self._taken = 0
        self._fetched: dict[int, list[bytes] | Exception] = {}
        self._changed = threading.Condition()
        self._stopped = False

    def results(self) -> Iterator[tuple[int, list[bytes]]]:
        """Yield all of it; an error of a part is raised where the part would be."""
        for _ in range(min(_CONNECTIONS, len(self._parts))):
            threading.Thread(target=self._work, daemon=True).start()
        for number, (start, _) in enumerate(self._parts):
            yield start, self._take(number)

    def stop(self) -> None:
        """Let the threads end after the part that each is at."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _take(self, number: int) -> list[bytes]:
        with self._changed:
            while number not in self._fetched:
                self._changed.wait()
            part = self._fetched.pop(number)
            self._taken = number
            self._changed.notify_all()
        if isinstance(part, Exception):
            raise part
        return part

    def _work(self) -> None:
        opener: Opener | None = None
        while (number := self._claim()) is not None:
            part: list[bytes] | Exception
            try:
                opener = opener or self._connect()
                part = list(opener(*self._parts[number]))  # joined, it would be in memory twice
            except Exception as error:  # whatever it is, the reader is to see it
                part = error
            with self._changed:
                self._fetched[number] = part
                self._changed.notify_all()
            if isinstance(part, Exception):
                return

    def _claim(self) -> int | None:
        """Give the number of the next part, once there is room for it; None if there is nothing more to do."""
        with self._changed:
            while not self._is_over() and self._claimed - self._taken > _CONNECTIONS:
                self._changed.wait()
            if self._is_over():
                return None
            self._claimed += 1
            return self._claimed - 1

    def _is_over(self) -> bool:
        return self._stopped or self._claimed >= len(self._parts)
