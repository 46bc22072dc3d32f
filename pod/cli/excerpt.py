"""The lines of a Containerfile around an instruction."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_AROUND = 2
_RULE = "-" * 20


def excerpt(name: str, rows: Sequence[str], first: int, last: int, start: int = 1) -> list[str]:
    """Return what shows the lines `first` to `last` of a file, and where they are.

    `rows` are its lines from `start` on; lines count from 1.
    """
    begin, end = max(start, first - _AROUND), min(len(rows) + start - 1, last + _AROUND)
    while end > last and not rows[end - start].strip():
        end -= 1
    shown = [f"{name}:{first}", _RULE]
    for number in range(begin, end + 1):
        mark = ">>>" if first <= number <= last else "   "
        shown.append(f"{number:>4} | {mark} {rows[number - start]}".rstrip())
    return [*shown, _RULE]
