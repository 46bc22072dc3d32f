"""Reading values out of OCI `linux.resources`."""

from __future__ import annotations

from runtime.errors import SpecError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Sections in which any value is a limit; devices are not among them.
_SECTIONS = ("memory", "cpu", "pids", "blockIO", "hugepageLimits", "network", "rdma", "unified")


def has_limits(resources: dict[str, Any]) -> bool:
    """Tell whether anything is limited (device rules are no limit: without cgroups permissions still hold)."""
    return any(_has_value(resources.get(section)) for section in _SECTIONS)


def _has_value(section: Any) -> bool:
    if isinstance(section, dict):
        return any(_has_value(value) for value in section.values())
    return bool(section)


def section(resources: dict[str, Any], name: str) -> dict[str, Any]:
    """Return one object of the resources, empty if it is missing."""
    value = resources.get(name)
    if value is not None and not isinstance(value, dict):
        raise SpecError(f"linux.resources.{name}: {value!r} is not an object")
    return value or {}


def number(values: dict[str, Any], key: str) -> int | None:
    """Return a whole number; None if it is missing."""
    value = values.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise SpecError(f"linux.resources: {key}: {value!r} is not a whole number")
    return value


def limit(values: dict[str, Any], key: str) -> int | None:
    """Return a whole number where zero means, as with runc and crun, that nothing was asked for."""
    return number(values, key) or None


def text(values: dict[str, Any], key: str) -> str | None:
    """Return a text; None if it is missing or empty."""
    value = values.get(key)
    if value is not None and not isinstance(value, str):
        raise SpecError(f"linux.resources: {key}: {value!r} is not a text")
    return value or None


def devices(values: dict[str, Any], key: str, amount: str) -> list[tuple[str, int]]:
    """Return a list of block devices as (`major:minor`, amount)."""
    result = []
    for entry in values.get(key) or ():
        value = number(entry, amount)
        major, minor = number(entry, "major"), number(entry, "minor")
        if major is None or minor is None:
            raise SpecError(f"linux.resources.blockIO.{key}: major or minor is missing")
        if value is not None:
            result.append((f"{major}:{minor}", value))
    return result
