"""What a build tells goes to a file instead: --logfile and --logsplit."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from pod.errors import PodError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from storage.platform import Platform


def path_of(logfile: str, platform: Platform) -> str:
    """Return the log of one platform, as --logsplit names it."""
    return f"{logfile}_{platform.os}_{platform.architecture}"


class BuildLog:
    """Lets what is written to stdout and stderr, by other processes too, go to a file within its `with` block.

    Without a name nothing changes. With `split` each platform has a file of its own.
    """

    def __init__(self, path: str, *, split: bool, keep_stdout: bool) -> None:
        """`keep_stdout` is for what is no log to go there."""
        self._path = path
        self._split = split
        self._numbers = (2,) if keep_stdout else (1, 2)
        self._kept: list[int] = []

    def __enter__(self) -> BuildLog:
        if self._path:
            self._kept = [os.dup(number) for number in self._numbers]
            if not self._split:
                self._open(self._path)
        return self

    def __exit__(self, *_: object) -> None:
        self._direct(self._kept)
        for descriptor in self._kept:
            os.close(descriptor)
        self._kept = []

    def begin(self, platform: Platform) -> None:
        """Note that the build for a platform begins. Raises PodError if its file cannot be made."""
        if self._split and self._path:
            self._open(path_of(self._path, platform))

    def _open(self, path: str) -> None:
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        except OSError as error:
            reason = (error.strerror or "").lower()
            raise PodError(f'opening logfile "{path}": open {path}: {reason}') from error
        self._direct([file] * len(self._numbers))
        os.close(file)

    def _direct(self, descriptors: Iterable[int]) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, descriptor in zip(self._numbers, descriptors, strict=False):
            os.dup2(descriptor, number)
