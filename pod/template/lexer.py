"""The lexical half of Go's text/template: plain text and actions, and the words of an action."""

from __future__ import annotations

from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CONSTANTS: dict[str, Any] = {"true": True, "false": False, "nil": None}
OPERATORS = ("|", "(", ")", ",", ":=", "=")
ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "\\": "\\", '"': '"', "'": "'"}
SPACES = " \t\r\n"


class TemplateError(PodError):
    """The template cannot be read, or not be rendered for the object."""


class Word:
    """One word of an action: its kind (field, variable, name, string, number, operator), and where it stands."""

    __slots__ = ("column", "joined", "kind", "line", "text", "value")

    def __init__(self, kind: str, text: str, joined: bool, line: int, column: int, value: Any = None) -> None:
        self.kind = kind
        self.text = text
        # Whether no space is before it: `.A.B` is one operand, `.A .B` are two.
        self.joined = joined
        self.line = line
        self.column = column
        self.value = value


def pieces(source: str, name: str) -> list[tuple[bool, str, int, int]]:
    """Return (is plain text, text, line, column) for each piece; spaces beside `{{-` and `-}}` are gone."""
    result: list[tuple[bool, str, int, int]] = []
    position, trim = 0, False
    while True:
        start = source.find("{{", position)
        plain = source[position : start if start >= 0 else len(source)]
        if trim:
            plain = plain.lstrip(SPACES)
        inside = start + 2
        if start >= 0 and source[inside : inside + 1] == "-" and source[inside + 1 : inside + 2] in tuple(SPACES):
            plain = plain.rstrip(SPACES)
            inside += 1
        if plain:
            result.append((True, plain, 0, 0))
        if start < 0:
            return result
        line = source.count("\n", 0, start) + 1
        end = closing(source, inside, name, line)
        action, position = source[inside:end], end + 2
        trim = action.endswith("-") and action[-2:-1] in tuple(SPACES)
        if trim:
            action = action[:-1]
        if not action.strip(SPACES).startswith("/*"):
            result.append((False, action, line, inside - source.rfind("\n", 0, inside) - 1))


def closing(source: str, position: int, name: str, line: int) -> int:
    """Return where the `}}` of an action is, which may not be one within quotes or a comment."""
    if source[position:].lstrip(SPACES).startswith("/*"):
        end = source.find("*/", position)
        if end < 0:
            raise TemplateError(f"template: {name}:{line}: unclosed comment")
        position = end + 2
    quote = ""
    while position < len(source):
        letter = source[position]
        if quote:
            if letter == "\\" and quote != "`":
                position += 1
            elif letter == quote:
                quote = ""
        elif letter in "\"'`":
            quote = letter
        elif source.startswith("}}", position):
            return position
        position += 1
    what = {"": "unclosed action", '"': "unterminated quoted string", "'": "unterminated character constant"}
    raise TemplateError(f"template: {name}:{line}: {what.get(quote, 'unterminated raw quoted string')}")


def words(action: str, name: str, line: int, column: int) -> list[Word]:
    """Return the words of an action."""
    return Lexer(action, name, line, column).words()


class Lexer:
    """Takes one action apart."""

    def __init__(self, action: str, name: str, line: int, column: int) -> None:
        self.action = action
        self.name = name
        self.line = line
        self.column = column
        self.position = 0

    def words(self) -> list[Word]:
        """Return all words."""
        result: list[Word] = []
        joined = False
        while self.position < len(self.action):
            start = self.position
            letter = self.action[start]
            if letter in SPACES:
                self.position += 1
                joined = False
                continue
            kind, value = self.word(letter)
            text = self.action[start : self.position]
            result.append(Word(kind, text, joined, self.line, self.column + start, value))
            joined = True
        return result

    def word(self, letter: str) -> tuple[str, Any]:
        """Read one word; return its kind and, for constants, its value."""
        following = self.action[self.position + 1 : self.position + 2]
        if letter in '"`':
            return "string", self.string(letter)
        if letter == "'":
            return "number", self.character()
        if letter == "$":
            self.identifier(1)
            return "variable", None
        if letter == ".":
            if following.isdigit():
                return "number", self.number()
            self.identifier(1)
            return ("field" if following.isalpha() or following == "_" else "operator"), None
        if letter.isdigit() or (letter in "+-" and following.isdigit()):
            return "number", self.number()
        if letter.isalpha() or letter == "_":
            text = self.identifier(0)
            return "name", CONSTANTS.get(text)
        for operator in OPERATORS:
            if self.action.startswith(operator, self.position):
                self.position += len(operator)
                return "operator", None
        if letter in "{}":
            raise self.error(f"bad character U+{ord(letter):04X} '{letter}'")
        self.position += 1
        return "other", None

    def error(self, message: str) -> TemplateError:
        """Return the error for a word that cannot be."""
        return TemplateError(f"template: {self.name}:{self.line}: {message}")

    def identifier(self, skip: int) -> str:
        """Read letters and digits; a sign before them is skipped."""
        start = self.position
        self.position += skip
        while self.action[self.position : self.position + 1].isalnum() or self.action.startswith("_", self.position):
            self.position += 1
        return self.action[start : self.position]

    def number(self) -> int | float:
        """Read an integer or a float."""
        start = self.position
        self.position += 1
        while self.position < len(self.action) and (
            self.action[self.position].isalnum() or self.action[self.position] in "._"
        ):
            self.position += 1
        text = self.action[start : self.position]
        for convert in (lambda: int(text, 0), lambda: float(text)):
            try:
                return convert()
            except ValueError:
                continue
        raise self.error(f'bad number syntax: "{text}"')

    def string(self, quote: str) -> str:
        """Read a string in quotes and return what it means."""
        result: list[str] = []
        self.position += 1
        while self.position < len(self.action) and self.action[self.position] != quote:
            letter = self.action[self.position]
            self.position += 1
            if letter == "\\" and quote != "`":
                letter = self.escape()
            result.append(letter)
        self.position += 1
        return "".join(result)

    def character(self) -> int:
        """Read a character in single quotes and return its code."""
        start = self.position
        meant = self.string("'")
        if not meant:
            raise self.error("invalid syntax")
        if len(meant) > 1:
            raise self.error(f"malformed character constant: {self.action[start : self.position]}")
        return ord(meant)

    def escape(self) -> str:
        """Read what follows a backslash."""
        letter = self.action[self.position : self.position + 1]
        self.position += 1
        digits = {"x": 2, "u": 4, "U": 8}.get(letter)
        if digits:
            code = self.action[self.position : self.position + digits]
            self.position += digits
            try:
                return chr(int(code, 16))
            except ValueError:
                raise self.error("invalid syntax") from None
        if letter in "01234567" and letter:
            code = letter + self.action[self.position : self.position + 2]
            self.position += 2
            try:
                return chr(int(code, 8))
            except ValueError:
                raise self.error("invalid syntax") from None
        if letter not in ESCAPED:
            raise self.error("invalid syntax")
        return ESCAPED[letter]
