"""The variables of our own process, without `os`: importing that takes a millisecond of commands that take ten.

As `os.environ` has them: what is not in the encoding of file names is kept as it is (PEP 383).
"""

from __future__ import annotations

import posix
import sys


def value(name: str) -> str:
    """Return a variable; empty if it is not set."""
    found = posix.environ.get(name.encode())
    return "" if found is None else _text(found)


def variables() -> dict[str, str]:
    """Return all variables."""
    return {_text(name): _text(found) for name, found in posix.environ.items()}


def _text(encoded: bytes) -> str:
    return encoded.decode(sys.getfilesystemencoding(), sys.getfilesystemencodeerrors())
