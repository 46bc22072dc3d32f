"""Reading the events that commands and monitors write (pod.events), from the history and as they come.

The file is rotated by renaming it, so whoever has it open reads it to its end before going on to the new one. A line
that a full disk or a kill cut short has no end: the next event follows on the same line, and is found there.
"""

from __future__ import annotations

import os
import time

from pod import events
from pod.watch import CREATED, MODIFIED, MOVED_TO, Watch
from runtime import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from pod.config import Config

_BLOCK = 1 << 18
_BEGINNING = b'{"Time":'
_LONGEST_WAIT = 60.0
_LONGEST_LINE = 64 << 20


def read(
    config: Config,
    *,
    since: int | None = None,
    until: int | None = None,
    history: bool = True,
    stream: bool = False,
    idle: Callable[[], object] = bool,
) -> Iterator[dict[str, Any]]:
    """Give the events between two moments (ns since the epoch), the oldest first.

    Without `history` only those from now on; with `stream` also those to come, until `until` has passed. `idle` is
    called before each wait.
    """
    backend = events.backend(config)
    if backend == "none":
        return
    if backend == "journald":
        from pod import journal_reading

        for event in journal_reading.events(config, since=since, until=until, history=history, stream=stream):
            yield event
            idle()
        return
    reader = _Reader(events.path(config), since or 0, history=history)
    watch = Watch(output=1) if stream else None
    try:
        if watch is not None:
            reader.follow(watch)
        while True:
            late = until is not None and time.time_ns() > until
            for event in reader.events():
                if until is None or event["Time"] <= until:
                    yield event
            if watch is None or late:
                return
            left = _LONGEST_WAIT if until is None else min(_LONGEST_WAIT, max(0, until - time.time_ns()) / 1e9 + 0.001)
            idle()
            watch.wait(left)
    finally:
        reader.close()
        if watch is not None:
            watch.close()


class _Reader:
    """The present file and the one before it."""

    def __init__(self, path: str, since: int, *, history: bool) -> None:
        self.path = path
        self.since = since
        self.current = _opened(path)
        self.before = None
        if history:
            self.before = _opened(f"{path}.1")
            if self.current is not None and self.before is not None and self.before.identity == self.current.identity:
                self.current = None  # it was rotated just now: `events` finds the new one
        elif self.current is not None:
            self.current.skip()

    def follow(self, watch: Watch) -> None:
        """Have the watch wake at what is written from now on."""
        directory = os.path.dirname(self.path)
        os.makedirs(directory, 0o700, exist_ok=True)
        watch.add(directory, MODIFIED | CREATED | MOVED_TO)

    def events(self) -> Iterator[dict[str, Any]]:
        """Give what has been written since the last call."""
        while True:
            if self.before is not None:  # Whoever opened it before its rotation may still write to it.
                yield from self.before.events(self.since)
            if self.current is not None:
                yield from self.current.events(self.since)
                if self.current.identity == _identity(self.path):
                    return
            newer = _opened(self.path)
            if newer is None:
                return
            yield from self._skipped()
            self._turn(newer)

    def _skipped(self) -> Iterator[dict[str, Any]]:
        """Give the events of a file that came and went since the last look."""
        known = [file.identity for file in (self.before, self.current) if file is not None]
        between = _opened(f"{self.path}.1") if known else None
        if between is None:
            return
        try:
            if between.identity not in known:
                yield from between.events(self.since)
        finally:
            between.close()

    def _turn(self, newer: _File) -> None:
        if self.current is not None:
            if self.before is not None:
                self.before.close()
            self.before = self.current
        self.current = newer

    def close(self) -> None:
        """Close the files."""
        for file in (self.before, self.current):
            if file is not None:
                file.close()


class _File:
    """An open file of events, and how far it has been read."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.offset = 0
        self.rest = b""
        status = os.fstat(fd)
        self.identity = (status.st_dev, status.st_ino)

    def skip(self) -> None:
        """Go to the end."""
        self.offset = os.fstat(self.fd).st_size

    def events(self, since: int) -> Iterator[dict[str, Any]]:
        """Give the events that follow, but none from before a moment."""
        while data := os.pread(self.fd, _BLOCK, self.offset):
            self.offset += len(data)
            *lines, self.rest = (self.rest + data).split(b"\n")
            if len(self.rest) > _LONGEST_LINE:
                self.rest = b""
            for line in lines:
                event = parsed(line) if _is_recent(line, since) else None
                if event is not None and event["Time"] >= since:
                    yield event

    def close(self) -> None:
        """Close the file."""
        os.close(self.fd)


def parsed(line: bytes) -> dict[str, Any] | None:
    """Return the event that a line holds, also after the beginning of another; None if there is none."""
    try:
        event = jsontext.loads(line)
    except ValueError:
        at = line.rfind(_BEGINNING)
        return parsed(line[at:]) if at > 0 else None
    good = isinstance(event, dict) and type(event.get("Time")) is int
    return event if good and isinstance(event.get("Type"), str) and isinstance(event.get("Status"), str) else None


def _is_recent(line: bytes, since: int) -> bool:
    """Tell without parsing whether a line may be of interest; all lines begin alike."""
    digits = line[8:27]
    return not since or not digits.isdigit() or int(digits) >= since or line.rfind(_BEGINNING) > 0


def _opened(path: str) -> _File | None:
    try:
        return _File(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except FileNotFoundError:
        return None


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
