"""JSON that means one thing only: no member twice, none that is not known (container-signature(5), policy.json)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection


def parse(raw: bytes) -> Any:
    """Read a document in UTF-8. Raises ValueError for what is no JSON or has a member twice."""
    try:
        text = raw.decode("utf-8")
        return json.loads(text, object_pairs_hook=_once, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def members(value: object, known: Collection[str], *, open_ended: bool = False) -> dict[str, Any]:
    """Give an object back. Raises ValueError if it is none, or has members beside those known and is not open-ended."""
    if not isinstance(value, dict):
        raise ValueError("JSON object expected")
    for name in value:
        if name not in known and not open_ended:
            raise ValueError(f"Unknown key {quoted(name)}")
    return value


def text(value: dict[str, Any], name: str) -> str:
    """Give a member that must be there and be a string. Raises ValueError."""
    found = value.get(name)
    if not isinstance(found, str):
        raise ValueError(f"Key {quoted(name)} must be a string")
    return found


def quoted(value: object) -> str:
    """Put a stranger's words into a message: one printable line of bounded length, in quotes."""
    return json.dumps(str(value)[:300], ensure_ascii=True)


def shown(value: object) -> str:
    """Do the same without quotes."""
    return quoted(value)[1:-1]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"Duplicate key {quoted(name)}")
        found[name] = value
    return found


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no value")
