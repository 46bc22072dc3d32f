"""Reading a container's k8s-file log: from the end, between two moments, or as it grows, also across its rotation.

The monitor writes every time in UTC and with nine digits (see runtime.monitor.log), so moments are compared as text.
A record that is none, such as one that a full disk cut short, is passed over.
"""

from __future__ import annotations

import posix
import time

from pod.containers.logs import files as log_files
from pod.containers.logs.files import TEXT, TIME, is_record
from runtime.monitor.log import time_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pod.containers.logs.files import LogFile
    from pod.watch import Watch

_JOINED = 1 << 20  # A longer line is given out in pieces.
PAUSE = 0.25  # Seconds between two looks whether the container has ended.


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
    reader = Reader(path, tail=tail, since=since, until=until)
    try:
        yield from reader.lines()
    finally:
        reader.close()


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
    from pod.watch import Watch

    reader = Reader(path, tail=tail, since=since, until=until)
    watch = Watch()
    try:
        while True:
            # Asked before the last read: what the container wrote before its end is then in the file.
            running = is_running() and (until is None or time.time_ns() <= until)
            reader.wake(watch)
            yield from reader.news()
            if not running:
                return
            watch.wait(PAUSE, blind=not reader.is_watched)
    finally:
        watch.close()
        reader.close()


class Reader:
    """Reads records from the files of a log, and joins the pieces of a line that are there."""

    def __init__(
        self, path: str, *, tail: int | None = None, since: int | None = None, until: int | None = None
    ) -> None:
        self.path = path
        self.since = b"" if since is None else time_text(max(0, since)).encode()
        self.until = b"~" if until is None else time_text(max(0, until)).encode()
        self.rest = b""  # The beginning of a record that is still being written.
        self.open: dict[bytes, bool] = {}  # Streams whose last given piece had no end.
        self.files = log_files.chain(path)
        self.watched = b""
        self.is_watched = False
        self._seen: object = None
        if tail is not None and tail >= 0:
            log_files.go_to_tail(self.files, tail)
        if self.since:
            log_files.go_to_moment(self.files, self.since)

    def close(self) -> None:
        """Close the files."""
        for file in self.files:
            file.close()
        self.files = []

    def wake(self, watch: Watch) -> None:
        """Have a watch tell of what is added to the newest file that we know."""
        newest = self.files[-1].identity if self.files else None
        if newest is None or newest == self._seen:
            self.is_watched = newest is not None and self.is_watched
            return
        self._seen = newest
        self.is_watched = watch.add(f"/proc/self/fd/{self.files[-1].fd}")

    def news(self) -> Iterator[Line]:
        """Give what was added, also to files that are new; a log that was emptied is read from its beginning."""
        if self.files and self.files[-1].size < self.files[-1].offset:
            self.files[-1].offset = 0
            self.rest = b""
        while True:
            yield from self.lines()
            newest = log_files.identity(self.path)
            if newest is None or (self.files and newest == self.files[-1].identity):
                return
            # It was rotated after what we have read: the old file is complete now.
            yield from self.lines()
            self._go_on()

    def _go_on(self) -> None:
        """Take the files that have come after the one that was the newest."""
        known = self.files[-1].identity if self.files else None
        files = log_files.chain(self.path)
        places = [place for place, file in enumerate(files) if file.identity == known]
        first = places[0] + 1 if places else 0
        for file in files[:first]:
            file.close()
        self.files += files[first:]

    def lines(self) -> Iterator[Line]:
        """Give the lines up to the present end."""
        pieces: dict[bytes, list[bytes]] = {}  # By stream: the time of the first piece, and the texts.
        sizes: dict[bytes, int] = {}
        for record in self._records():
            stream, text = record[TIME + 1 : TIME + 7], record[TEXT:]
            partial = record[TIME + 8 : TIME + 9] == b"P"
            if not partial and stream not in pieces:
                yield self._line(record[:TIME], stream, text, partial=False)
                continue
            pieces.setdefault(stream, [record[:TIME]]).append(text)
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
        """Give the wanted records that are whole, file by file; the last file stays open for what is to come."""
        while self.files:
            yield from self._records_of(self.files[0])
            if len(self.files) == 1:
                return
            self.rest = b""  # What has no end in a file that is complete never gets one.
            self.files.pop(0).close()

    def _records_of(self, file: LogFile) -> Iterator[bytes]:
        while data := posix.pread(file.fd, log_files.BLOCK, file.offset):
            file.offset += len(data)
            *records, self.rest = (self.rest + data).split(b"\n")
            for record in records:
                if is_record(record) and self.since <= record[:TIME] <= self.until:
                    yield record
