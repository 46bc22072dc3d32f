"""The user's terminal, as far as it matters before a container has one."""

from __future__ import annotations

import os
import sys


def check(wanted: bool) -> None:
    """Warn, as podman does, that nobody can type into a container's terminal if stdin is none."""
    if wanted and not os.isatty(0):
        sys.stderr.write("The input device is not a TTY. The --tty and --interactive flags might not work properly\n")


def size() -> tuple[int, int]:
    """Return height and width of the user's terminal, zeros if there is none."""
    try:
        found = os.get_terminal_size(0)
    except OSError:
        return 0, 0
    return found.lines, found.columns
