"""The part of YAML that is in configuration files: block mappings and lists, scalars, flow lists and mappings.

What else YAML has (anchors, tags, several documents, folded text) is refused by its line, never guessed. Numbers with a
fraction stay text: no field of a CDI spec or of registries.d is one. Source: yaml.org/spec/1.2.2.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}
_REFUSED = "&*!|>%@`"


class YAMLError(ValueError):
    """A line that is not understood."""

    def __init__(self, number: int, what: str) -> None:
        super().__init__(f"line {number}: {what}")


class _Line:
    __slots__ = ("indent", "number", "text")

    def __init__(self, number: int, indent: int, text: str) -> None:
        self.number = number
        self.indent = indent
        self.text = text


def loads(text: str) -> Any:
    """Return the one document of a text. Raises YAMLError, a ValueError, that names the line."""
    lines: list[_Line] = []
    for number, line in enumerate(text.splitlines(), 1):
        content = _without_comment(line, number).rstrip()
        if not content.strip() or (content == "---" and not lines):
            continue
        stripped = content.lstrip(" ")
        if stripped.startswith("\t"):
            raise YAMLError(number, "a tab in the indentation")
        if content == "---":
            raise YAMLError(number, "a second document")
        lines.append(_Line(number, len(content) - len(stripped), stripped))
    if not lines:
        return None
    reader = _Reader(lines)
    value = reader.block(lines[0].indent)
    if reader.lines:
        raise YAMLError(reader.lines[0].number, "its indentation fits nothing above it")
    return value


def _without_comment(line: str, number: int) -> str:
    quote, previous = "", " "
    for at, letter in enumerate(line):
        if quote:
            if letter == quote and not (quote == '"' and previous == "\\"):
                quote = ""
        elif letter in "\"'" and (previous in " [{,:-" or letter == previous == "'"):  # '' goes on
            quote = letter
        elif letter == "#" and previous in " \t":
            return line[:at]
        previous = letter
    if quote:
        raise YAMLError(number, "a quoted text that does not end in its line")
    return line


class _Reader:
    def __init__(self, lines: list[_Line]) -> None:
        self.lines = lines

    def block(self, indent: int) -> Any:
        """Read what stands at an indentation: a list, a mapping, or one scalar."""
        first = self.lines[0]
        if _is_item(first.text):
            return self.sequence(indent)
        if _key_end(first.text, first.number) >= 0:
            return self.mapping(indent)
        self.lines.pop(0)
        return _value(first.text, first.number)

    def sequence(self, indent: int) -> list[Any]:
        found = []
        while self.lines and self.lines[0].indent == indent and _is_item(self.lines[0].text):
            line = self.lines[0]
            rest = line.text[1:].lstrip(" ")
            if rest:
                # `- key: value` begins a block of its own, as far in as its first key is.
                line.indent, line.text = indent + len(line.text) - len(rest), rest
                found.append(self.block(line.indent))
            else:
                self.lines.pop(0)
                found.append(self.block(self.lines[0].indent) if self._is_deeper(indent) else None)
        return found

    def mapping(self, indent: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self.lines and self.lines[0].indent == indent and not _is_item(self.lines[0].text):
            line = self.lines.pop(0)
            end = _key_end(line.text, line.number)
            if end < 0:
                raise YAMLError(line.number, f"no key: {line.text}")
            key = str(_value(line.text[:end].rstrip(), line.number))
            if key in found:
                raise YAMLError(line.number, f"the key {key} is there twice")
            rest = line.text[end + 1 :].strip()
            if rest:
                found[key] = _value(rest, line.number)
            elif self._is_deeper(indent) or self._is_item_at(indent):
                found[key] = self.block(self.lines[0].indent)
            else:
                found[key] = None
        return found

    def _is_deeper(self, indent: int) -> bool:
        return bool(self.lines) and self.lines[0].indent > indent

    def _is_item_at(self, indent: int) -> bool:
        return bool(self.lines) and self.lines[0].indent == indent and _is_item(self.lines[0].text)


def _is_item(text: str) -> bool:
    return text == "-" or text.startswith("- ")


def _key_end(text: str, number: int) -> int:
    """Return where the colon after a key is; -1 if the text is none."""
    if text[0] in "\"'":
        end = _quoted_end(text, number)
        after = text[end:].lstrip(" ")
        return text.index(":", end) if after.startswith(":") and after[1:2] in ("", " ") else -1
    if text[0] in "[{":
        return -1
    at = text.find(": ")
    return at if at >= 0 else len(text) - 1 if text.endswith(":") else -1


def _quoted_end(text: str, number: int) -> int:
    at, quote = 1, text[0]
    while at < len(text):
        if quote == '"' and text[at] == "\\":
            at += 2
        elif text[at] != quote:
            at += 1
        elif quote == "'" and text[at + 1 : at + 2] == "'":
            at += 2
        else:
            return at + 1
    raise YAMLError(number, "a quoted text that does not end in its line")


def _value(text: str, number: int) -> Any:
    value, rest = _flow(text, number, ends="")
    if rest.strip():
        raise YAMLError(number, f"what is this: {rest.strip()}")
    return value


def _flow(text: str, number: int, *, ends: str) -> tuple[Any, str]:
    """Return the value at the beginning of a text, up to one of the letters `ends`, and what comes after it."""
    text = text.lstrip(" ")
    if text[:1] in ("[", "{"):
        return _collection(text, number)
    if text[:1] in ('"', "'") and text:
        end = _quoted_end(text, number)
        return _unquoted(text[:end], number), text[end:]
    if text[:1] and text[0] in _REFUSED:
        raise YAMLError(number, f"this part of YAML is not read here: {text}")
    end = min((at for at in map(text.find, ends) if at >= 0), default=len(text))
    return _scalar(text[:end].strip()), text[end:]


def _collection(text: str, number: int) -> tuple[Any, str]:
    is_list = text[0] == "["
    close = "]" if is_list else "}"
    found: list[Any] = []
    pairs: dict[str, Any] = {}
    rest = text[1:].lstrip(" ")
    while not rest.startswith(close):
        if not rest:
            raise YAMLError(number, f"no {close} in its line")
        value, rest = _flow(rest, number, ends=",]" if is_list else ":,}")
        rest = rest.lstrip(" ")
        if is_list:
            found.append(value)
        else:
            if not rest.startswith(":"):
                raise YAMLError(number, f"no value of {value}")
            pairs[str(value)], rest = _flow(rest[1:], number, ends=",}")
            rest = rest.lstrip(" ")
        if rest.startswith(","):
            rest = rest[1:].lstrip(" ")
        elif not rest.startswith(close):
            raise YAMLError(number, f"no {close} in its line")
    return (found if is_list else pairs), rest[1:]


def _unquoted(text: str, number: int) -> str:
    if text[0] == "'":
        return text[1:-1].replace("''", "'")
    import json

    try:
        return str(json.loads(text))
    except ValueError:
        raise YAMLError(number, f"an escape that is not read here: {text}") from None


def _scalar(text: str) -> Any:
    if text.lower() in _WORDS and text in (text.lower(), text.upper(), text.capitalize()):
        return _WORDS[text.lower()]
    digits = text[text[:1] in ("-", "+") :]
    if digits.isascii() and digits.isdigit() and (digits == "0" or digits[0] != "0"):
        return int(text)
    for prefix, base in (("0x", 16), ("0o", 8)):
        if text.startswith(prefix):
            try:
                return int(text[2:], base)
            except ValueError:
                break
    if len(digits) > 1 and digits.isdigit() and digits[0] == "0" and set(digits) <= set("01234567"):
        return int(text, 8)  # YAML 1.1, which Go's readers speak: a file mode
    return text
