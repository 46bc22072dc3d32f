"""Where the lines of a Containerfile come from that was put together: of several files, or by a preprocessor. Pure."""

from __future__ import annotations

from bisect import bisect_right
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pod.build.language.errors import LanguageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Piece(NamedTuple):
    """From `line` of the text on, its lines are those of the file `name` from `there` on. Lines count from 1."""

    line: int
    name: str
    there: int


@dataclass(frozen=True)
class Source:
    """A text, and where it comes from; the first piece begins at line 1."""

    text: str
    pieces: tuple[Piece, ...]


def whole(text: str, name: str) -> Source:
    """Return the text of one file."""
    return Source(text, (Piece(1, name, 1),))


def joined(sources: Sequence[Source]) -> Source:
    """Return several as one, each from a new line on."""
    pieces: list[Piece] = []
    before = 0
    for source in sources:
        pieces += [piece._replace(line=piece.line + before) for piece in source.pieces]
        before += source.text.count("\n") + 1
    return Source("\n".join(source.text for source in sources), tuple(pieces))


def piece_of(pieces: Sequence[Piece], line: int) -> tuple[Piece, int | None]:
    """Return the piece that a line of the text is in, and the last line of it, None for that of the text."""
    index = max(1, bisect_right(pieces, line, key=lambda one: one.line))
    return pieces[index - 1], pieces[index].line - 1 if index < len(pieces) else None


def place(pieces: Sequence[Piece], line: int) -> tuple[str, int]:
    """Return the file and the line in it of a line of the text."""
    piece, _ = piece_of(pieces, line)
    return piece.name, piece.there + line - piece.line


@contextmanager
def told(pieces: Sequence[Piece]) -> Iterator[None]:
    """Let errors in the text tell of the files that it comes from."""
    try:
        yield
    except LanguageError as error:
        name, line = place(pieces, error.line)
        raise LanguageError(error.message, name=name, line=line, column=error.column, hint=error.hint) from None
