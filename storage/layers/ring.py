"""Pieces of bytes from one process to another, through memory that both have: nothing is copied by the kernel."""

from __future__ import annotations

import mmap
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

SLOT = 1 << 20
_LENGTH = struct.Struct("<I")


class Ring:
    """Holds so many pieces at once; made before a fork, then the child calls `send` and its parent `receive`."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._number = 0  # of the next piece
        self._memory = mmap.mmap(-1, slots * SLOT)
        self._filled, self._fill = os.pipe()  # the length of each piece, until its sender has ended
        self._freed, self._free = os.pipe()  # a byte for each place that a piece can be put in
        os.write(self._free, bytes(slots))

    def send(self, pieces: Iterator[bytes]) -> None:
        """Put pieces in, as there is room for them."""
        for piece in pieces:
            view = memoryview(piece)
            for start in range(0, len(view), SLOT):
                part = view[start : start + SLOT]
                os.read(self._freed, 1)
                place = self._next()
                self._memory[place : place + len(part)] = part
                os.write(self._fill, _LENGTH.pack(len(part)))

    def receive(self) -> Iterator[bytes]:
        """Yield the pieces until their sender has ended, in whatever way. May be called again to go on."""
        self.sent()
        while length := os.read(self._filled, _LENGTH.size):
            place = self._next()
            piece = self._memory[place : place + _LENGTH.unpack(length)[0]]
            os.write(self._free, b"\0")
            yield piece

    def sent(self) -> None:
        """Leave sending to the other process."""
        if self._fill >= 0:
            os.close(self._fill)
            self._fill = -1

    def close(self) -> None:
        """Give all of it up."""
        self.sent()
        for fd in (self._filled, self._freed, self._free):
            os.close(fd)
        self._memory.close()

    def _next(self) -> int:
        place = self._number % self._slots * SLOT
        self._number += 1
        return place
