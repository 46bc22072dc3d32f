"""Taking the text of an instruction apart: words between spaces, words with quotes, JSON arrays."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import NamedTuple

_WORD = re.compile(r"[^ \t\v\f\r]+")


class Word(NamedTuple):
    """A word, and where it begins in the logical line."""

    text: str
    offset: int


class MixedArrayError(ValueError):
    """A JSON array has something else in it than strings."""


def spaced(text: str, offset: int) -> list[Word]:
    """Return the words between spaces; quotes mean nothing."""
    return [Word(match[0], offset + match.start()) for match in _WORD.finditer(text)]


def quoted(text: str, offset: int, escape: str) -> tuple[list[Word], int]:
    """Return the words, in which quoted spaces are no end, and the offset of a quote that is not closed, or -1.

    The quotes and escape characters stay in the words: the expansion of variables takes them off.
    """
    pattern, words, position = _quoting(escape), [], 0
    while True:
        while position < len(text) and text[position].isspace():
            position += 1
        match = pattern.match(text, position)
        if match is None or match.end() == position:
            break
        words.append(Word(match[0], offset + position))
        position = match.end()
        if position < len(text) and not text[position].isspace():
            break
    return words, offset + position if position < len(text) else -1


@cache
def _quoting(escape: str) -> re.Pattern[str]:
    e = re.escape(escape)
    return re.compile(rf"""(?:[^\s'"{e}]|{e}.|{e}\Z|'[^']*'|"(?:[^"{e}]|{e}.)*")+""", re.DOTALL)


def json_array(text: str) -> tuple[str, ...] | None:
    """Return the strings of a JSON array, None if the text is none; raises MixedArrayError."""
    if not text.startswith("["):
        return None
    try:
        # Numbers are not made: one of a million digits costs a time that goes with the square of it.
        array = json.loads(text, parse_int=float, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    if not isinstance(array, list):
        return None
    if not all(isinstance(item, str) for item in array):
        raise MixedArrayError
    # An escaped half of a surrogate pair is no character; Go reads it as U+FFFD.
    return tuple(re.sub("[\ud800-\udfff]", "\ufffd", item) if not item.isascii() else item for item in array)


def _refuse(constant: str) -> None:
    raise ValueError(constant)
