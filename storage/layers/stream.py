"""A cursor over the chunks of a tar stream.

Whatever is read or skipped is recorded (it is what the header log keeps); whatever is copied into a
file is not, for it can be read there again.
"""

from __future__ import annotations

import os

from storage.errors import CorruptError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BLOCK = 512


class Stream:
    """Chunks of bytes, read as blocks, as runs, or copied to files."""

    __slots__ = ("_before", "_chunk", "_chunks", "_end", "_mark", "_position", "_record", "_view")

    def __init__(self, chunks: Iterator[bytes], record: Callable[[bytes], None]) -> None:
        self._chunks = chunks
        self._record = record
        self._chunk = b""
        self._view = memoryview(b"")
        # Bytes from _mark to _position are consumed, and not yet recorded.
        self._mark = self._position = self._end = 0
        self._before = 0  # bytes of the chunks before the present one

    @property
    def offset(self) -> int:
        """How many bytes of the stream were consumed."""
        return self._before + self._position

    def _next_chunk(self) -> bool:
        """Go on to the next chunk that has bytes; the present one is used up."""
        if self._mark < self._end:
            self._record(self._chunk[self._mark :] if self._mark else self._chunk)
        self._before += self._end
        for chunk in self._chunks:
            if chunk:
                self._chunk, self._view, self._end = chunk, memoryview(chunk), len(chunk)
                self._mark = self._position = 0
                return True
        self._chunk, self._view = b"", memoryview(b"")
        self._mark = self._position = self._end = 0
        return False

    def block(self) -> bytes:
        """Return the next 512 bytes; fewer, or none, at the end of the stream."""
        start = self._position
        stop = start + 512
        if stop <= self._end:
            self._position = stop
            return self._chunk[start:stop]
        return self._gather(512)

    def _gather(self, size: int) -> bytes:
        parts = []
        while size:
            if self._position == self._end and not self._next_chunk():
                break
            part = self._chunk[self._position : self._position + size]
            self._position += len(part)
            size -= len(part)
            parts.append(part)
        return b"".join(parts)

    def read(self, size: int) -> bytes:
        """Return exactly `size` bytes."""
        data = self._gather(size)
        if len(data) != size:
            raise CorruptError("read tar: the stream ends within an entry")
        return data

    def skip(self, size: int) -> None:
        """Pass over exactly `size` bytes."""
        stop = self._position + size
        if stop <= self._end:
            self._position = stop
            return
        while size:
            if self._position == self._end and not self._next_chunk():
                raise CorruptError("read tar: the stream ends within an entry")
            step = min(size, self._end - self._position)
            self._position += step
            size -= step

    def copy(self, fd: int, size: int) -> None:
        """Write exactly `size` bytes to the file, without recording them."""
        start = self._position
        stop = start + size
        if stop <= self._end:
            if start != self._mark:
                self._record(self._chunk[self._mark : start])
            self._position = self._mark = stop
            written = os.write(fd, self._view[start:stop])
            if written != size:
                write_all(fd, self._view[start + written : stop])
            return
        self._copy_across(fd, size)

    def _copy_across(self, fd: int, size: int) -> None:
        while size:
            if self._position == self._end and not self._next_chunk():
                raise CorruptError("read tar: the stream ends within a file")
            self.copy(fd, step := min(size, self._end - self._position))
            size -= step

    def omit(self, size: int) -> None:
        """Pass over exactly `size` bytes of a file that is there already, without recording them."""
        while size:
            if self._position == self._end and not self._next_chunk():
                raise CorruptError("read tar: the stream ends within a file")
            self.flush()
            step = min(size, self._end - self._position)
            self._position = self._mark = self._position + step
            size -= step

    def drain(self) -> None:
        """Read to the end: padding after the last entry belongs to the digest, and to the log."""
        self._position = self._end
        while self._next_chunk():
            self._position = self._end

    def flush(self) -> None:
        """Record what was consumed so far."""
        if self._mark != self._position:
            self._record(self._chunk[self._mark : self._position])
            self._mark = self._position


class FileStream(Stream):
    """The stream of an open file: what is skipped is not read."""

    __slots__ = ("_fd", "_size", "position")

    def __init__(self, fd: int) -> None:
        super().__init__(iter(()), lambda _: None)
        self._fd = fd
        self._size = os.fstat(fd).st_size
        self.position = 0

    def block(self) -> bytes:
        """Read 512 bytes, fewer at the end of the file."""
        data = os.pread(self._fd, BLOCK, self.position)
        self.position += len(data)
        return data

    def read(self, size: int) -> bytes:
        """Read exactly `size` bytes."""
        data = os.pread(self._fd, size, self.position)
        if len(data) != size:
            raise CorruptError("read tar: the stream ends within an entry")
        self.position += size
        return data

    def skip(self, size: int) -> None:
        """Pass over exactly `size` bytes: a size that the file does not have is met here."""
        if self.position + size > self._size:
            raise CorruptError("read tar: the stream ends within an entry")
        self.position += size

    def drain(self) -> None:
        """Leave the rest alone."""


def write_all(fd: int, data: memoryview) -> None:
    """Write all of it: a write may be cut short by a disk that is full; the next one says why."""
    while data:
        data = data[os.write(fd, data) :]
