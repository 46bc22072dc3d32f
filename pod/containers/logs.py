"""Reading a container's k8s-file log: from the end, between two moments, or as it grows.

The monitor writes every time in UTC and with nine digits (see runtime.monitor.log), so moments are compared as text.
A record that is none, such as one that a full disk cut short, is passed over.
"""

from __future__ import annotations

import os
import select
import time

from runtime.monitor.log import time_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_BLOCK = 1 << 18
_JOINED = 1 << 20  # A longer line is given out in pieces.
_TIME = 35  # The length of a time.
_TEXT = _TIME + 10  # Where the text begins: " stdout F " follows the time.
_PAUSE_MS = 250  # Between two looks whether the container has ended.
_IN_MODIFY = 2  # inotify(7)


class Line:
    """A line of output, or a piece of one: `partial` if its end is yet to come, `continued` if it had a beginning."""

    __slots__ = ("continued", "partial", "stream", "text", "time")

    def __init__(self, time: str, stream: str, text: bytes, *, partial: bool = False, continued: bool = False) -> None:
        self.time = time
        self.stream = stream
        self.text = text
        self.partial = partial
        self.continued = continued

    def __repr__(self) -> str:
        marks = f"{'…' if self.continued else ''}{self.text!r}{'…' if self.partial else ''}"
        return f"Line({self.time} {self.stream} {marks})"


def read(path: str, *, tail: int | None = None, since: int | None = None, until: int | None = None) -> Iterator[Line]:
    """Give what the log holds now: the last `tail` lines, of them those between two moments (ns since the epoch)."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        yield from _Reader(file, _Filter(since, until)).lines(tail)
    finally:
        os.close(file)


def follow(
    path: str,
    *,
    tail: int | None = None,
    since: int | None = None,
    until: int | None = None,
    is_running: Callable[[], bool],
) -> Iterator[Line]:
    """Give what the log holds and then what is added, until the container has ended or `until` has passed.

    `is_running` must hold until the container's monitor has gone: only then is the log complete.
    """
    while not os.path.exists(path):  # It comes with the monitor.
        if not is_running():
            return
        time.sleep(_PAUSE_MS / 1000)
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    watch = _Watch(path)
    try:
        reader = _Reader(file, _Filter(since, until))
        yield from reader.lines(tail)
        while until is None or time.time_ns() <= until:
            # Asked before the last read: what the container wrote before its end is then in the file.
            running = is_running()
            yield from reader.lines()
            if not running:
                return
            watch.wait()
            if reader.truncated():
                reader.rewind()
    finally:
        watch.close()
        os.close(file)


class _Filter:
    """The moments between which records are wanted, as the log writes them."""

    __slots__ = ("since", "until")

    def __init__(self, since: int | None, until: int | None) -> None:
        self.since = b"" if since is None else time_text(max(0, since)).encode()
        self.until = b"~" if until is None else time_text(max(0, until)).encode()

    def wants(self, moment: bytes) -> bool:
        return self.since <= moment <= self.until


class _Reader:
    """Reads records from an open log, and joins the pieces of a line that are there."""

    def __init__(self, file: int, wanted: _Filter) -> None:
        self.file = file
        self.offset = 0
        self.rest = b""  # The beginning of a record that is still being written.
        self.filter = wanted
        self.open: dict[bytes, bool] = {}  # Streams whose last given piece had no end.

    def truncated(self) -> bool:
        return os.fstat(self.file).st_size < self.offset

    def rewind(self) -> None:
        self.offset = 0
        self.rest = b""

    def lines(self, tail: int | None = None) -> Iterator[Line]:
        """Give the lines up to the present end of the file."""
        if tail is not None and tail >= 0:
            self.offset = _tail_offset(self.file, tail)
        pieces: dict[bytes, list[bytes]] = {}  # By stream: the time of the first piece, and the texts.
        sizes: dict[bytes, int] = {}
        for record in self._records():
            stream, text = record[_TIME + 1 : _TIME + 7], record[_TEXT:]
            partial = record[_TIME + 8 : _TIME + 9] == b"P"
            if not partial and stream not in pieces:
                yield self._line(record[:_TIME], stream, text, partial=False)
                continue
            pieces.setdefault(stream, [record[:_TIME]]).append(text)
            sizes[stream] = sizes.get(stream, 0) + len(text)
            if not partial or sizes[stream] > _JOINED:
                moment, *texts = pieces.pop(stream)
                sizes[stream] = 0
                yield self._line(moment, stream, b"".join(texts), partial=partial)
        for stream, (moment, *texts) in pieces.items():
            yield self._line(moment, stream, b"".join(texts), partial=True)

    def _line(self, moment: bytes, stream: bytes, text: bytes, *, partial: bool) -> Line:
        continued = self.open.get(stream, False)
        self.open[stream] = partial
        return Line(moment.decode(), stream.decode(), text, partial=partial, continued=continued)

    def _records(self) -> Iterator[bytes]:
        """Give the wanted records that are whole."""
        while data := os.pread(self.file, _BLOCK, self.offset):
            self.offset += len(data)
            *records, self.rest = (self.rest + data).split(b"\n")
            for record in records:
                if _is_record(record) and self.filter.wants(record[:_TIME]):
                    yield record


class _Watch:
    """Waits for a file to grow: by inotify(7), else by looking now and then."""

    def __init__(self, path: str) -> None:
        # 1.5 ms that only `logs -f` pays.
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        self.fd: int = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self.fd >= 0 and libc.inotify_add_watch(self.fd, os.fsencode(path), _IN_MODIFY) < 0:
            os.close(self.fd)
            self.fd = -1
        self.poller = select.poll()
        if self.fd >= 0:
            self.poller.register(self.fd, select.POLLIN)

    def wait(self) -> None:
        """Wait until the file has changed, but not for long."""
        if self.fd < 0:
            time.sleep(0.1)
        elif self.poller.poll(_PAUSE_MS):
            os.read(self.fd, 65536)

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)


def _is_record(record: bytes) -> bool:
    return record[_TIME : _TEXT - 2] in (b" stdout ", b" stderr ") and record[_TEXT - 2 : _TEXT] in (b"F ", b"P ")


def _tail_offset(file: int, tail: int) -> int:
    """Return where the last `tail` lines begin; reads back from the end, block by block."""
    offset = os.fstat(file).st_size
    if not tail:
        return offset
    carry = b""  # The end of a record whose beginning lies in the block before.
    begun: set[bytes] = set()  # Streams of which a record was seen: a piece before it has its end further on.
    while offset > 0:
        size = min(_BLOCK, offset)
        offset -= size
        data = os.pread(file, size, offset) + carry
        start = data.find(b"\n") + 1 if offset else 0
        if offset and not start:
            carry = data
            continue
        carry = data[:start]
        *records, unfinished = data[start:].split(b"\n")
        end = len(data) - len(unfinished)
        for record in reversed(records):
            stream = record[_TIME + 1 : _TIME + 7]
            if _is_record(record) and (record[_TIME + 8 : _TIME + 9] == b"F" or stream not in begun):
                begun.add(stream)
                if not tail:
                    return offset + end
                tail -= 1
            end -= len(record) + 1
    return 0
