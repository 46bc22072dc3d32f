"""What parsing configuration files came to, kept in the user's runroot for as long as none of the files changes.

Importing tomllib and parsing costs more than anything else that a command does before it knows what to do.
"""

from __future__ import annotations

import posix

from runtime import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, TypeVar

    Made = TypeVar("Made")
    # Path, time of the last change, size, inode.
    Seen = list[str | int]


def seen(paths: Iterable[str]) -> list[Seen]:
    """Return those of the files that are there, with what changes when their content does."""
    found: list[Seen] = []
    for path in paths:
        try:
            status = posix.stat(path)
        except OSError:
            continue
        found.append([path, status.st_mtime_ns, status.st_size, status.st_ino])
    return found


def parsed(
    cache: str, files: list[Seen], parse: Callable[[list[str]], dict[str, Any]], make: Callable[[dict[str, Any]], Made]
) -> Made:
    """Return what `make` makes of what `parse` says of the files, or of what it said of the same ones before.

    That is in the file `cache`, whose directory may be missing.
    """
    try:
        with open(cache, encoding="utf-8") as file:
            document = jsontext.loads(file.read())
        if document["files"] == files:
            return make(document["said"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    said = parse([str(entry[0]) for entry in files])
    _keep(cache, {"files": files, "said": said})
    return make(said)


def _keep(path: str, document: dict[str, Any]) -> None:
    temporary = f"{path}.{posix.getpid()}"
    try:
        text = jsontext.dumps(document)
        with open(temporary, "x", encoding="utf-8") as file:
            file.write(text)
        posix.rename(temporary, path)
    except (OSError, TypeError):
        return  # no runroot yet, or a value that JSON does not have: the next command parses again
