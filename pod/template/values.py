"""Go's values for templates: structs, maps and times, how they print, and what their types are called."""

from __future__ import annotations

TYPE_CHECKING = False
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
        return next((key for key in self if key.replace("_", "").lower() == wanted), name)


class SparseRecord(Record):
    """A Go struct whose empty fields JSON leaves out (`omitempty`); its values are as `record` returns them."""


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
        "PortBindings",
        "Ports",
        "Sysctls",
        "Tmpfs",
        "Volumes",
        "containers",
        "graphOptions",
        "graphStatus",
        "interfaces",
        "ipam_options",
        "labels",
        "options",
    )
)


# The keys whose value is a time in Go, which templates print in Go's own form and JSON as RFC 3339.
TIME_FIELDS = frozenset(
    ("CheckpointedAt", "Created", "CreatedAt", "FinishedAt", "RestoredAt", "StartedAt", "UpdatedAt", "created"),
)


# The keys that are null in JSON while the list in Go is nil: templates see an empty one.
LIST_FIELDS = frozenset(("Entrypoint", "Cmd", "Env", "History", "Links", "Log", "OnBuild", "VolumesFrom"))


class NilMap(Map):
    """A nil map: empty for templates, null in JSON."""


class NilList(list["Any"]):
    """A nil slice: empty for templates, null in JSON."""


def record(value: Any, key: str = "") -> Any:
    """Return a JSON object as the Go struct, or where its key says so the map, that podman has there."""
    if isinstance(value, (Map, SparseRecord)):
        return value
    if isinstance(value, dict):
        fields = {name: record(item, name) for name, item in value.items()}
        return Map(fields) if key in MAP_FIELDS else Record(fields)
    if isinstance(value, list):
        return [record(item) for item in value]
    if value is None:
        return NilList() if key in LIST_FIELDS else NilMap() if key in MAP_FIELDS else None
    if key in TIME_FIELDS and isinstance(value, str) and value[10:11] == "T" and value[-1] == "Z":
        return WrittenTime(value)
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
        from runtime.moments import from_seconds, shortest

        if self.seconds is None:
            return f"0001-01-01{separator}00:00:00"
        return shortest(from_seconds(self.seconds)).replace("T", separator)[:-1]

    def to_json(self) -> str:
        """Return the RFC 3339 form."""
        return self._stamp("T") + "Z"

    def __str__(self) -> str:
        return self._stamp(" ") + " +0000 UTC"

    def Unix(self) -> int:
        """Return the seconds since 1970."""
        return int(self.seconds or 0)

    def IsZero(self) -> bool:
        """Tell whether this is Go's zero time, which stands for never."""
        return self._stamp("T") == "0001-01-01T00:00:00"

    def Year(self) -> int:
        """Return the year."""
        return int(self._stamp("T")[:4])

    def Format(self, layout: str) -> str:
        """Return the moment as Go's layout shows its reference time, 2006-01-02 15:04:05."""
        import re
        from datetime import datetime

        moment = datetime.fromisoformat(self._stamp("T")[:19])
        return re.sub("|".join(_LAYOUT), lambda found: f"{moment:{_LAYOUT[found[0]]}}", layout)


class WrittenTime(Time):
    """A moment that is known by its RFC 3339 form in UTC."""

    __slots__ = ("written",)

    def __init__(self, written: str) -> None:
        from calendar import timegm
        from time import strptime

        super().__init__(timegm(strptime(written[:19], "%Y-%m-%dT%H:%M:%S")))
        self.written = written[:-1]

    def _stamp(self, separator: str) -> str:
        return self.written.replace("T", separator)


# What of Go's reference time is which part of a moment; longer ones first. All is in UTC here.
_LAYOUT = {
    "January": "%B",
    "Monday": "%A",
    "Z07:00": "Z",
    "-07:00": "+00:00",
    "-0700": "+0000",
    "2006": "%Y",
    "Jan": "%b",
    "Mon": "%a",
    "MST": "UTC",
    "PM": "%p",
    "15": "%H",
    "01": "%m",
    "02": "%d",
    "03": "%I",
    "04": "%M",
    "05": "%S",
    "06": "%y",
}


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
    """Return a float as Go's %v: the shortest form, with an exponent below 1e-4 and from 1e6 on."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    if value == 0 or 1e-4 <= abs(value) < 1e6:
        return repr(value).removesuffix(".0")
    for digits in range(17):
        short = f"{value:.{digits}e}"
        if float(short) == value:
            break
    return short


def truth(value: Any) -> bool:
    """Whether `if` takes a value for true: not false, 0, nil, or empty."""
    if value is NO_VALUE:
        return False
    return bool(value)


def type_name(value: Any) -> str:
    """Return how Go calls the type of a value, as far as it can be told."""
    for type_, name in ((bool, "bool"), (int, "int"), (float, "float64"), (str, "string")):
        if isinstance(value, type_):
            return name
    if isinstance(value, (list, tuple)):
        inner = {type_name(item) for item in value} or {"string"}
        return f"[]{inner.pop() if len(inner) == 1 else 'interface {}'}"
    if isinstance(value, Map):
        inner = {type_name(item) for item in value.values()} or {"string"}
        return f"map[string]{inner.pop() if len(inner) == 1 else 'interface {}'}"
    return "time.Time" if isinstance(value, Time) else "interface {}"


QUOTED = {
    "\n": "\\n",
    "\t": "\\t",
    "\r": "\\r",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\v": "\\v",
    "\\": "\\\\",
    '"': '\\"',
}


def quoted(value: str) -> str:
    """Return a string in Go's quotes (`%q`)."""
    return (
        '"'
        + "".join(QUOTED.get(letter) or (letter if letter.isprintable() else _escaped(letter)) for letter in value)
        + '"'
    )


def _escaped(letter: str) -> str:
    code = ord(letter)
    return f"\\x{code:02x}" if code < 128 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def to_json(value: Any) -> str:
    """Return one line of JSON, as Go encodes it."""
    import json

    return json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"))


def _takes_arguments(value: Any) -> bool:
    code = getattr(value, "__code__", None)
    return code is not None and code.co_argcount > len(value.__defaults__ or ())


def _plain(value: Any) -> Any:
    """Return what JSON has for a value: what a method gives, a time as text, 1 for 1.0."""
    if isinstance(value, (NilMap, NilList)):
        return None
    if isinstance(value, dict):
        told = {key: item for key, item in value.items() if item} if isinstance(value, SparseRecord) else value
        return {key: _plain(item) for key, item in told.items() if not _takes_arguments(item)}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 1e21 else value
    if value is None or value is NO_VALUE:
        return None
    if isinstance(value, (str, int)):
        return value
    return _plain(value()) if callable(value) else value.to_json()
