"""The patterns of `${x#pattern}` and its like: `*` is any text, `?` any letter.

A pattern is kept as the segments between its stars. Each is looked for after the one before it, so that no pattern
takes a time that grows with more than the product of two lengths; a regular expression with many stars would.
"""

from __future__ import annotations

import re

# A segment of `?` and letters: None stands for any letter.
Segment = tuple[str | None, ...]
Pattern = tuple[Segment, ...]


def parse(text: str, escape: str) -> Pattern:
    """Return the segments of a pattern; the escape character makes the next letter an ordinary one."""
    segments: list[list[str | None]] = [[]]
    letters = iter(text)
    for letter in letters:
        if letter == "*":
            segments.append([])
        else:
            segments[-1].append(None if letter == "?" else next(letters, letter) if letter == escape else letter)
    return tuple(tuple(segment) for segment in segments)


def without_prefix(value: str, pattern: Pattern, longest: bool) -> str:
    """Return the value without what the pattern matches at its start."""
    end = _match(value, pattern, 0, longest) if _at(value, pattern[0], 0) else -1
    return value[end:] if end >= 0 else value


def without_suffix(value: str, pattern: Pattern, longest: bool) -> str:
    """Return the value without what the pattern matches at its end."""
    mirrored = tuple(segment[::-1] for segment in reversed(pattern))
    return without_prefix(value[::-1], mirrored, longest)[::-1]


def replaced(value: str, pattern: Pattern, by: str, room: int) -> str:
    """Return the value with the first match replaced; with `room` all, until so many letters have come in."""
    if pattern == ((),):
        return value if room else by + value
    parts: list[str] = []
    position = 0
    while position < len(value) or not parts:
        start = _find(value, pattern[0], position)
        end = _match(value, pattern, start, True) if start >= 0 else -1
        if end < 0:
            break
        # A match of nothing is none, or there would be one between all letters.
        parts.append(value[position:start] + by)
        position = end
        room -= len(by)
        if room < 0 or start == end:
            break
    return "".join(parts) + value[position:]


def _match(value: str, pattern: Pattern, start: int, longest: bool) -> int:
    """Return where a match ends whose first segment begins at `start`, -1 if there is none."""
    position = start + len(pattern[0])
    if len(pattern) == 1:
        return position
    for segment in pattern[1:]:
        found = _find(value, segment, position)
        if found < 0:
            return -1
        last, position = position, found + len(segment)
    return _find_last(value, pattern[-1], last) + len(pattern[-1]) if longest else position


def _find(value: str, segment: Segment, start: int) -> int:
    if None not in segment:
        return value.find("".join(segment), start)  # type: ignore[arg-type]
    found = _expression(segment).search(value, start)
    return found.start() if found else -1


def _find_last(value: str, segment: Segment, start: int) -> int:
    if None not in segment:
        return value.rfind("".join(segment), start)  # type: ignore[arg-type]
    expression = _expression(segment)
    for position in range(len(value) - len(segment), start - 1, -1):
        if expression.match(value, position):
            return position
    return -1


def _at(value: str, segment: Segment, start: int) -> bool:
    return _expression(segment).match(value, start) is not None


def _expression(segment: Segment) -> re.Pattern[str]:
    return re.compile("".join("." if letter is None else re.escape(letter) for letter in segment), re.DOTALL)
