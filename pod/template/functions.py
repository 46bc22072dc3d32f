"""The functions that templates may call: Go's own, and those that podman's reports add (join, json, upper …)."""

from __future__ import annotations

from pod.template.values import NO_VALUE, GoValueError, Map, text, to_json, truth, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Signature:
    """A function with the types of its parameters; `more` is the type of any number of further ones."""

    def __init__(self, function: Callable[..., Any], *types: str, more: str = "") -> None:
        self.function = function
        self.types = types
        self.more = more
        self.least = len(types)
        self.most = None if more else len(types)

    def type(self, position: int) -> str:
        """Return the type of a parameter."""
        return self.types[position] if position < len(self.types) else self.more


def kind(value: Any) -> str:
    """Return which values may be compared with each other."""
    for type_, name in ((bool, "bool"), (int, "int"), (float, "float"), (str, "string")):
        if isinstance(value, type_):
            return name
    return "nil" if value is None or value is NO_VALUE else "other"


def equal(first: Any, *others: Any) -> bool:
    """`eq`: whether the first equals any of the others."""
    if not others:
        raise GoValueError("missing argument for comparison")
    for other in others:
        kinds = {kind(first), kind(other)}
        if len(kinds) > 1 and "nil" not in kinds:
            raise GoValueError("incompatible types for comparison")
        if kinds == {"other"}:
            raise GoValueError(f"non-comparable type {text(first)}: {type_name(first)}")
        if first == other or kinds == {"nil"}:
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
            if not isinstance(key, str):
                raise GoValueError(f"value has type {type_name(key)}; should be string")
            # A missing key has the zero value of the map's type.
            value = value.get(key, "" if all(isinstance(one, str) for one in value.values()) else NO_VALUE)
        elif isinstance(value, (list, tuple, str)):
            value = element(value, key)
        elif value is None or value is NO_VALUE:
            raise GoValueError("index of nil pointer")
        else:
            raise GoValueError(f"can't index item of type {type_name(value)}")
    return value


def element(value: Any, key: Any) -> Any:
    """Return an element of a list, or a byte of a string."""
    if not isinstance(key, int) or isinstance(key, bool):
        raise GoValueError(f"cannot index slice/array with type {'nil' if key is None else type_name(key)}")
    items = value.encode() if isinstance(value, str) else value
    if not 0 <= key < len(items):
        raise GoValueError(f"index out of range: {key}")
    return items[key]


def slice_(value: Any, *bounds: Any) -> Any:
    """`slice`: a part of a list or string."""
    if not isinstance(value, (list, tuple, str)):
        raise GoValueError(f"can't slice item of type {type_name(value)}")
    if isinstance(value, str) and len(bounds) > 2:
        raise GoValueError("cannot 3-index slice a string")
    if len(bounds) > 3:
        raise GoValueError(f"too many slice indexes: {len(bounds)}")
    items = value.encode() if isinstance(value, str) else value
    for bound in bounds:
        if not isinstance(bound, int) or isinstance(bound, bool):
            raise GoValueError(f"cannot index slice/array with type {type_name(bound)}")
        if not 0 <= bound <= len(items):
            raise GoValueError(f"index out of range: {bound}")
    low = bounds[0] if bounds else 0
    high = bounds[1] if len(bounds) > 1 else len(items)
    if low > high:
        raise GoValueError(f"invalid slice index: {low} > {high}")
    part = items[low:high]
    return part.decode(errors="replace") if isinstance(part, bytes) else part


def length(value: Any) -> int:
    """`len`."""
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, (list, tuple, Map)):
        return len(value)
    raise GoValueError(f"len of {'nil pointer' if value is None else f'type {type_name(value)}'}")


def sprint(*values: Any) -> str:
    """`print`: a space between two that are both no strings."""
    result = ""
    for i, value in enumerate(values):
        if i and not isinstance(value, str) and not isinstance(values[i - 1], str):
            result += " "
        result += text(value)
    return result


def call(function: Any, *arguments: Any) -> Any:
    """`call`: the result of a value that is a function."""
    if not callable(function):
        raise GoValueError(f"non-function of type {type_name(function)}")
    return function(*arguments)


def join(values: Any, separator: str) -> str:
    """`join`."""
    return separator.join(values or ())


def split(value: str, separator: str) -> list[str]:
    """`split`."""
    return value.split(separator) if separator else list(value)


def title(value: str) -> str:
    """`title`: the first letter of each word in capitals."""
    return "".join(letter.title() if i == 0 or value[i - 1].isspace() else letter for i, letter in enumerate(value))


def truncate(value: str, limit: int) -> str:
    """`truncate`: the first characters."""
    return value[: max(limit, 0)]


def pad(value: str, before: int, after: int) -> str:
    """`pad`: spaces before and after, unless empty."""
    return f"{' ' * before}{value}{' ' * after}" if value else value


HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;", "\0": "\ufffd"})
JS = str.maketrans(
    {"\\": "\\\\", "'": "\\'", '"': '\\"', "<": "\\u003C", ">": "\\u003E", "&": "\\u0026", "=": "\\u003D"}
    | {chr(code): f"\\u{code:04X}" for code in range(32)}
)


def sprintf(format: str, *values: Any) -> str:
    """Return the text that Go's `fmt.Sprintf` makes."""
    from pod.template.printf import sprintf  # with `re`, of which few templates have need

    return sprintf(format, *values)


def urlquery(*values: Any) -> str:
    """Return the text as a part of a URL's query."""
    from urllib.parse import quote_plus

    return quote_plus(sprint(*values), safe="~")


FUNCTIONS: dict[str, Signature] = {
    "and": Signature(lambda *values: values, "any", more="any"),
    "call": Signature(call, "any", more="any"),
    "eq": Signature(equal, "any", more="any"),
    "ge": Signature(lambda one, other: not less(one, other), "any", "any"),
    "gt": Signature(lambda one, other: less(other, one), "any", "any"),
    "html": Signature(lambda *values: sprint(*values).translate(HTML), more="any"),
    "index": Signature(index, "any", more="any"),
    "join": Signature(join, "[]string", "string"),
    "js": Signature(lambda *values: sprint(*values).translate(JS), more="any"),
    "json": Signature(to_json, "any"),
    "le": Signature(lambda one, other: not less(other, one), "any", "any"),
    "len": Signature(length, "any"),
    "lower": Signature(str.lower, "string"),
    "lt": Signature(less, "any", "any"),
    "ne": Signature(lambda one, other: not equal(one, other), "any", "any"),
    "not": Signature(lambda value: not truth(value), "any"),
    "or": Signature(lambda *values: values, "any", more="any"),
    "pad": Signature(pad, "string", "int", "int"),
    "print": Signature(sprint, more="any"),
    "printf": Signature(sprintf, "string", more="any"),
    "println": Signature(lambda *values: " ".join(map(text, values)) + "\n", more="any"),
    "slice": Signature(slice_, "any", more="any"),
    "split": Signature(split, "string", "string"),
    "title": Signature(title, "string"),
    "truncate": Signature(truncate, "string", "int"),
    "upper": Signature(str.upper, "string"),
    "urlquery": Signature(urlquery, more="any"),
}
