"""Archives that cannot be read at any offset, as they come through a pipe or compressed: kept in a nameless file."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from storage.compression import kind
from storage.errors import StorageError
from storage.layers.stream import write_all
from storage.store import translated
from storage.transports.archive import Archive
from storage.transports.files import cannot_open, inflated

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1 << 20


def open_archive(path: str, directory: str) -> Archive:
    """Open the archive in a file, compressed or not; `directory` is where it is inflated to."""
    try:
        # O_NONBLOCK would make a fifo look empty; whoever names one wants to wait for it.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise cannot_open(path, error) from error
    if stat.S_ISDIR(os.fstat(fd).st_mode):
        os.close(fd)
        raise StorageError(f"open {path}: is a directory")
    try:
        return archive_of(fd, path, directory)
    finally:
        os.close(fd)


def archive_of(fd: int, path: str, directory: str) -> Archive:
    """Open the archive that an open file or pipe gives from its beginning; the caller keeps the fd."""
    try:
        if stat.S_ISREG(os.fstat(fd).st_mode) and kind(os.pread(fd, 6, 0)) == "plain":
            return Archive(os.dup(fd), path)
        chunks = iter(lambda: os.read(fd, _CHUNK), b"")
        return spooled(chunks, path, directory)
    except OSError as error:
        raise translated(error, f"read {path}") from error


def spooled(chunks: Iterator[bytes], path: str, directory: str) -> Archive:
    """Write what comes, inflated, to a file without a name below `directory`; it goes with the last who has it open."""
    fd = nameless(directory)
    try:
        for piece in inflated(chunks, path):
            try:
                write_all(fd, memoryview(piece))
            except OSError as error:
                raise translated(error, f"write {path} to a temporary file in {directory}") from error
    except BaseException:
        os.close(fd)
        raise
    return Archive(fd, path)


def nameless(directory: str) -> int:
    """Make a file that nobody can find, and that needs no removal."""
    import tempfile

    try:
        return os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError:
        pass  # The file system may not know how; then it has a name for an instant.
    try:
        fd, path = tempfile.mkstemp(dir=directory, prefix="pod-")
    except OSError as error:
        raise translated(error, f"create temporary file in {directory}") from error
    os.unlink(path)
    return fd
