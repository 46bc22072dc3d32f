"""Go's `fmt.Sprintf` for the values that templates have. See https://pkg.go.dev/fmt."""

from __future__ import annotations

import re

from pod.template.values import NO_VALUE, Map, quoted, text, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DIRECTIVE = re.compile(r"%(?P<flags>[-+# 0]*)(?P<width>\*|\d+)?(?:\.(?P<precision>\*|\d*))?(?:\[(?P<index>\d+)\])?")
WIDEST = 1_000_000  # as in Go


class Directive:
    """One `%…`: flags, width, precision and verb."""

    def __init__(self, flags: str, width: int, precision: int | None, verb: str) -> None:
        self.minus = "-" in flags
        self.plus = "+" in flags
        self.sharp = "#" in flags
        self.space = " " in flags
        self.zero = "0" in flags and not self.minus
        self.width = width
        self.precision = precision
        self.verb = verb

    def pad(self, result: str, *, zeros: bool = False) -> str:
        """Return the text in the width that is asked for."""
        if self.minus:
            return result.ljust(self.width)
        if zeros and self.zero:
            return result.zfill(self.width)
        return result.rjust(self.width)


class Arguments:
    """The values, taken one after the other or by number."""

    def __init__(self, values: tuple[Any, ...]) -> None:
        self.values = values
        self.next = 0
        self.reordered = False

    def take(self) -> tuple[bool, Any]:
        """Return whether there is a further value, and the value."""
        self.next += 1
        there = 0 < self.next <= len(self.values)
        return there, self.values[self.next - 1] if there else None


def sprintf(format: str, *values: Any) -> str:
    """Return the text; mistakes are told in it, as Go does: `%!d(string=web)`."""
    given = Arguments(values)
    result: list[str] = []
    position = 0
    while position < len(format):
        match = DIRECTIVE.match(format, position)
        if match is None:
            end = format.find("%", position)
            end = len(format) if end < 0 else end
            result.append(format[position:end])
            position = end
            continue
        verb = format[match.end() : match.end() + 1]
        position = match.end() + 1
        result.append(directive(match, verb, given))
    if given.next < len(values) and not given.reordered:
        extra = ", ".join(bad_value(value) for value in values[given.next :])
        result.append(f"%!(EXTRA {extra})")
    return "".join(result)


def directive(match: re.Match[str], verb: str, given: Arguments) -> str:
    """Return what one directive makes of its value."""
    flags = match["flags"]
    width = number(match["width"], given)
    precision = None if match["precision"] is None else number(match["precision"], given)
    if width < 0:
        flags, width = flags + "-", -width
    if not verb:
        return "%!(NOVERB)"
    if verb == "%":
        return "%"
    if match["index"]:
        given.next, given.reordered = int(match["index"]) - 1, True
    there, value = given.take()
    if not there:
        return f"%!{verb}({'BADINDEX' if match['index'] else 'MISSING'})"
    return formatted(Directive(flags, min(width, WIDEST), precision, verb), value)


def number(text: str | None, given: Arguments) -> int:
    """Return a width or precision, which `*` takes from the values."""
    if text != "*":
        return min(int(text or 0), WIDEST)
    there, value = given.take()
    return value if there and isinstance(value, int) else 0


def bad_value(value: Any) -> str:
    """Return how Go tells of a value that a verb cannot take."""
    return "<nil>" if value is None else f"{type_name(value)}={text(value)}"


def formatted(how: Directive, value: Any) -> str:
    """Return one value as its verb wants it."""
    verb = how.verb
    if verb == "T":
        return how.pad("<nil>" if value is None else type_name(value))
    if value is None or value is NO_VALUE:
        return how.pad(text(None)) if verb == "v" else f"%!{verb}(<nil>)"
    if isinstance(value, bool):
        return how.pad(text(value)) if verb in "tv" else f"%!{verb}({bad_value(value)})"
    if isinstance(value, int):
        return integer(how, value)
    if isinstance(value, float):
        return real(how, value)
    if isinstance(value, str):
        return string(how, value)
    if isinstance(value, (dict, list, tuple)):
        return compound(how, value)
    return string(how, text(value))


def compound(how: Directive, value: Any) -> str:
    """Return a list, map or struct, of which each part is formatted."""
    if isinstance(value, Map):
        parts = [f"{formatted(how, key)}:{formatted(how, item)}" for key, item in sorted(value.items())]
        return f"map[{' '.join(parts)}]"
    if isinstance(value, dict):
        named = how.verb == "v" and (how.plus or how.sharp)
        return "{" + " ".join((f"{key}:" if named else "") + formatted(how, item) for key, item in value.items()) + "}"
    return "[" + " ".join(formatted(how, item) for item in value) + "]"


def integer(how: Directive, value: int) -> str:
    """Return an integer."""
    sign = "-" if value < 0 else "+" if how.plus and how.verb != "v" else " " if how.space else ""
    size = abs(value)
    if how.verb in "cq":
        letter = chr(value) if 0 <= value < 0x110000 else "\ufffd"
        return how.pad(letter if how.verb == "c" else f"'{letter}'")
    if how.verb == "U":
        return how.pad(f"U+{size:04X}")
    digits = {
        "d": f"{size}",
        "v": f"{size}",
        "b": f"{size:b}",
        "o": f"{size:o}",
        "O": f"{size:o}",
        "x": f"{size:x}",
        "X": f"{size:X}",
    }.get(how.verb)
    if digits is None:
        return f"%!{how.verb}({bad_value(value)})"
    prefix = {"x": "0x", "X": "0X", "o": "0", "b": "0b"}.get(how.verb, "") if how.sharp else ""
    prefix = "0o" if how.verb == "O" else prefix
    if how.precision is not None:
        return how.pad(sign + prefix + digits.zfill(how.precision))
    if how.zero:
        digits = digits.zfill(how.width - len(sign))
    return how.pad(sign + prefix + digits)


def real(how: Directive, value: float) -> str:
    """Return a floating point number."""
    if how.verb not in "eEfFgGv":
        return f"%!{how.verb}({bad_value(value)})"
    if how.verb in "gGv" and how.precision is None:
        digits = text(value).upper() if how.verb == "G" else text(value)
    else:
        verb = "g" if how.verb == "v" else how.verb
        digits = f"%.{6 if how.precision is None else how.precision}{verb}" % value
    if digits[:1] not in "+-":
        digits = ("+" if how.plus else " " if how.space else "") + digits
    return how.pad(digits, zeros=True)


def string(how: Directive, value: str) -> str:
    """Return a string."""
    if how.precision is not None and how.verb in "svq":
        value = value[: how.precision]
    if how.verb in "sv":
        return how.pad(quoted(value) if how.verb == "v" and how.sharp else value)
    if how.verb == "q":
        return how.pad(f"`{value}`" if how.sharp and "`" not in value else quoted(value))
    if how.verb in "xX":
        digits = value.encode(errors="surrogateescape").hex(" ")
        digits = digits if how.space else digits.replace(" ", "")
        return how.pad(digits.upper() if how.verb == "X" else digits)
    return f"%!{how.verb}({bad_value(value)})"
