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
    from collections.abc import Callable, Generator, Iterator

    # Yields the bytes of a blob from one position to another; raises NoRangesError if it cannot stop there.
    Opener = Callable[[int, int], Generator[bytes]]

SMALLEST = 32 << 20
"""From this size on, in bytes, it may be worth it."""
_SAMPLE = 4 << 20
_FAST_BYTES_PER_SECOND = 32 << 20
_PART = 4 << 20
_CONNECTIONS = 4
_CHUNK = 256 << 10


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
    parts = _Parts(connect, position, end)
    try:
        for chunk in parts.chunks():
            position += len(chunk)
            yield chunk
    except NoRangesError:
        yield from opener(position, end)
    finally:
        parts.stop()


class _Parts:
    """The parts of a blob: threads fetch them, the reader takes them in order."""

    def __init__(self, connect: Callable[[], Opener], start: int, end: int) -> None:
        self._start = start
        self._connect = connect
        self._end = end
        self._next = start
        self._taken = start
        self._fetched: dict[int, bytes | Exception] = {}
        self._changed = threading.Condition()
        self._stopped = False

    def chunks(self) -> Iterator[bytes]:
        """Yield all of it; an error of a part is raised where the part would be."""
        for _ in range(_CONNECTIONS):
            threading.Thread(target=self._work, daemon=True).start()
        position = self._start
        while position < self._end:
            part = self._take(position)
            for offset in range(0, len(part), _CHUNK):
                yield part[offset : offset + _CHUNK]
            position += len(part)

    def stop(self) -> None:
        """Let the threads end after the part that each is at."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _take(self, position: int) -> bytes:
        with self._changed:
            while position not in self._fetched:
                self._changed.wait()
            part = self._fetched.pop(position)
            self._taken = position
            self._changed.notify_all()
        if isinstance(part, Exception):
            raise part
        return part

    def _work(self) -> None:
        opener: Opener | None = None
        while (start := self._claim()) is not None:
            part: bytes | Exception
            try:
                opener = opener or self._connect()
                part = b"".join(opener(start, min(start + _PART, self._end)))
            except Exception as error:  # whatever it is, the reader is to see it
                part = error
            with self._changed:
                self._fetched[start] = part
                self._changed.notify_all()
            if isinstance(part, Exception):
                return

    def _claim(self) -> int | None:
        """Give the start of the next part, once there is room for it; None if there is nothing more to do."""
        with self._changed:
            while not self._stopped and self._next < self._end and self._next - self._taken > _CONNECTIONS * _PART:
                self._changed.wait()
            if self._stopped or self._next >= self._end:
                return None
            start = self._next
            self._next = min(start + _PART, self._end)
            return start
