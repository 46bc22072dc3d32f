"""A choice among several, with the arrow keys of a terminal."""

from __future__ import annotations

import contextlib
import os
import sys
import termios
import tty
from typing import TYPE_CHECKING

from pod.errors import PodError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_UP, _DOWN = ("\x1b[A", "\x1bOA", "k", "\x10"), ("\x1b[B", "\x1bOB", "j", "\x0e")
_ENTER, _END = ("\r", "\n"), ("\x03", "\x04", "\x1b", "")


def choose(label: str, items: Sequence[str]) -> str:
    """Show the items below a label and return the one that the user enters. Raises PodError if none is."""
    at = 0
    with _keys():
        sys.stdout.write(f"? {label}: \n")
        while True:
            _draw(items, at)
            key = _key()
            if key in _ENTER or key in _END:
                break
            at = (at + (key in _DOWN) - (key in _UP)) % len(items)
            sys.stdout.write(f"\x1b[{len(items)}A")
        # The list goes, the choice stays.
        sys.stdout.write(f"\x1b[{len(items) + 1}A\x1b[J")
        if key in _ENTER:
            sys.stdout.write(f"\u2714 {items[at]}\n")
        sys.stdout.flush()
    if key in _END:
        raise PodError("^C" if key == "\x03" else "^D")
    return items[at]


def _draw(items: Sequence[str], at: int) -> None:
    for i, item in enumerate(items):
        sys.stdout.write(f"\x1b[2K  \u25b8 {item}\n" if i == at else f"\x1b[2K    {item}\n")
    sys.stdout.flush()


def _key() -> str:
    """Read one key; those of arrows are three bytes at once."""
    return os.read(sys.stdin.fileno(), 8).decode(errors="replace")


@contextlib.contextmanager
def _keys() -> Iterator[None]:
    """Give keys as they are typed, unseen."""
    before = termios.tcgetattr(0)
    tty.setcbreak(0, termios.TCSANOW)
    # Interrupting the choice must not leave the terminal so.
    changed = termios.tcgetattr(0)
    changed[3] &= ~termios.ISIG
    termios.tcsetattr(0, termios.TCSANOW, changed)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSANOW, before)
