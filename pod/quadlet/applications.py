"""Applications: units and other files that were installed together, and so are removed together.

Ours is a directory among the units, with a list of its files in `.NAME.app`; so it comes and goes in one step. podman
has its files beside those of others, and the same list (`.NAME.app`, `.NAME.asset`) there: that is read here, too.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

APPLICATION, ASSETS = ".app", ".asset"


class Application:
    """Files that belong together: `label` is the name of their list, `top` where the list and they are."""

    __slots__ = ("files", "is_directory", "label", "top")

    def __init__(self, label: str, top: str, files: list[str], *, is_directory: bool) -> None:
        self.label = label
        self.top = top
        self.files = files
        self.is_directory = is_directory  # its own

    @property
    def name(self) -> str:
        """What the user calls it."""
        return self.label.removeprefix(".").removesuffix(APPLICATION)

    @property
    def paths(self) -> list[str]:
        """Where its files are."""
        return [f"{self.top}/{name}" for name in self.files]


def label(name: str) -> str:
    """Return how the list of an application's files is called."""
    return f".{name}{APPLICATION}"


def find(directory: str) -> list[Application]:
    """Return what is installed below a directory of units."""
    found = list(_lists(directory, is_directory=False))
    for name in _entries(directory):
        top = f"{directory}/{name}"
        if os.path.isdir(top):
            found += [one for one in _lists(top, is_directory=True) if one.name == name]
    return found


def _lists(top: str, *, is_directory: bool) -> Iterator[Application]:
    for name in _entries(top):
        if name.startswith(".") and name.endswith((APPLICATION, ASSETS)):
            try:
                with open(f"{top}/{name}", encoding="utf-8") as file:
                    lines = [line.strip() for line in file]
            except (OSError, UnicodeDecodeError):
                continue
            # A name with a way out of the directory was not written by who installs.
            files = [line for line in lines if line and ".." not in line.split("/") and not line.startswith("/")]
            yield Application(name, top, files, is_directory=is_directory)


def _entries(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []
