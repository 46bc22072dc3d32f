"""What is wrong in a Containerfile, and where."""

from __future__ import annotations

from dataclasses import dataclass

from pod.errors import PodError

_LONGEST = 300


class LanguageError(PodError):
    """A Containerfile cannot be read. Lines and columns count from 1; column 0 is the whole line."""

    def __init__(self, message: str, *, name: str, line: int, column: int = 0, hint: str = "") -> None:
        message, hint = _short(message), _short(hint)
        place = f"{name}:{line}:{column}" if column else f"{name}:{line}"
        super().__init__(f"{place}: {message}", hint=hint)
        self.message = message
        self.name = name
        self.line = line
        self.column = column


def _short(text: str) -> str:
    # A word of the file is in it, which may be the whole file.
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


@dataclass(frozen=True)
class Notice:
    """What is not wrong, but better mended."""

    line: int
    message: str
    hint: str = ""
