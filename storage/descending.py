"""Directories below a directory, opened by one name after the other: a link on the way is refused (openat(2))."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def open_below(fd: int, names: Iterable[str]) -> int:
    """Return a descriptor of the directory that names lead to from `fd`, which is closed. Raises OSError."""
    for name in names:
        try:
            below = os.open(name, DIRECTORY, dir_fd=fd)
        finally:
            os.close(fd)
        fd = below
    return fd
