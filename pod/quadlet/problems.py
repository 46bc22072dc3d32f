"""What is wrong with a file, as data: the generator tells it to the journal, `quadlet lint` to a person."""

from __future__ import annotations


class Problem:
    """A line of a file, what is wrong with it and how to mend it; `fatal` ones keep the unit from being made."""

    __slots__ = ("fatal", "hint", "line", "message", "path")

    def __init__(self, path: str, line: int, message: str, *, hint: str = "", fatal: bool = True) -> None:
        self.path = path
        self.line = line  # 0: the file as a whole
        self.message = message
        self.hint = hint
        self.fatal = fatal

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else self.path
        kind = "" if self.fatal else "Warning: "
        return one_line(f"{place}: {kind}{self.message}" + (f"; {self.hint}" if self.hint else ""))


def unexpected(path: str, error: Exception) -> Problem:
    """Return the problem of a file that is an error of ours."""
    return Problem(path, 0, f"unexpected {type(error).__name__}: {error}", hint="please report it")


def one_line(text: str) -> str:
    """Return a text without what would begin another line or steer a terminal."""
    if text.isprintable():
        return text
    return "".join([letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text])
