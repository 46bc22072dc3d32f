"""Values of unit files split into words, and words quoted to be one again.

Source: systemd.syntax(7), "Quoting"; systemd.service(5), "Command lines".
"""

from __future__ import annotations

_BLANKS = " \t\n\r"
_QUOTES = "\"'"
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "s": " "}
_ESCAPED = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}
_DIGITS = {"x": 2, "u": 4, "U": 8}


def split_words(text: str, *, strict: bool = False) -> list[str]:
    """Split a command line: quotes taken off, escapes undone.

    A quote that is not closed reaches to the end. Raises ValueError for an escape that there is not, and if `strict`
    for such a quote.
    """
    return _split(text, escapes=True, strict=strict)


def split_items(text: str) -> list[str]:
    """Split a list, whose backslashes mean nothing. Raises ValueError for a quote that is not closed."""
    return _split(text, escapes=False, strict=True)


def quote_words(words: list[str]) -> str:
    """Return one line that `split_words` splits into these words."""
    return " ".join([quote(word) for word in words])


def quote(word: str) -> str:
    """Return a word as it may stand in a unit file: in quotes where it needs them."""
    # systemd takes a semicolon on its own for the beginning of another command.
    if word and word != ";" and word.isprintable() and not any(mark in word for mark in " \"'\\"):
        return word
    return '"' + "".join([_escape(letter) for letter in word]) + '"'


def _escape(letter: str) -> str:
    if letter in '"\\':
        return "\\" + letter
    if letter in _ESCAPED:
        return _ESCAPED[letter]
    code = ord(letter)
    return f"\\x{code:02x}" if code < 0x20 or code == 0x7F else letter


def _split(text: str, *, escapes: bool, strict: bool) -> list[str]:
    if not any(mark in text for mark in "\"'\\"):
        for blank in "\t\n\r":
            text = text.replace(blank, " ")
        return [word for word in text.split(" ") if word]
    words: list[str] = []
    word: str | None = None
    quote = ""
    place, end = 0, len(text)
    while place < end:
        letter = text[place]
        place += 1
        if letter == "\\" and escapes:
            piece, place = _unescape(text, place)
            word = (word or "") + piece if piece else word
        elif letter == quote:
            quote = ""
        elif not quote and letter in _QUOTES:
            quote, word = letter, word or ""
        elif quote or letter not in _BLANKS:
            word = (word or "") + letter
        elif word is not None:
            words.append(word)
            word = None
    if quote and strict:
        raise ValueError("unbalanced quotes")
    if word is not None:
        words.append(word)
    return [_together(one) for one in words]


def _unescape(text: str, place: int) -> tuple[str, int]:
    """Return what the escape whose letter is at `place` stands for, and the place behind it."""
    letter = text[place : place + 1]
    if not letter:
        return "", place  # a backslash at the end
    if letter in _LETTERS:
        return _LETTERS[letter], place + 1
    if letter in "\\\"'":
        return letter, place + 1
    if letter in _DIGITS:
        start, base, count = place + 1, 16, _DIGITS[letter]
    else:
        start, base, count = place, 8, 3
    code = _number(text[start : start + count], base, count)
    if code is None or code > (0x10FFFF if letter in "uU" else 0xFF) or 0xD800 <= code < 0xE000:
        raise ValueError(f"unsupported escape char '\\{letter}'")
    # A byte stands as os.fsdecode has it, until `_together` sees its neighbours.
    return chr(code if code < 0x80 or letter in "uU" else 0xDC00 + code), start + count


def _number(digits: str, base: int, count: int) -> int | None:
    """Return a number that is not 0 of exactly so many digits."""
    allowed = "01234567" if base == 8 else "0123456789abcdefABCDEF"
    if len(digits) != count or any(digit not in allowed for digit in digits):
        return None
    return int(digits, base) or None


def _together(word: str) -> str:
    """Return a word whose bytes, written one by one as escapes, are characters where they make some."""
    if word.isascii():
        return word
    return word.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
