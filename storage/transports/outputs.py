"""Where archives and directories are written so that they appear whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
from typing import TYPE_CHECKING, Protocol

from storage import syscalls
from storage.errors import CorruptError, StorageError
from storage.layers.stream import write_all
from storage.store import translated
from storage.trees import remove_tree
from storage.unfinished import Unfinished

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
            raise _cannot_create(path, error) from error

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
            raise _cannot_create(self._path, error) from error
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


class FolderOutput:
    """Files in a directory: a new one appears whole, in one that is there already each file does."""

    def __init__(self, path: str, store: Store | None = None, *, replace: bool = False) -> None:
        """Begin; `replace` is to put the new directory in place of one that is there.

        The store remembers what is not finished.
        """
        self.path = os.path.realpath(path)
        self._replace = replace
        self._into = os.path.isdir(path) and (not replace or not os.listdir(path))
        self._written: list[str] = []
        self._made: list[str] = []
        parent, base = os.path.split(self.path)
        # A new directory; or what becomes one file after the other of one that is there.
        self._unfinished = Unfinished(self.path if self._into else parent, base, store)
        try:
            if not self._into:
                os.mkdir(self._unfinished.path)
            work = self.path if self._into else self._unfinished.path
            self._root = os.open(work, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            self._unfinished.forget()
            raise _cannot_create(path, error) from error

    def lock(self) -> None:
        """Wait until no other process is about to finish in the same directory."""
        fcntl.flock(self._root, fcntl.LOCK_EX)

    def has(self, name: str, size: int) -> bool:
        """Tell whether a file of this name and size is there."""
        try:
            directory = self._directory(name, make=False)
            try:
                found = os.stat(os.path.basename(name), dir_fd=directory, follow_symlinks=False)
            finally:
                os.close(directory)
        except OSError:
            return False
        return stat.S_ISREG(found.st_mode) and found.st_size == size

    def add(self, name: str, chunks: Iterator[bytes]) -> None:
        """Write a file; one that is there is replaced in one step."""
        try:
            directory = self._directory(name, make=True)
            try:
                self._write(directory, name, chunks)
            finally:
                os.close(directory)
        except OSError as error:
            raise translated(error, f"write {self.path}/{name}") from error

    def _write(self, directory: int, name: str, chunks: Iterator[bytes]) -> None:
        temporary, base = self._unfinished.name, os.path.basename(name)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(temporary, flags, 0o644, dir_fd=self._root)
        try:
            for chunk in chunks:
                write_all(fd, memoryview(chunk))
            existed = _exists(base, directory)
            os.rename(temporary, base, src_dir_fd=self._root, dst_dir_fd=directory)
        except BaseException:
            os.unlink(temporary, dir_fd=self._root)
            raise
        finally:
            os.close(fd)
        if self._into and not existed:
            self._written.append(name)

    def finish(self) -> None:
        """Make the directory visible."""
        try:
            if not self._into:
                self._publish()
        except OSError as error:
            raise _cannot_create(self.path, error) from error
        self._written.clear()
        self._made.clear()
        self.discard()

    def discard(self) -> None:
        """Take back what was written."""
        for names, remove in ((self._written, os.unlink), (self._made[::-1], os.rmdir)):
            for name in names:
                with contextlib.suppress(OSError):
                    self._remove(name, remove)
        self._written, self._made = [], []
        if self._root >= 0:
            os.close(self._root)
            self._root = -1
        if not self._into:
            remove_tree(self._unfinished.path)
        self._unfinished.forget()

    def _remove(self, name: str, remove: Callable[..., None]) -> None:
        directory = self._directory(name, make=False)
        try:
            remove(os.path.basename(name), dir_fd=directory)
        finally:
            os.close(directory)

    def _publish(self) -> None:
        """Rename it into place; what was there goes where it was, and from there with what is taken back."""
        try:
            os.rename(self._unfinished.path, self.path)
        except OSError:
            if not self._replace or not os.path.isdir(self.path):
                raise
            syscalls.exchange(self._unfinished.path, self.path)

    def _directory(self, name: str, *, make: bool) -> int:
        """Open the directory that a file is in; a link on the way is refused."""
        current = os.dup(self._root)
        parts = name.split("/")[:-1]
        for depth, part in enumerate(parts):
            try:
                if make and not _exists(part, current):
                    os.mkdir(part, 0o755, dir_fd=current)
                    if self._into:
                        self._made.append("/".join(parts[: depth + 1]))
                below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=current)
            finally:
                os.close(current)
            current = below
        return current


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
        raise _cannot_create(path, error) from error


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


def _exists(name: str, directory: int) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _cannot_create(path: str, error: OSError) -> StorageError:
    return translated(error, f'opening file "{path}": open {path}')
