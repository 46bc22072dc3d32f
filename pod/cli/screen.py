"""The lower end of a terminal, where lines are drawn again and again; what is above them stays.

Source: ECMA-48 (CPL, ED, SGR).
"""

from __future__ import annotations

import os
import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

RED, GREEN, DIM = "31", "32", "2"
_SIZE = (80, 24)
_TAB = 8
# Control sequences, strings for the terminal (titles, links), and other escapes.
_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])|\x9b[0-?]*[ -/]*[@-~]"
)


class Screen:
    """Draws on a terminal."""

    def __init__(self, stream: TextIO, *, colours: bool) -> None:
        self._stream = stream
        self._colours = colours
        self._drawn = 0  # lines that are to be drawn anew

    def size(self) -> tuple[int, int]:
        """Return how many columns and rows there are."""
        try:
            size = os.get_terminal_size(self._stream.fileno())
        except OSError:
            return _SIZE
        return (size.columns, size.lines) if size.columns and size.lines else _SIZE

    def draw(self, above: Sequence[str], below: Sequence[str]) -> None:
        """Add lines that stay, and draw those at the end anew; they must be no wider than the screen."""
        back = f"\x1b[{self._drawn}F\x1b[J" if self._drawn else ""
        self._drawn = len(below)
        self._stream.write(back + "".join(f"{line}\n" for line in (*above, *below)))
        self._stream.flush()

    def styled(self, text: str, style: str) -> str:
        """Return a text in a colour, where these are wanted."""
        return f"\x1b[{style}m{text}\x1b[0m" if self._colours else text


def cleaned(data: bytes) -> str:
    """Return a line of a program as text that cannot move the cursor: what it would look like at its end."""
    text = data.decode("utf-8", "replace").rstrip("\r\n").rpartition("\r")[2]
    text = _ESCAPES.sub("", text).expandtabs(_TAB)
    return "".join(letter for letter in text if unicodedata.category(letter) not in ("Cc", "Cf", "Zl", "Zp"))


def clipped(text: str, columns: int) -> str:
    """Return as much of a text as these columns hold."""
    room = columns
    for place, letter in enumerate(text):
        room -= _width(letter)
        if room < 0:
            return text[:place]
    return text


def padded(text: str, columns: int) -> str:
    """Return a text that fills these columns."""
    text = clipped(text, columns)
    return text + " " * (columns - sum(map(_width, text)))


def _width(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in ("W", "F") else 1
