"""`update`: other limits for a container that is there."""

from __future__ import annotations

import posix

from runtime.cli import values
from runtime.cli.arguments import UsageError
from runtime.errors import SpecError
from runtime.update import update

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.cli.arguments import CommandLine

# option: where its value goes in `linux.resources`
_NUMBERS = {
    "blkio-weight": ("blockIO", "weight"),
    "cpu-period": ("cpu", "period"),
    "cpu-quota": ("cpu", "quota"),
    "cpu-burst": ("cpu", "burst"),
    "cpu-share": ("cpu", "shares"),
    "cpu-rt-period": ("cpu", "realtimePeriod"),
    "cpu-rt-runtime": ("cpu", "realtimeRuntime"),
    "cpu-idle": ("cpu", "idle"),
    "pids-limit": ("pids", "limit"),
}
_SIZES = {
    "memory": ("memory", "limit"),
    "memory-reservation": ("memory", "reservation"),
    "memory-swap": ("memory", "swap"),
}
_TEXTS = {"cpuset-cpus": ("cpu", "cpus"), "cpuset-mems": ("cpu", "mems")}


def main(line: CommandLine) -> int:
    """Change the limits of a container."""
    for name in ("l3-cache-schema", "mem-bw-schema"):
        if line.text(name):
            raise UsageError(f"--{name}: Intel RDT is not supported")
    file = line.text("resources")
    changes = _read(file) if file else _changes(line)
    update(values.root(line), line.arguments[0], changes)
    return 0


def _changes(line: CommandLine) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, (section, key) in _NUMBERS.items():
        found.setdefault(section, {})[key] = line.number(name)
    for name, (section, key) in _SIZES.items():
        text = line.text(name)
        found.setdefault(section, {})[key] = None if text is None else values.size(text)
    for name, (section, key) in _TEXTS.items():
        found.setdefault(section, {})[key] = line.text(name)
    return found


def _read(file: str) -> dict[str, Any]:
    """Read a `linux.resources` from a file, `-` for standard input."""
    from runtime import jsontext, spec

    if file != "-":
        return spec.load_object(file, "resources")
    try:
        parts = []
        while part := posix.read(0, 65536):
            parts.append(part)
        document = jsontext.loads(b"".join(parts))
    except (OSError, ValueError) as error:
        raise SpecError(f"read the resources from standard input: {error}") from error
    if not isinstance(document, dict):
        raise SpecError("read the resources from standard input: not a JSON object")
    return document
