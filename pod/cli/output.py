"""What commands print: columns, `--format` templates, JSON, sizes and ages, as podman prints them."""

from __future__ import annotations

import sys
from _json import encode_basestring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

# Go's tabwriter as podman sets it up: cells of at least 12, with two spaces after the longest.
MINIMUM_WIDTH = 12
PADDING = 2

SIZE_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")
ESCAPES = (("\\n", "\n"), ("\\t", "\t"), ("\\r", "\r"), ("\\a", "\a"), ("\\b", "\b"), ("\\f", "\f"), ("\\v", "\v"))


# What Go calls the value that a command's template is for; it is told when a field is not there.
GO_TYPES = {
    "df": "*system.dfSummary",
    "events": "*events.Event",
    "history": "images.historyReporter",
    "images": "images.imageReporter",
    "info": "*define.Info",
    "inspect": "interface {}",
    "ls": "*entities.VolumeListReport",
    "podstats": "*entities.PodStatsReport",
    "ps": "containers.psReporter",
    "search": "entities.ImageSearchReport",
    "stats": "containers.containerStats",
    "version": "*define.Version",
}


def go_type(entity: str) -> str:
    """Return the name of a type for error messages."""
    return GO_TYPES.get(entity, f"*{entity}")


def write(text: str) -> None:
    """Write to stdout."""
    sys.stdout.write(text)


def align(rows: Sequence[Sequence[str]]) -> str:
    """Return the rows as lines, their cells in columns; the last cell of a row is not padded."""
    widths: list[int] = []
    for row in rows:
        for i, cell in enumerate(row[:-1]):
            width = max(MINIMUM_WIDTH, len(cell) + PADDING)
            if i == len(widths):
                widths.append(width)
            elif width > widths[i]:
                widths[i] = width
    lines = ["".join([*map(str.ljust, row[:-1], widths), *row[-1:], "\n"]) for row in rows]
    return "".join(lines)


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]], *, noheading: bool = False) -> None:
    """Print rows in columns, below their header."""
    write(align([*([] if noheading else [header]), *rows]))


def is_json(format: str) -> bool:
    """Whether a --format asks for JSON."""
    return format.replace(" ", "") in ("json", "{{json}}", "{{json.}}")


def print_rows(
    rows: Sequence[Mapping[str, Any]],
    format: str,
    *,
    entity: str,
    headers: Mapping[str, str] | None = None,
    noheading: bool = False,
    objects: Sequence[Any] | None = None,
) -> None:
    """Print each row with a Go template; `table …` sets it in columns, `json` prints `objects` (or the rows).

    `headers` names the columns whose title is not the field's name in capitals.
    """
    if is_json(format):
        write(to_json(list(rows if objects is None else objects)) + "\n")
        return
    from pod.template.rendering import Template

    if format.startswith("{{range"):  # the template goes over the rows itself
        template = Template(line(format), name=entity, type=go_type(entity))
        write(template.render(list(rows)))
        return
    if not format.startswith("table"):
        template = Template(line(format), name=entity, offset=len("{{range .}}"), type=go_type(entity))
        write("".join([template.render(row) for row in rows]))
        return
    body = line(format.removeprefix("table").lstrip(" "))
    template = Template(outside_actions(body, " ", "\t"), name=entity, offset=len("{{range .}}"), type=go_type(entity))
    lines = [template.render(row) for row in rows]
    if not noheading:
        lines.insert(0, template.render(_Header(headers or {})))
    write(align([text.split("\t") for text in "".join(lines).splitlines()]))


class _Header(dict[str, str]):
    """Stands for a row when the line of titles is made: each field's value is its title."""

    def __missing__(self, name: str) -> str:
        return title(name)

    def __contains__(self, name: object) -> bool:
        return True


def title(field: str) -> str:
    """Return `CREATED AT` for CreatedAt, `IMAGE ID` for ImageID."""
    words: list[str] = []
    for i, letter in enumerate(field):
        if i and letter.isupper() and (field[i - 1].islower() or field[i + 1 : i + 2].islower()):
            words.append(" ")
        words.append(letter.upper())
    return "".join(words)


def print_object(value: Any, format: str, *, entity: str, indent: str = "  ") -> None:
    """Print one object with a Go template, or as JSON."""
    if is_json(format):
        write(to_json(value, indent=indent) + "\n")
        return
    from pod.template.rendering import Template
    from pod.template.values import record

    write(Template(line(format), name=entity, type=go_type(entity)).render(record(value)))


def print_inspected(objects: Sequence[Any], format: str | None, *, entity: str = "inspect") -> None:
    """Print what `inspect` found: a JSON list, or a line of the template for each.

    Raises PodError for a template that fails.
    """
    if not format or is_json(format):
        write(to_json(list(objects), indent="     ") + "\n")
        return
    from pod.template.rendering import Template
    from pod.template.values import record

    template = Template(line(format), name=entity, offset=len("{{range .}}"), type=go_type(entity))
    from pod.errors import PodError

    try:
        text = "".join([template.render(record(value)) for value in objects])
    except PodError as error:
        if entity != "inspect":
            raise
        raise PodError(f"inspecting object: printing inspect output: {error}", hint=error.hint) from None
    write(text)


def line(format: str) -> str:
    r"""Return the template with `\t` and `\n` made what they stand for, and the end of a line."""
    for written, meant in ESCAPES:
        format = outside_actions(format, written, meant)
    return format if format.endswith("\n") else format + "\n"


def outside_actions(text: str, old: str, new: str) -> str:
    """Replace in a template's plain text, not inside of `{{…}}`."""
    if old not in text:
        return text
    parts: list[str] = []
    while text:
        plain, opening, rest = text.partition("{{")
        action, closing, text = rest.partition("}}")
        parts += [plain.replace(old, new), opening, action, closing]
    return "".join(parts)


def to_json(value: Any, *, indent: str = "    ") -> str:
    """Return indented JSON; values that are no JSON know their form (`to_json`)."""
    return "".join(_encode(value, indent, "\n"))


def _encode(value: Any, indent: str, newline: str) -> Iterable[str]:
    if value is None:
        return ("null",)
    if value is True or value is False:
        return ("true" if value else "false",)
    if isinstance(value, str):
        return (encode_basestring(value),)
    if isinstance(value, (int, float)):
        return (repr(value),)
    inner = newline + indent
    if isinstance(value, dict):
        cells = [
            f"{encode_basestring(str(key))}: {''.join(_encode(item, indent, inner))}" for key, item in value.items()
        ]
        return (f"{{{inner}{f',{inner}'.join(cells)}{newline}}}" if cells else "{}",)
    if isinstance(value, (list, tuple)):
        cells = ["".join(_encode(item, indent, inner)) for item in value]
        return (f"[{inner}{f',{inner}'.join(cells)}{newline}]" if cells else "[]",)
    if callable(value):
        return _encode(value(), indent, newline)
    return _encode(value.to_json(), indent, newline)


def to_yaml(value: dict[str, Any], indent: str = "") -> str:
    """Return a mapping as YAML; texts that YAML would read as something else are quoted as JSON."""
    lines: list[str] = []
    for name, item in value.items():
        key = name if name[:1].isalnum() else _yaml_scalar(name)
        if isinstance(item, dict) and item:
            lines.append(f"{indent}{key}:\n{to_yaml(item, indent + '  ')}")
        elif isinstance(item, list) and item:
            lines.append(f"{indent}{key}:\n")
            lines += [f"{indent}- {_yaml_item(one, indent)}" for one in item]
        else:
            lines.append(f"{indent}{key}: {_yaml_scalar(item)}\n")
    return "".join(lines)


def _yaml_item(item: Any, indent: str) -> str:
    return to_yaml(item, f"{indent}  ").lstrip() if isinstance(item, dict) else f"{_yaml_scalar(item)}\n"


def _yaml_scalar(value: Any) -> str:
    if isinstance(value, str):
        # What starts with a letter or slash and has no colon or hash before a space is a text in YAML too.
        plain = value[:1].isalpha() or value[:1] in ("/", "+")
        special = value.lower() in ("true", "false", "null", "yes", "no", "on", "off", "y", "n")
        if plain and not special and not any(mark in value for mark in (": ", " #", "\n")) and value[-1:] != ":":
            return value
    return to_json(value, indent="")


def size(count: float) -> str:
    """Return a size in decimal units, three digits: `4.25 MB`."""
    unit = 0
    value = float(count)
    while value >= 1000 and unit < len(SIZE_UNITS) - 1:
        value /= 1000
        unit += 1
    return f"{value:.3g} {SIZE_UNITS[unit]}"


def human_size(count: float) -> str:
    """Return a size as docker's go-units tells it, four digits and no space: `1.988MB`."""
    unit = 0
    value = float(count)
    while value >= 1000 and unit < len(SIZE_UNITS) - 1:
        value /= 1000
        unit += 1
    return f"{value:.4g}{SIZE_UNITS[unit]}"


def duration(seconds: float) -> str:
    """Return a length of time as docker's go-units tells it: `About a minute`, `3 weeks`."""
    if seconds < 1:
        return "Less than a second"
    if seconds < 60:
        return "1 second" if int(seconds) == 1 else f"{int(seconds)} seconds"
    if seconds < 3600:
        return "About a minute" if int(seconds / 60) == 1 else f"{int(seconds / 60)} minutes"
    hours = int(seconds / 3600 + 0.5)
    if hours == 1:
        return "About an hour"
    for limit, divisor, unit in ((48, 1, "hours"), (336, 24, "days"), (1440, 168, "weeks"), (17520, 720, "months")):
        if hours < limit:
            return f"{hours // divisor} {unit}"
    return f"{int(seconds / 3600) // 24 // 365} years"


def age(then: float) -> str:
    """Return how long ago a moment was: `2 minutes ago`."""
    from time import time

    return f"{duration(time() - then)} ago"


def print_errors(errors: Sequence[BaseException]) -> int:
    """Print errors of a command that went on after them; return the exit status, 0 if there are none."""
    from pod.errors import report

    status = 0
    for error in errors:
        told = report(error)
        if told is None:
            raise error
        sys.stdout.flush()
        sys.stderr.write(f"Error: {told[0]}\n" + (f"hint: {told[1]}\n" if told[1] else ""))
        status = status or told[2]
    return status
