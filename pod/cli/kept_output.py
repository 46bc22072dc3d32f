"""What a program has said, kept until it is known whether anybody wants it."""

from __future__ import annotations

import sys
from collections import deque

_MOST = 64 << 20


def write(stream: int, data: bytes) -> None:
    """Write to stdout (1) or stderr (2), after what was printed there."""
    target = sys.stdout if stream == 1 else sys.stderr
    target.flush()
    target.buffer.write(data)
    target.buffer.flush()


class KeptOutput:
    """Streams and pieces in their order; of very much the last 64 MiB."""

    def __init__(self) -> None:
        self._pieces: deque[tuple[int, bytes]] = deque()
        self._size = 0
        self._dropped = 0

    def add(self, stream: int, data: bytes) -> None:
        """Keep a piece."""
        self._pieces.append((stream, data))
        self._size += len(data)
        while self._size > _MOST:
            gone = len(self._pieces.popleft()[1])
            self._size -= gone
            self._dropped += gone

    def print(self) -> None:
        """Write all of it to where it would have gone; what comes after it begins a line."""
        if self._dropped:
            write(2, b"(the first %d bytes of output are left out)\n" % self._dropped)
        for stream, data in self._pieces:
            write(stream, data)
        if self._pieces and not self._pieces[-1][1].endswith(b"\n"):
            write(2, b"\n")
