"""Configuration files in TOML. The names of settings are in any case, as podman takes `Blocked` for `blocked`."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from storage.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Collection


class NotTomlError(StorageError):
    """A file is not of this format, or more than can be read."""


def load(path: str, *, verbatim: Collection[str] = ()) -> dict[str, Any]:
    """Read a file, with the names of its settings in small letters, but for those in the tables `verbatim`.

    Of settings that differ in case only, the one in small letters counts; tables become one. Raises OSError, or
    NotTomlError, which does not name the file.
    """
    try:
        with open(path, "rb") as file:
            return _lowered(tomllib.load(file), verbatim)
    except UnicodeDecodeError as error:
        raise NotTomlError("not UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise NotTomlError(str(error)) from error
    except RecursionError as error:
        raise NotTomlError("nested too deeply") from error


def _lowered(table: dict[str, Any], verbatim: Collection[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    # What is in small letters already comes last, and counts.
    for key, value in sorted(table.items(), key=lambda pair: pair[0].islower()):
        name = key.lower()
        if isinstance(value, dict) and name not in verbatim:
            value = _lowered(value, verbatim)
        elif isinstance(value, list):
            value = [_lowered(one, verbatim) if isinstance(one, dict) else one for one in value]
        found[name] = _merged(found[name], value) if name in found else value
    return found


def _merged(before: Any, after: Any) -> Any:
    if not isinstance(before, dict) or not isinstance(after, dict):
        return after
    return before | {name: _merged(before[name], one) if name in before else one for name, one in after.items()}
