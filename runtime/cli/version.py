"""What --version prints."""

from __future__ import annotations

from runtime import status
from runtime.cli import table


def text() -> str:
    """Return the version of this program and of the specification that it implements; docker reads these lines."""
    return f"{table.NAME} version {table.VERSION}\nspec: {status.VERSION}\n"
