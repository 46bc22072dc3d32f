"""One logical line as keyword, flags and the rest: what the parsers of all instructions begin with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, TypedDict, TypeVar

from pod.build.language.errors import LanguageError, Notice
from pod.build.language.expansion import ExpansionError, check
from pod.errors import PodError
from pod.names import nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    from pod.build.language.instructions import Heredoc
    from pod.build.language.lines import LogicalLine

_T = TypeVar("_T")
_KEYWORD = re.compile(r"\s*([^ \t\v\f\r]+)[ \t\v\f\r]*")
_SPACES = " \t\v\f\r"


class Flag(NamedTuple):
    """A flag before the arguments; `value` is None where no `=` follows the name."""

    name: str
    value: str | None
    offset: int


class Place(TypedDict):
    """The fields that all instructions have."""

    line: int
    end_line: int
    text: str


class Statement:
    """A logical line taken apart. Offsets are those in the logical line."""

    def __init__(self, line: LogicalLine, name: str, escape: str, notices: list[Notice], start: int = 0) -> None:
        """Read a statement that begins at `start` in the line."""
        self.source = line
        self.name = name
        self.escape = escape
        self.notices = notices
        match = _KEYWORD.match(line.text, start)
        self.start = match.start(1) if match else start
        self.word = match[1] if match else ""
        self.keyword = self.word.upper()
        self.flags: list[Flag] = []
        self.heredocs: list[Heredoc] = []
        self.end_line = line.end_line
        self.offset = _take_flags(line.text, match.end() if match else len(line.text), escape, self.flags)
        self.rest = line.text[self.offset :]

    def inner(self) -> Statement:
        """Return the statement that the arguments are."""
        return Statement(self.source, self.name, self.escape, self.notices, self.offset)

    def place(self) -> Place:
        """Return where the instruction stands."""
        text = self.source.text[self.start :]
        return {"line": self.source.place(self.start)[0], "end_line": self.end_line, "text": text}

    def error(self, message: str, offset: int | None = None, *, hint: str = "") -> LanguageError:
        """Return an error at an offset; by itself at the keyword."""
        line, column = self.source.place(self.start if offset is None else offset)
        return LanguageError(message, name=self.name, line=line, column=column, hint=hint)

    def notice(self, message: str, hint: str = "") -> None:
        """Tell the user of what is not wrong."""
        self.notices.append(Notice(self.source.place(self.start)[0], message, hint))

    def said(self, parse: Callable[[str], _T], text: str, offset: int) -> _T:
        """Return what a parser makes of a text that stands at an offset."""
        try:
            return parse(text)
        except PodError as error:
            raise self.error(str(error), offset, hint=error.hint) from None

    def check(self, text: str, offset: int) -> None:
        """Refuse a text whose variables or quotes are wrong whatever their values."""
        try:
            check(text, self.escape)
        except ExpansionError as error:
            raise self.error(str(error), offset + error.offset, hint=error.hint) from None

    def needs(self, what: str) -> LanguageError:
        """Return the error for an instruction that says too little."""
        return self.error(f"{self.keyword} requires {what}", len(self.source.text))


def meant(word: str, known: list[str], prefix: str = "") -> str:
    """Return a hint that names what was perhaps meant, else what there is."""
    near = nearest(word, known)
    if near:
        return f"did you mean {prefix}{near}?"
    return f"known are {', '.join(prefix + name for name in known)}" if known else ""


def _take_flags(text: str, position: int, escape: str, flags: list[Flag]) -> int:
    """Fill the list with the flags, and return where the rest begins: after `--`, if there is one."""
    while text.startswith("--", position):
        start, position, word = position, *_flag(text, position, escape)
        while position < len(text) and text[position] in _SPACES:
            position += 1
        if word == "--":
            break
        name, equals, value = word[2:].partition("=")
        flags.append(Flag(name, value if equals else None, start))
    return position


def _flag(text: str, position: int, escape: str) -> tuple[int, str]:
    """Return where a flag ends, and what it is without its quotes."""
    letters, quote = [], ""
    while position < len(text):
        letter = text[position]
        if letter == escape:
            position += 1
            letters.append(text[position : position + 1])
        elif letter == quote:
            quote = ""
        elif quote:
            letters.append(letter)
        elif letter in _SPACES:
            break
        elif letter in "'\"":
            quote = letter
        else:
            letters.append(letter)
        position += 1
    return min(position, len(text)), "".join(letters)
