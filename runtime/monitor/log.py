"""The k8s-file log: one line of text for each line that the container wrote, with time and stream.

    2026-11-23T05:53:44.413581056+00:00 stdout F text

F ends a line, P is a piece of one that goes on with the stream's next record. Each read gets one time stamp and
becomes one writev(2): `replace` inserts the prefixes at the speed of memcpy. Nothing is kept between two writes.
"""

from __future__ import annotations

import posix
import time

STDOUT = 2  # The numbers that conmon's attach protocol gives to the streams.
STDERR = 3
_NAMES = {STDOUT: b"stdout", STDERR: b"stderr"}
_FLAGS = posix.O_WRONLY | posix.O_CREAT | posix.O_APPEND | posix.O_CLOEXEC | posix.O_NOFOLLOW


def time_text(nanoseconds: int) -> str:
    """Return a time since the epoch as the log writes it."""
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    moment = time.gmtime(seconds)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', moment)}.{fraction:09d}+00:00"


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
    """The log of one container; a full disk loses lines, but never stops the container."""

    __slots__ = ("fd", "path", "torn")

    def __init__(self, path: bytes, fd: int = -1, *, torn: bool = False) -> None:
        """Take over a log; an empty path is the driver `none`."""
        self.path = path
        self.fd = fd
        self.torn = torn

    def open(self) -> None:
        """Open the file, or open it again after somebody moved it away."""
        if self.path:
            fd = posix.open(self.path, _FLAGS, 0o600)
            self.close()
            self.fd = fd

    def write(self, stream: int, data: bytes) -> None:
        """Append what a stream brought."""
        if self.fd < 0:
            return
        pieces = records(data, time_text(time.time_ns()).encode(), _NAMES[stream])
        if self.torn:
            # A record that a full disk cut short must not swallow the first one after it.
            pieces = (b"\n", *pieces)
        written = 0
        try:
            written = posix.writev(self.fd, pieces)
            if written < sum(map(len, pieces)):
                rest = b"".join(pieces)[written:]
                while rest:
                    rest = rest[posix.write(self.fd, rest) :]
            self.torn = False
        except OSError:
            self.torn = self.torn or written > 0

    def close(self) -> None:
        """Close the file."""
        if self.fd >= 0:
            posix.close(self.fd)
            self.fd = -1
