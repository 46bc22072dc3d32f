"""Where units are prepared before they are seen: a directory beside them that no generator reads, owned by a lock.

A generator does not descend into `*.d`. What a killed command left there has no owner, and the next one removes it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import contextmanager, suppress

from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX, _SUFFIX = ".pod-", ".d"


@contextmanager
def locked(directory: str) -> Iterator[None]:
    """Keep other commands from changing what is installed in a directory, and remove what killed ones left."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        _sweep(directory)
        yield
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def staging(directory: str) -> Iterator[str]:
    """Make a directory that is removed at the end, with all that is still in it."""
    with locked(directory):
        path = f"{directory}/{_PREFIX}{os.urandom(8).hex()}{_SUFFIX}"
        os.mkdir(path, 0o755)
        owner = _own(path)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(owner)


def make(directory: str) -> None:
    """Make the directory of units unless it is there."""
    try:
        os.makedirs(directory, 0o755, exist_ok=True)
    except OSError as error:
        cause = (error.strerror or "").lower()
        raise PodError(f"unable to create Quadlet install path {directory}: {cause}") from error


def sync(path: str) -> None:
    """Let a tree survive a power cut."""
    for directory, _, files in os.walk(path):
        for name in (*files, ""):
            entry = os.path.join(directory, name)
            if not os.path.islink(entry):
                handle = os.open(entry, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)


def _own(path: str) -> int:
    owner = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return owner


def _sweep(directory: str) -> None:
    for name in os.listdir(directory):
        if name.startswith(_PREFIX) and name.endswith(_SUFFIX):
            path = f"{directory}/{name}"
            with suppress(OSError):  # somebody is at work there, or is just done
                owner = _own(path)
                shutil.rmtree(path, ignore_errors=True)
                os.close(owner)
