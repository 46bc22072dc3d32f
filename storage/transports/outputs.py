"""Where archives and directories are written so that they appear whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from typing import TYPE_CHECKING, Protocol

from storage.errors import CorruptError, StorageError
from storage.layers.stream import write_all
from storage.store import translated
from storage.unfinished import Unfinished

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storage.documents import Descriptor
    from storage.store import Store


class Output(Protocol):
    """Where the bytes of an archive go."""

    def write(self, data: bytes) -> None:
        """Take further bytes; StorageError if they cannot be kept."""

    def finish(self) -> None:
        """Make visible what was written."""

    def discard(self) -> None:
        """Take back what was not finished; nothing after `finish`."""


class FileOutput:
    """A regular file: without a name until it is finished, then in place of what was there."""

    def __init__(self, path: str, store: Store | None = None) -> None:
        """Begin; the store remembers what has a name before it is finished."""
        self._path = path
        self._store = store
        self._directory = os.path.dirname(path) or "."
        self._named: Unfinished | None = None
        try:
            self._fd = self._open()
        except OSError as error:
            raise cannot_create(path, error) from error

    def write(self, data: bytes) -> None:
        """Write to the file."""
        try:
            write_all(self._fd, memoryview(data))
        except OSError as error:
            raise translated(error, f"write {self._path}") from error

    def finish(self) -> None:
        """Give the file its name."""
        try:
            umask = os.umask(0o022)
            os.umask(umask)
            os.fchmod(self._fd, 0o666 & ~umask)
            if self._named is None and not self._link(self._path):
                self._named = self._beside()
                self._link(self._named.path)
            if self._named is not None:
                os.rename(self._named.path, self._path)
        except OSError as error:
            raise cannot_create(self._path, error) from error
        self.discard()

    def _link(self, path: str) -> bool:
        """Give the file a name; False if another has it, which only a rename can replace."""
        try:
            # With a directory fd, which is of no use here, Python calls linkat(2), the one that follows.
            os.link(f"/proc/self/fd/{self._fd}", path, src_dir_fd=self._fd, follow_symlinks=True)
        except FileExistsError:
            return False
        return True

    def discard(self) -> None:
        """Close the file; what has no name is gone."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if self._named is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._named.path)
            self._named.forget()
            self._named = None

    def _open(self) -> int:
        try:
            return os.open(self._directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except IsADirectoryError:
            pass  # The file system does not know how.
        except OSError as error:
            import errno

            if error.errno != errno.EOPNOTSUPP:
                raise
        beside = self._beside()
        try:
            fd = os.open(beside.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError:
            beside.forget()
            raise
        self._named = beside
        return fd

    def _beside(self) -> Unfinished:
        return Unfinished(self._directory, os.path.basename(self._path), self._store)


class StreamOutput:
    """An open file that is not ours: a pipe, or whatever a shell or a device name led to."""

    def __init__(self, fd: int, name: str) -> None:
        self._fd = fd
        self._name = name

    def write(self, data: bytes) -> None:
        """Write on."""
        try:
            write_all(self._fd, memoryview(data))
        except OSError as error:
            raise translated(error, f"write {self._name}") from error

    def finish(self) -> None:
        """Leave it as it is."""

    def discard(self) -> None:
        """Leave it as it is: what was sent cannot be taken back."""


def verified(chunks: Iterator[bytes], descriptor: Descriptor) -> Iterator[bytes]:
    """Pass chunks on; raises CorruptError if they are not what the descriptor says, before more than that is passed."""
    algorithm, _, expected = descriptor.digest.partition(":")
    hasher = hashlib.new(algorithm)
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > descriptor.size:
            break
        hasher.update(chunk)
        yield chunk
    if size != descriptor.size:
        raise CorruptError(
            f"blob {descriptor.digest} has {'more' if size > descriptor.size else 'fewer'} bytes"
            f" than the {descriptor.size} that were promised"
        )
    if hasher.hexdigest() != expected:
        raise CorruptError(f"blob {descriptor.digest}: digest does not match: got {algorithm}:{hasher.hexdigest()}")


def file_output(path: str, store: Store | None = None) -> Output:
    """Open what a path means: a regular file appears when it is finished, anything else is written to.

    The store remembers what is not finished.
    """
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return FileOutput(path, store)
    if stat.S_ISREG(mode):
        return FileOutput(os.path.realpath(path), store)
    try:
        return _Opened(os.open(path, os.O_WRONLY | os.O_CLOEXEC), path)
    except OSError as error:
        raise cannot_create(path, error) from error


class _Opened(StreamOutput):
    """A device or a fifo that was opened here."""

    def finish(self) -> None:
        """Close it."""
        self.discard()

    def discard(self) -> None:
        """Close it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def cannot_create(path: str, error: OSError) -> StorageError:
    """Give the error of ours for a path that cannot be made, in podman's words."""
    return translated(error, f'opening file "{path}": open {path}')
