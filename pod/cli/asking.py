"""Questions to the user."""

from __future__ import annotations

import sys


def confirmed(warning: str) -> bool:
    """Ask whether to go on, after a warning; only `y` is a yes."""
    print(warning)
    answer = ask("Are you sure you want to continue? [y/N] ")
    return answer.strip().lower()[:1] == "y"


def ask(prompt: str) -> str:
    """Ask for a line on stdin; the prompt goes to stdout."""
    sys.stdout.write(prompt)
    sys.stdout.flush()
    return sys.stdin.readline().rstrip("\n")
