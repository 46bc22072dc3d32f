"""Printing: whole texts by one system call each, tables, and JSON as runc indents it."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import posix

from runtime import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


def write(text: str) -> None:
    """Print a text. If nobody reads it this process ends as programs do then: by SIGPIPE, which Python ignores."""
    _signal.signal(_signal.SIGPIPE, _signal.SIG_DFL)
    data = text.encode("utf-8", "surrogateescape")
    while data:
        data = data[posix.write(1, data) :]


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of cells as lines with aligned columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "".join(f"{line}\n" for line in lines)


def pretty(document: Any, indent: str = "") -> str:
    """Return JSON with an item a line."""
    inner = f"{indent}  "
    if isinstance(document, dict) and document:
        items = [f"{inner}{jsontext.dumps(key)}: {pretty(value, inner)}" for key, value in document.items()]
        return "{\n" + ",\n".join(items) + f"\n{indent}}}"
    if isinstance(document, list) and document:
        return "[\n" + ",\n".join(f"{inner}{pretty(value, inner)}" for value in document) + f"\n{indent}]"
    return jsontext.dumps(document)
