"""The k8s-file log: one line of text for each line that the container wrote, with time and stream.

    2026-11-23T05:53:44.413581056+00:00 stdout F text

F ends a line, P is a piece of one that goes on with the stream's next record. Each read gets one time stamp and
becomes one writev(2): `replace` inserts the prefixes at the speed of memcpy. Nothing is kept between two writes.

A log that would grow over its limit becomes `PATH.1` (and that `PATH.2`, up to the number of files that are kept) and
is begun anew. PATH is there at every moment, and whoever reads the old file goes on to its end.
"""

from __future__ import annotations

import posix
import time

from runtime.moments import rfc3339

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.monitor.journald import JournalLog

STDOUT = 2  # The numbers that conmon's attach protocol gives to the streams.
STDERR = 3
_NAMES = {STDOUT: b"stdout", STDERR: b"stderr"}
_FLAGS = posix.O_RDWR | posix.O_CREAT | posix.O_APPEND | posix.O_CLOEXEC | posix.O_NOFOLLOW
_PREFIX = 45  # Time, stream and mark of a record.
_SMALLEST = 4096  # A smaller limit is taken for this one: each file holds some records.


def time_text(nanoseconds: int) -> str:
    """Return a time since the epoch as the log writes it."""
    return rfc3339(nanoseconds, "+00:00")


def records(data: bytes, stamp: bytes, stream: bytes) -> tuple[bytes, ...]:
    """Return the records for what one read of a stream brought, in pieces for writev(2)."""
    full = stamp + b" " + stream + b" F "
    end = data.rfind(b"\n")
    if end < 0:
        return stamp, b" ", stream, b" P ", data, b"\n"
    lines = data[:end].replace(b"\n", b"\n" + full)
    if end == len(data) - 1:
        return full, lines, b"\n"
    return full, lines, b"\n" + stamp + b" " + stream + b" P ", data[end + 1 :], b"\n"


class Log:
    """The log of one container. A full disk loses output, but never stops the container.

    How much was lost is written to the log once there is room again; until then it stands in the file `notice`.
    """

    __slots__ = ("fd", "files", "limit", "lost", "notice", "path", "size", "told", "torn")

    def __init__(self, path: bytes, *, limit: int = 0, files: int = 1, notice: bytes = b"") -> None:
        """Name the log; an empty path is the driver `none`, a limit of 0 bytes none."""
        self.path = path
        self.limit = max(limit, _SMALLEST) if limit > 0 else 0
        self.files = max(files, 1)  # The present one and its predecessors.
        self.notice = notice
        self.fd = -1
        self.size = 0
        self.torn = False  # The last record has no end.
        self.lost = self.told = 0  # Bytes of output, and how many of them `notice` tells of.

    def freeze(self) -> tuple[Any, ...]:
        """Return what `thaw` needs, as plain values."""
        own = (self.path, self.limit, self.files, self.notice)
        return (*own, self.fd, self.size, self.torn, self.lost, self.told)

    @staticmethod
    def thaw(state: tuple[Any, ...]) -> Log:
        """Make the log again from what `freeze` returned."""
        path, limit, files, notice, *rest = state
        log = Log(path, limit=limit, files=files, notice=notice)
        log.fd, log.size, log.torn, log.lost, log.told = rest
        return log

    def fds(self) -> list[int]:
        """Return the fds that must survive an exec."""
        return [self.fd] if self.fd >= 0 else []

    def open(self) -> None:
        """Open the file, or open it again after somebody moved it away."""
        if self.path:
            self._take(posix.open(self.path, _FLAGS, 0o600))
            self._remember()

    def write(self, stream: int, data: bytes) -> None:
        """Append what a stream brought."""
        if self.fd < 0:
            return
        stamp = time_text(time.time_ns()).encode()
        pieces = records(data, stamp, _NAMES[stream])
        total = sum(map(len, pieces))
        if self.limit and self.size + total > self.limit:
            if total > self.limit and len(data) > 1:
                # As little as one read brings may come to more than a file may hold.
                at = data.find(b"\n", len(data) // 2) + 1 or data.rfind(b"\n") + 1
                at = at if 0 < at < len(data) else len(data) // 2
                self.write(stream, data[:at])
                self.write(stream, data[at:])
                return
            if self.size:
                self._rotate()
        if self.torn or self.lost:
            pieces = self._confess(pieces, stamp)
            total = sum(map(len, pieces))
        written = 0
        try:
            written = posix.writev(self.fd, pieces)
            if written < total:
                rest = b"".join(pieces)[written:]
                while rest:
                    count = posix.write(self.fd, rest)
                    written += count
                    rest = rest[count:]
            self._recover()
        except OSError:
            self.torn = written > 0 or self.torn
            self._lose(min(len(data), _unwritten(b"".join(pieces), written)))
        self.size += written

    def close(self) -> None:
        """Close the file."""
        if self.fd >= 0:
            posix.close(self.fd)
            self.fd = -1
            self._tell()

    def _remember(self) -> None:
        """Go on with what a container lost before it was started again."""
        if not self.notice or self.lost:
            return
        try:
            fd = posix.open(self.notice, posix.O_RDONLY | posix.O_CLOEXEC)
        except OSError:
            return
        try:
            self.lost = self.told = int(posix.read(fd, 32) or 0)
        except (OSError, ValueError):
            pass
        finally:
            posix.close(fd)

    def _take(self, fd: int) -> None:
        """Go on with a new file, which may hold something already."""
        if self.fd >= 0:
            posix.close(self.fd)
        self.fd = fd
        self.size = posix.fstat(fd).st_size
        # A monitor that was killed may have left the beginning of a record.
        self.torn = self.size > 0 and posix.pread(fd, 1, self.size - 1) != b"\n"

    def _confess(self, pieces: tuple[bytes, ...], stamp: bytes) -> tuple[bytes, ...]:
        """Put before the pieces what was lost, and the end of a record that a full disk cut short."""
        head = b"\n" if self.torn else b""
        if self.lost:
            head += stamp + b" stderr F pod: %d bytes of output were lost: disk full\n" % self.lost
        return (head, *pieces)

    def _recover(self) -> None:
        self.torn = False
        if self.lost:
            self.lost = 0
            if self.notice:
                try:
                    posix.unlink(self.notice)
                except OSError:
                    pass
            self.told = 0

    def _lose(self, count: int) -> None:
        self.lost += count
        if self.lost >= self.told * 2:
            self._tell()

    def _tell(self) -> None:
        """Say in a file what is not in the log: it lies where the state of running containers does, often in memory."""
        if not self.notice or self.lost == self.told:
            return
        try:
            fd = posix.open(self.notice, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, 0o600)
            try:
                posix.write(fd, b"%d\n" % self.lost)
                self.told = self.lost
            finally:
                posix.close(fd)
        except OSError:
            pass

    def _rotate(self) -> None:
        """Begin a new file. Without room for it the old one goes on growing, if that finds room."""
        fresh = self.path + b".new"
        try:
            fd = posix.open(fresh, _FLAGS | posix.O_TRUNC, 0o600)
        except OSError:
            return
        for number in range(self.files - 1, 1, -1):
            try:
                posix.rename(b"%b.%d" % (self.path, number - 1), b"%b.%d" % (self.path, number))
            except OSError:
                pass
        try:
            if self.files > 1:
                self._keep(self.path + b".1")
            posix.rename(fresh, self.path)
        except OSError:
            posix.close(fd)
            return
        self._take(fd)

    def _keep(self, name: bytes) -> None:
        """Give the present file another name too, or instead where a file cannot have two."""
        try:
            posix.unlink(name)
        except OSError:
            pass
        try:
            posix.link(self.path, name)
        except OSError:
            posix.rename(self.path, name)


def _unwritten(text: bytes, written: int) -> int:
    """Return how many bytes of output are in the part of some records that was not written."""
    whole = text[:written].rpartition(b"\n")[0].count(b"\n") + 1 if b"\n" in text[:written] else 0
    lines = text.split(b"\n")[whole:-1]
    return max(1, sum(max(0, len(line) - _PREFIX + 1) for line in lines))


def journal_log(state: tuple[Any, ...]) -> JournalLog:
    """Return the log in the journal; few containers need its module."""
    from runtime.monitor.journald import JournalLog

    return JournalLog(*state)
