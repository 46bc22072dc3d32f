"""WWW-Authenticate headers (RFC 9110 §11.6.1): several challenges may share a header, with quoted commas in between."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_SEPARATORS = frozenset(' \t,=;"')
_BLANKS = frozenset(" \t,")


@dataclass(frozen=True)
class Challenge:
    """One way to authenticate that a server offers; scheme and names of parameters are lower case."""

    scheme: str
    parameters: dict[str, str] = field(default_factory=dict)


def parse(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """Read all challenges of all headers; what cannot be read ends its header."""
    found: list[Challenge] = []
    for header in headers:
        found.extend(_parse_header(header))
    return tuple(found)


def _parse_header(text: str) -> list[Challenge]:
    found: list[Challenge] = []
    position = 0
    while True:
        position = _skip(text, position, _BLANKS)
        word, position = _word(text, position)
        if not word:
            return found
        after = _skip(text, position, frozenset(" \t"))
        if found and text[after : after + 1] == "=":
            value, position = _value(text, _skip(text, after + 1, frozenset(" \t")))
            found[-1].parameters.setdefault(word.lower(), value)
        else:
            found.append(Challenge(word.lower()))


def _skip(text: str, position: int, characters: frozenset[str]) -> int:
    while position < len(text) and text[position] in characters:
        position += 1
    return position


def _word(text: str, position: int) -> tuple[str, int]:
    start = position
    while position < len(text) and text[position] not in _SEPARATORS:
        position += 1
    return text[start:position], position


def _value(text: str, position: int) -> tuple[str, int]:
    if text[position : position + 1] != '"':
        return _word(text, position)
    position += 1
    characters: list[str] = []
    while position < len(text) and text[position] != '"':
        if text[position] == "\\" and position + 1 < len(text):
            position += 1
        characters.append(text[position])
        position += 1
    return "".join(characters), position + 1
