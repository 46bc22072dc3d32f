"""Replacing variables in a text, and taking off its quotes, as BuildKit's shell lexer does (not quite a shell).

`$x`, `${x}`, and `${x:-word}` with all of `:- - :+ + :? ? # ## % %% / //`; a word may have variables in it again.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from pod.build.language import patterns
from pod.errors import PodError

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEEPEST = 50
# What a variable may come to beyond the text it stands in: `ENV a=$a$a` thirty times is a gigabyte.
_GROWTH = 1 << 20
_SPACES = "close it; one that has spaces in it stands within double quotes"
_SPECIAL = "@*#?-$!"
_NAME = re.compile(r"\d+|\w+")


class ExpansionError(PodError):
    """Variables of a text cannot be replaced; `offset` is where in the text."""

    def __init__(self, message: str, offset: int, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.offset = offset


def expand(text: str, environment: Mapping[str, str], escape: str = "\\", *, quotes: bool = True) -> str:
    """Return the text with variables replaced; one that is not set is empty.

    With `quotes` false they are letters as others (the documents of COPY). Raises ExpansionError.
    """
    return "".join(piece for piece, _ in _Expander(text, environment, escape, quotes).pieces())


def expand_words(text: str, environment: Mapping[str, str], escape: str = "\\") -> list[str]:
    """Return the words of the expanded text: spaces in a value separate words unless they are within quotes."""
    words, word = [], ""
    for piece, splits in _Expander(text, environment, escape, True).pieces():
        if not splits:
            word += piece
            continue
        first, *others = re.split(r"\s+", piece)
        word += first
        for other in others:
            words.append(word)
            word = other
    return [found for found in (*words, word) if found]


def check(text: str, escape: str = "\\") -> None:
    """Raise ExpansionError if the text is wrong whatever the variables are."""
    _Expander(text, None, escape, True).pieces()


class _Expander:
    """Reads a text once; without an environment it looks at the syntax alone."""

    def __init__(self, text: str, environment: Mapping[str, str] | None, escape: str, quotes: bool) -> None:
        self.text = text
        self.environment = environment
        self.escape = escape
        self.quotes = quotes
        self.position = 0
        self.depth = 0
        self.room = len(text) + _GROWTH

    def pieces(self) -> list[tuple[str, bool]]:
        """Return pieces of the result; spaces in those that are marked separate words."""
        return self.until("", False)

    def until(self, end: str, raw: bool) -> list[tuple[str, bool]]:
        """Read on to the letter `end`, and pass it; `raw` keeps the escape characters, for patterns."""
        pieces: list[tuple[str, bool]] = []
        start, plain = self.position, _plain(self.escape, end, self.quotes)
        while (match := plain.match(self.text, self.position)) is not None:
            if match[0]:
                pieces.append((match[0], True))
            self.position = match.end()
            letter = self.text[self.position : self.position + 1]
            if letter == end:
                self.position += 1
                return pieces
            if not letter:
                break
            if letter == "$":
                pieces.append((self.variable(), True))
            elif letter == self.escape:
                pieces.append((self.escaped(raw), False))
            else:
                pieces.append((self.quotation(letter, raw), False))
        raise self.error(f'missing "{end}" of a substitution', start, hint=_SPACES)

    def escaped(self, raw: bool) -> str:
        """Read the escape character and what is after it; at the end of a text it is nothing."""
        pair = self.text[self.position : self.position + 2]
        self.position += 2
        return pair if raw else pair[1:]

    def quotation(self, quote: str, raw: bool) -> str:
        """Read from one quote to the next; within single quotes there are neither variables nor escapes."""
        start = self.position
        self.position += 1
        if quote == "'":
            end = self.text.find("'", self.position)
            content, self.position = self.text[self.position : end], end + 1
            if end < 0:
                raise self.error("this quote is not closed", start)
            return content
        parts, plain = [], _within_quotes(self.escape)
        while self.position < len(self.text):
            match = plain.match(self.text, self.position)
            if match is not None:
                parts.append(match[0])
                self.position = match.end()
            letter = self.text[self.position : self.position + 1]
            if letter == '"':
                self.position += 1
                return "".join(parts)
            if letter == "$":
                parts.append(self.variable())
            elif letter:
                pair = self.text[self.position : self.position + 2]
                known = len(pair) == 2 and pair[1] in f'"${self.escape}'
                parts.append(pair[1] if known and not raw else pair)
                self.position += 2
        raise self.error("this quote is not closed", start)

    def variable(self) -> str:
        """Read a variable, and return what it comes to."""
        start = self.position
        self.position += 1
        if self.text.startswith("{", self.position):
            self.depth += 1
            if self.depth > _DEEPEST:
                raise self.error(f"substitutions nest deeper than {_DEEPEST}", start)
            self.position += 1
            value = self.substitution(start)
            self.depth -= 1
        else:
            name = self.variable_name()
            value = self.value(name) or "" if name else "$"
        self.room -= len(value)
        if self.room < 0:
            raise self.error(f"variables come to more than {_GROWTH >> 20} MiB here", start)
        return value

    def variable_name(self) -> str:
        """Read a name: letters and digits, digits alone, or one special letter; perhaps none at all."""
        match = _NAME.match(self.text, self.position)
        name = match[0] if match else self.text[self.position : self.position + 1]
        if not match and name not in tuple(_SPECIAL):
            return ""
        self.position += len(name)
        return name

    def substitution(self, start: int) -> str:
        """Read what is after `${`."""
        name = self.variable_name()
        operator = self.text[self.position : self.position + 1]
        self.position += 1
        if not operator:
            raise self.error('missing "}" of a substitution', start, hint=_SPACES)
        if not name:
            raise self.error(
                "bad substitution", start, hint="write ${name}; for a literal ${ write it after a backslash"
            )
        if operator == "}":
            return self.value(name) or ""
        colon = operator == ":"
        if colon:
            operator = self.text[self.position : self.position + 1]
            self.position += 1
        if operator not in tuple("-+?" if colon else "-+?#%/"):
            raise self.error(
                f"unsupported modifier ({':' * colon}{operator}) in substitution",
                start,
                hint="known are :- - :+ + :? ? # ## % %% / //",
            )
        if operator in "-+?":
            return self.choice(start, name, operator, colon)
        return self.replacement(name, operator) if operator == "/" else self.trimmed(name, operator)

    def choice(self, start: int, name: str, operator: str, colon: bool) -> str:
        """Read the word of `- + ?`, and return it or the value. A word that is not wanted is read for its syntax."""
        value = self.value(name)
        there = value is not None and not (colon and value == "")
        wanted = there == (operator == "+")
        environment = self.environment
        if not wanted:
            self.environment = None
        word = self.word("}", False)
        self.environment = environment
        if operator == "?" and not there and environment is not None:
            why = "is not allowed to be unset" if value is None else "is not allowed to be empty"
            raise self.error(f"{name}: {word or why}", start, hint=f"set it with --build-arg {name}=VALUE, ARG or ENV")
        return word if wanted else value or "" if operator != "+" else ""

    def trimmed(self, name: str, operator: str) -> str:
        """Read the pattern of `#` and `%`, and return the value without it."""
        longest = self.text.startswith(operator, self.position)
        self.position += longest
        pattern = patterns.parse(self.word("}", True), self.escape)
        value = self.value(name) or ""
        cut = patterns.without_prefix if operator == "#" else patterns.without_suffix
        return cut(value, pattern, longest)

    def replacement(self, name: str, operator: str) -> str:
        """Read pattern and replacement of `/` and `//`."""
        everywhere = self.text.startswith(operator, self.position)
        self.position += everywhere
        pattern = patterns.parse(self.word("/", True), self.escape)
        # BuildKit leaves the escape characters in the replacement, a shell does not.
        by = self.word("}", True)
        return patterns.replaced(self.value(name) or "", pattern, by, self.room if everywhere else 0)

    def word(self, end: str, raw: bool) -> str:
        """Read on to `end`, as one text."""
        return "".join(piece for piece, _ in self.until(end, raw))

    def value(self, name: str) -> str | None:
        """Return the value of a variable, None if it is not set."""
        return self.environment.get(name) if self.environment is not None else None

    def error(self, message: str, offset: int, *, hint: str = "") -> ExpansionError:
        """Return an error at an offset in the text."""
        return ExpansionError(message, offset, hint=hint)


@cache
def _plain(escape: str, end: str, quotes: bool) -> re.Pattern[str]:
    special = escape + "$" + end + ("'\"" if quotes else "")
    return re.compile(f"[^{re.escape(special)}]*")


@cache
def _within_quotes(escape: str) -> re.Pattern[str]:
    return re.compile(f'[^{re.escape(escape)}$"]+')
