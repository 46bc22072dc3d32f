"""How many bytes the files of trees have. Trees are hostile: walked through directory fds, links are not followed."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from storage.descending import DIRECTORY, open_below

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# One descriptor is open for each level; below this many, a directory is reached from the top anew.
_DEPTH = 64


def size_of(paths: Iterable[str]) -> int:
    """Return the bytes of the regular files below some paths, those with several names once; 0 for what is not there.

    What others remove or make meanwhile may be counted or not.
    """
    return _sizes(paths, freed=False)


def freed_with(paths: Iterable[str]) -> int:
    """Return the bytes that would be had back without these trees: files that have names elsewhere do not count."""
    return _sizes(paths, freed=True)


def _sizes(paths: Iterable[str], *, freed: bool) -> int:
    total = 0
    several: dict[tuple[int, int], list[int]] = {}  # bytes, and how many names were not seen yet
    for path in paths:
        for status in _files(path):
            if status.st_nlink == 1:
                total += status.st_size
            else:
                key = (status.st_dev, status.st_ino)
                several.setdefault(key, [status.st_size, status.st_nlink])[1] -= 1
    return total + sum(size for size, left in several.values() if left <= 0 or not freed)


def _files(path: str) -> Iterator[os.stat_result]:
    """Yield the status of each regular file below a path, or of the one that it is."""
    try:
        status = os.lstat(path)
    except OSError:
        return
    if stat.S_ISREG(status.st_mode):
        yield status
    elif stat.S_ISDIR(status.st_mode):
        pending: list[tuple[str, ...]] = [()]
        while pending:
            names = pending.pop()
            try:
                fd = open_below(os.open(path, DIRECTORY), names)
            except OSError:
                continue
            yield from _below(fd, pending, names, _DEPTH)


def _below(fd: int, pending: list[tuple[str, ...]], names: tuple[str, ...], depth: int) -> Iterator[os.stat_result]:
    """Yield what is in an open directory and below it; closes it."""
    try:
        for name in os.listdir(fd):
            try:
                status = os.stat(name, dir_fd=fd, follow_symlinks=False)
                if stat.S_ISREG(status.st_mode):
                    yield status
                elif stat.S_ISDIR(status.st_mode) and depth:
                    yield from _below(os.open(name, DIRECTORY, dir_fd=fd), pending, (*names, name), depth - 1)
                elif stat.S_ISDIR(status.st_mode):
                    pending.append((*names, name))
            except OSError:
                continue  # it is gone by now, or not ours to read
    finally:
        os.close(fd)
