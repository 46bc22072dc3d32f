"""The lines of a Containerfile around an instruction."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_AROUND = 2
_RULE = "-" * 20


def excerpt(name: str, rows: Sequence[str], first: int, last: int) -> list[str]:
    """Return what shows the lines `first` to `last` of a file, counted from 1, and where they are."""
    begin, end = max(1, first - _AROUND), min(len(rows), last + _AROUND)
    while end > last and not rows[end - 1].strip():
        end -= 1
    shown = [f"{name}:{first}", _RULE]
    for number in range(begin, end + 1):
        mark = ">>>" if first <= number <= last else "   "
        shown.append(f"{number:>4} | {mark} {rows[number - 1]}".rstrip())
    return [*shown, _RULE]
