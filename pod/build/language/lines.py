"""The lines of a Containerfile: physical ones joined to logical ones, and the documents (heredocs) after them.

A line that ends in the escape character goes on in the next; comments and empty lines in between are left out.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from pod.build.language.errors import Notice

_EMPTY = "empty continuation line"
_EMPTY_HINT = "end the line before it without the escape character, or write a comment"


@dataclass(frozen=True)
class LogicalLine:
    """One line as the instructions see it; `pieces` are offset, line and column of each physical line in it."""

    text: str
    pieces: tuple[tuple[int, int, int], ...]
    end_line: int

    def place(self, offset: int) -> tuple[int, int]:
        """Return line and column of an offset in the text."""
        start, line, column = self.pieces[max(0, bisect_right(self.pieces, offset, key=lambda piece: piece[0]) - 1)]
        return line, column + offset - start


class Lines:
    """The lines of a file, read once from top to bottom; `notices` fills with what is not wrong but better mended."""

    def __init__(self, lines: list[str], escape: str) -> None:
        self.lines = lines
        self.escape = escape
        self.notices: list[Notice] = []
        self.position = 0

    def read(self) -> LogicalLine | None:
        """Return the next logical line that has text, None at the end."""
        while self.position < len(self.lines):
            raw = self.lines[self.position]
            text = raw.lstrip()
            self.position += 1
            if text and text[0] != "#":
                line = self._joined(text, len(raw) - len(text) + 1)
                if line.text.strip():
                    return line
        return None

    def document(self, name: str, strip_tabs: bool) -> str | None:
        """Return the lines up to one that is `name`, and pass it; None, and nothing passed, if there is none."""
        for end in range(self.position, len(self.lines)):
            last = self.lines[end].rstrip("\r")
            if (last.lstrip("\t") if strip_tabs else last) == name:
                content = self.lines[self.position : end]
                self.position = end + 1
                return "".join(f"{line}\n" for line in content)
        return None

    def _joined(self, text: str, column: int) -> LogicalLine:
        number = self.position
        part, goes_on = self._continued(text)
        parts, pieces, length = [part], [(0, number, column)], len(part)
        while goes_on and self.position < len(self.lines):
            raw = self.lines[self.position]
            self.position += 1
            stripped = raw.strip()
            if not stripped:
                self.notices.append(Notice(self.position, _EMPTY, _EMPTY_HINT))
            elif stripped[0] != "#":
                part, goes_on = self._continued(raw)
                pieces.append((length, self.position, 1))
                parts.append(part)
                length += len(part)
        return LogicalLine("".join(parts).rstrip(), tuple(pieces), self.position)

    def _continued(self, raw: str) -> tuple[str, bool]:
        # A doubled escape character stands for itself and ends the line, however many there are (as BuildKit has it).
        raw = raw.rstrip("\r")
        text = raw.rstrip(" \t")
        if text.endswith(self.escape) and not text.endswith(2 * self.escape):
            return text[:-1], True
        return raw, False
