"""Go's values for templates: how they print, compare, and are formatted (`fmt`, `text/template`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


class GoValueError(Exception):
    """A function was given a value that it cannot take."""


class Map(dict[str, "Any"]):
    """A Go map, sorted by key as Go prints it; a plain dict is a Go struct, whose fields are fixed."""

    def __init__(self, values: dict[str, Any] | None = None) -> None:
        super().__init__(sorted((values or {}).items()))


class Record(dict[str, "Any"]):
    """A Go struct known by its JSON: templates write its fields as Go does (`.Store.GraphRoot` for graphRoot)."""

    def __contains__(self, name: object) -> bool:
        return super().__contains__(self.key(str(name)))

    def __getitem__(self, name: str) -> Any:
        return super().__getitem__(self.key(name))

    def key(self, name: str) -> str:
        """Return the key that a field's name stands for."""
        if super().__contains__(name):
            return name
        wanted = GO_NAMES.get(name, name).lower()
        return next((key for key in self if key.lower() == wanted), name)


# Where Go's field is not called as its JSON key is.
GO_NAMES = {"CgroupsVersion": "cgroupVersion", "ImageID": "Image"}
# The keys whose value is a map in Go.
MAP_FIELDS = frozenset(
    (
        "Annotations",
        "Data",
        "ExposedPorts",
        "Labels",
        "Networks",
        "Options",
        "Ports",
        "Sysctls",
        "Tmpfs",
        "Volumes",
        "graphOptions",
        "graphStatus",
    )
)


def record(value: Any, key: str = "") -> Any:
    """Return a JSON object as the Go struct, or where its key says so the map, that podman has there."""
    if isinstance(value, Map):
        return value
    if isinstance(value, dict):
        fields = {name: record(item, name) for name, item in value.items()}
        return Map(fields) if key in MAP_FIELDS else Record(fields)
    if isinstance(value, list):
        return [record(item) for item in value]
    return value


class _NoValue:
    def __repr__(self) -> str:
        return "<no value>"


NO_VALUE = _NoValue()


class Time:
    """A moment: RFC 3339 in JSON, Go's own form when printed; None stands for Go's zero time."""

    __slots__ = ("seconds",)

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds

    def _stamp(self, separator: str) -> str:
        from time import gmtime, strftime

        if self.seconds is None:
            return f"0001-01-01{separator}00:00:00"
        whole = int(self.seconds // 1)
        fraction = f"{self.seconds - whole:.9f}"[1:].rstrip("0").rstrip(".")
        return strftime(f"%Y-%m-%d{separator}%H:%M:%S", gmtime(whole)) + fraction

    def to_json(self) -> str:
        """Return the RFC 3339 form."""
        return self._stamp("T") + "Z"

    def __str__(self) -> str:
        return self._stamp(" ") + " +0000 UTC"

    def Unix(self) -> int:
        """Return the seconds since 1970."""
        return int(self.seconds or 0)


def text(value: Any) -> str:
    """Return a value as Go's %v prints it."""
    if value is None:
        return "<nil>"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return go_float(value)
    if isinstance(value, Map):
        return "map[" + " ".join(f"{key}:{text(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, dict):
        return "{" + " ".join(text(item) for item in value.values()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + " ".join(map(text, value)) + "]"
    return str(value)


def go_float(value: float) -> str:
    """Return a float as Go's %v: the shortest form, an exponent only below 1e-4 and from 1e21 on."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    if value == 0 or 1e-4 <= abs(value) < 1e21:
        short = repr(value)
        return (f"{value:.0f}" if "e" in short else short).removesuffix(".0")
    mantissa, _, exponent = f"{value!r}".partition("e")
    return f"{mantissa.removesuffix('.0')}e{exponent}"


def truth(value: Any) -> bool:
    """Whether `if` takes a value for true: not false, 0, nil, or empty."""
    if value is NO_VALUE:
        return False
    return bool(value)


def kind(value: Any) -> str:
    """Return which values may be compared with each other."""
    if isinstance(value, bool):
        return "bool"
    for type_, name in ((int, "int"), (float, "float"), (str, "string")):
        if isinstance(value, type_):
            return name
    return "nil" if value is None else "other"


def equal(*values: Any) -> bool:
    """`eq`: whether the first equals any of the others."""
    if len(values) < 2:
        raise GoValueError("missing argument for comparison")
    first = values[0]
    for other in values[1:]:
        if kind(first) != kind(other) and "nil" not in (kind(first), kind(other)):
            raise GoValueError("incompatible types for comparison")
        if first == other:
            return True
    return False


def less(one: Any, other: Any) -> bool:
    """`lt`."""
    if kind(one) != kind(other):
        raise GoValueError("incompatible types for comparison")
    if kind(one) not in ("int", "float", "string"):
        raise GoValueError("invalid type for comparison")
    return bool(one < other)


def index(value: Any, *keys: Any) -> Any:
    """`index`: an element of a list or a map, or of what is in there."""
    for key in keys:
        if isinstance(value, dict):
            value = value.get(key, "")
        elif isinstance(value, (list, tuple, str)):
            if not isinstance(key, int) or isinstance(key, bool):
                raise GoValueError(f"cannot index slice/array with type {kind(key)}")
            if not 0 <= key < len(value):
                raise GoValueError(f"error calling index: index out of range: {key}")
            value = value[key] if not isinstance(value, str) else value.encode()[key]
        elif value is None:
            raise GoValueError("error calling index: index of nil pointer")
        else:
            raise GoValueError(f"error calling index: can't index item of type {kind(value)}")
    return value


def slice_(value: Any, *bounds: int) -> Any:
    """`slice`: a part of a list or string."""
    if not isinstance(value, (list, tuple, str)):
        raise GoValueError(f"error calling slice: can't slice item of type {kind(value)}")
    low = bounds[0] if bounds else 0
    high = bounds[1] if len(bounds) > 1 else len(value)
    if not 0 <= low <= high <= len(value):
        raise GoValueError(f"error calling slice: index out of range: {high if high > len(value) else low}")
    return value[low:high]


def length(value: Any) -> int:
    """`len`."""
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, (list, tuple, dict)):
        return len(value)
    raise GoValueError(f"error calling len: len of {'nil pointer' if value is None else 'type ' + kind(value)}")


def sprint(*values: Any) -> str:
    """`print`: a space between two that are both no strings."""
    result = ""
    for i, value in enumerate(values):
        if i and not isinstance(value, str) and not isinstance(values[i - 1], str):
            result += " "
        result += text(value)
    return result


def sprintf(format: str, *values: Any) -> str:
    """`printf`, with the verbs that templates use."""
    result: list[str] = []
    rest = list(values)
    position = 0
    while position < len(format):
        if format[position] != "%":
            end = format.find("%", position)
            end = len(format) if end < 0 else end
            result.append(format[position:end])
            position = end
            continue
        end = position + 1
        while end < len(format) and format[end] in "+-# 0123456789.":
            end += 1
        verb = format[end : end + 1]
        flags = format[position + 1 : end]
        position = end + 1
        if verb == "%":
            result.append("%")
        elif not verb:
            result.append("%!(NOVERB)")
        elif not rest:
            result.append(f"%!{verb}(MISSING)")
        else:
            result.append(_verb(verb, flags, rest.pop(0)))
    if rest:
        result.append("%!(EXTRA " + ", ".join(f"{kind(value)}={text(value)}" for value in rest) + ")")
    return "".join(result)


def _verb(verb: str, flags: str, value: Any) -> str:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if verb in "dxXob" and isinstance(value, int) and number:
        return f"%{flags}{verb}" % value if verb != "b" else f"{value:b}"
    if verb in "feEgG" and number:
        return f"%{flags}{verb}" % float(value)
    if verb == "c" and number:
        return chr(int(value))
    if verb == "q":
        return f"%{flags}s" % quote(text(value))
    if verb in "xX" and isinstance(value, str):
        digits = value.encode().hex()
        return digits.upper() if verb == "X" else digits
    if verb == "T":
        return kind(value)
    if verb == "s" and number:
        return f"%!s({kind(value)}={text(value)})"
    if verb in "vs" or (verb == "t" and isinstance(value, bool)):
        return f"%{flags.replace('+', '').replace('#', '')}s" % text(value)
    return f"%!{verb}({kind(value)}={text(value)})"


def quote(value: str) -> str:
    """`%q`: a string in Go's quotes."""
    from pod.cli.output import to_json

    return to_json(value)


def truncate(value: str, limit: int) -> str:
    """`truncate`: the first characters."""
    return value[:limit]


def pad(value: str, before: int, after: int) -> str:
    """`pad`: spaces before and after, unless empty."""
    return f"{' ' * before}{value}{' ' * after}" if value else value


def joined(values: Any, separator: str) -> str:
    """`join`."""
    if values is None:
        return ""
    if not isinstance(values, (list, tuple)):
        raise GoValueError(f"wrong type for value; expected []string; got {kind(values)}")
    return separator.join(map(text, values))


def compact_json(value: Any) -> str:
    """`json`: one line."""
    import json

    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=plain)


def plain(value: Any) -> Any:
    """Return what JSON has for a value that is none of its own: what a method gives, a time as text."""
    return value() if callable(value) else value.to_json()


def escape_html(value: Any) -> str:
    """`html`."""
    result = text(value)
    for plain, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&#34;"), ("'", "&#39;")):
        result = result.replace(plain, escaped)
    return result


FUNCTIONS: dict[str, Any] = {
    "eq": equal,
    "ne": lambda one, other: not equal(one, other),
    "lt": less,
    "le": lambda one, other: less(one, other) or equal(one, other),
    "gt": lambda one, other: less(other, one),
    "ge": lambda one, other: less(other, one) or equal(one, other),
    "not": lambda value: not truth(value),
    "index": index,
    "slice": slice_,
    "len": length,
    "print": sprint,
    "println": lambda *values: " ".join(map(text, values)) + "\n",
    "printf": sprintf,
    "html": escape_html,
    "join": joined,
    "json": compact_json,
    "lower": lambda value: text(value).lower(),
    "upper": lambda value: text(value).upper(),
    "title": lambda value: " ".join(word[:1].upper() + word[1:] for word in text(value).split(" ")),
    "split": lambda value, separator: value.split(separator) if separator else list(value),
    "truncate": truncate,
    "pad": pad,
}
