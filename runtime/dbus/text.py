"""Values as people write them, in GLib's text format for D-Bus values: `true`, `uint64 5`, `['a', 'b']`. Pure.

runc reads annotations in this form. A number without a type is an int32, or a double if it has a point.
Source: https://docs.gtk.org/glib/gvariant-text-format.html
"""

from __future__ import annotations

from runtime.dbus.wire import Variant, WireError, marshal, split

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_TYPES = {
    "boolean": "b",
    "byte": "y",
    "int16": "n",
    "uint16": "q",
    "int32": "i",
    "uint32": "u",
    "int64": "x",
    "uint64": "t",
    "double": "d",
    "string": "s",
    "objectpath": "o",
    "signature": "g",
}
_INTEGERS = "ynqiuxt"
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_SPACE = " \t\n\r"
_MAX_DEPTH = 32
_CLOSING = {"[": "]", "(": ")", "{": "}"}


def parse(text: str) -> Variant:
    """Return the value that a text means; WireError if it means none."""
    reader = _Reader(text)
    found = reader.value("", 0)
    if reader.peek():
        raise reader.error("more text after the value")
    marshal(found.signature, (found.value,))  # refuses a number out of its type's range, for one
    return found


class _Reader:
    """Reads values; where a type is expected, plain numbers take it."""

    __slots__ = ("position", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    def error(self, why: str) -> WireError:
        return WireError(f"{self.text!r}: {why} at character {self.position + 1}")

    def peek(self) -> str:
        """Return the next character that is not space; empty at the end."""
        while self.text[self.position : self.position + 1] in (*_SPACE,):
            self.position += 1
        return self.text[self.position : self.position + 1]

    def expect(self, character: str) -> None:
        if self.peek() != character:
            raise self.error(f"{character!r} is missing")
        self.position += 1

    def word(self) -> str:
        self.peek()
        start = self.position
        while self.text[self.position : self.position + 1].isalnum() or self.text[
            self.position : self.position + 1
        ] in (*"@+-._(){}",):
            if self.text[self.position] in "(){}" and self.text[start] != "@":
                break
            self.position += 1
        return self.text[start : self.position]

    def value(self, expected: str, depth: int) -> Variant:
        first = self.peek()
        if depth > _MAX_DEPTH:
            raise self.error("nested too deeply")
        if first in ("'", '"'):
            return Variant(expected if expected in ("o", "g") else "s", self.quoted())
        if first == "[":
            return self.array(expected, depth)
        if first == "(":
            return self.tuple(expected, depth)
        if first == "{":
            return self.dictionary(expected, depth)
        if first == "<":
            self.position += 1
            inner = self.value("", depth + 1)
            self.expect(">")
            return Variant("v", inner)
        return self.named(self.word(), expected, depth)

    def named(self, word: str, expected: str, depth: int) -> Variant:
        """Return what a word begins: a type and its value, or a plain value."""
        if word.startswith("@") or word in _TYPES:
            kind = _TYPES.get(word) or word[1:]
            if len(split(kind)) != 1:
                raise self.error(f"{kind!r} is not one type")
            found = self.value(kind, depth + 1)
            if found.signature != kind:
                raise self.error(f"a value of type {found.signature} where {kind} is said")
            return found
        if word in ("true", "false"):
            return Variant("b", word == "true")
        try:
            if expected == "d" or (expected not in (*_INTEGERS,) and "." in word):
                return Variant("d", float(word))
            return Variant(expected if expected in (*_INTEGERS,) else "i", int(word, 0))
        except ValueError:
            raise self.error(f"{word!r} is not a value") from None

    def quoted(self) -> str:
        quote = self.text[self.position]
        self.position += 1
        characters = []
        while (character := self.text[self.position : self.position + 1]) != quote:
            if not character:
                raise self.error("the text has no end")
            self.position += 1
            characters.append(self.escaped() if character == "\\" else character)
        self.position += 1
        return "".join(characters)

    def escaped(self) -> str:
        character = self.text[self.position : self.position + 1]
        self.position += 1
        digits = {"u": 4, "U": 8}.get(character)
        if digits is None:
            return _ESCAPES.get(character, character)
        number = self.text[self.position : self.position + digits]
        self.position += digits
        try:
            return chr(int(number, 16))
        except (ValueError, OverflowError):
            raise self.error(f"{number!r} is not a character") from None

    def begin(self, opening: str) -> bool:
        """Step over an opening bracket; False if it is closed at once."""
        self.expect(opening)
        return not self.closes(opening)

    def another(self, opening: str) -> bool:
        """Step over a comma, or over the closing bracket: False then."""
        if self.peek() == ",":
            self.position += 1
            return not self.closes(opening)
        if not self.closes(opening):
            raise self.error(f"{_CLOSING[opening]!r} is missing")
        return False

    def closes(self, opening: str) -> bool:
        if self.peek() != _CLOSING[opening]:
            return False
        self.position += 1
        return True

    def array(self, expected: str, depth: int) -> Variant:
        element = expected[1:] if expected.startswith("a") else ""
        values: list[Any] = []
        more = self.begin("[")
        while more:
            found = self.value(element, depth + 1)
            if element and found.signature != element:
                raise self.error(f"elements of types {element} and {found.signature}")
            element = found.signature
            values.append(found.value)
            more = self.another("[")
        if not element:
            raise self.error("an empty array needs its type")
        if element != "y":
            return Variant(f"a{element}", values)
        try:
            return Variant("ay", bytes(values))
        except ValueError as error:
            raise self.error(str(error)) from None

    def tuple(self, expected: str, depth: int) -> Variant:
        types = split(expected[1:-1]) if expected.startswith("(") else []
        found: list[Variant] = []
        more = self.begin("(")
        while more:
            kind = types[len(found)] if len(found) < len(types) else ""
            found.append(self.value(kind, depth + 1))
            more = self.another("(")
        return Variant(f"({''.join(each.signature for each in found)})", tuple(each.value for each in found))

    def dictionary(self, expected: str, depth: int) -> Variant:
        key, value = (expected[2], expected[3:-1]) if expected.startswith("a{") else ("", "")
        entries: dict[Any, Any] = {}
        more = self.begin("{")
        while more:
            name = self.value(key, depth + 1)
            if not isinstance(name.value, int | float | str):
                raise self.error("a key that is not of a basic type")
            self.expect(":")
            found = self.value(value, depth + 1)
            if (key and name.signature != key) or (value and found.signature != value):
                raise self.error("entries of different types")
            key, value = name.signature, found.signature
            entries[name.value] = found.value
            more = self.another("{")
        if not key:
            raise self.error("an empty dictionary needs its type")
        return Variant(f"a{{{key}{value}}}", entries)
