"""Named files of an image on this machine, all in the hands of strangers: read within bounds, links never followed."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Protocol

from storage import documents
from storage.compression import inflate
from storage.errors import CorruptError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storage.documents import Descriptor

CHUNK = 256 << 10
# No archive of images, and no layer, is inflated beyond both.
_BOMB_SIZE = 16 << 30
_BOMB_RATIO = 1000


class Files(Protocol):
    """A directory or an archive: names are relative, with slashes; StorageError if something cannot be read."""

    @property
    def path(self) -> str:
        """Where it is, for messages."""

    def has(self, name: str) -> bool:
        """Tell whether there is something of this name."""

    def size(self, name: str) -> int:
        """Give the size of a file in bytes."""

    def chunks(self, name: str, offset: int = 0) -> Iterator[bytes]:
        """Yield what a file holds from offset on."""

    def close(self) -> None:
        """Free what is open."""


class Folder:
    """The files below a directory; a symbolic link on the way to one is an error: it could lead anywhere."""

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise cannot_open(path, error) from error

    def has(self, name: str) -> bool:
        """Tell whether a name is there, be it a link or not."""
        try:
            os.stat(name, dir_fd=self._fd, follow_symlinks=False)
        except OSError:
            return False
        return True

    def size(self, name: str) -> int:
        """Give the size of a file."""
        fd = self._open(name)
        try:
            return os.fstat(fd).st_size
        finally:
            os.close(fd)

    def chunks(self, name: str, offset: int = 0) -> Iterator[bytes]:
        """Yield what a file holds from offset on."""
        fd = self._open(name)
        try:
            while data := os.pread(fd, CHUNK, offset):
                offset += len(data)
                yield data
        finally:
            os.close(fd)

    def close(self) -> None:
        """Close the directory."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self, name: str) -> int:
        """Open a regular file, one directory after the other."""
        *directories, last = name.split("/")
        current = self._fd
        try:
            for directory in directories:
                below = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=current)
                if current != self._fd:
                    os.close(current)
                current = below
            # O_NONBLOCK: a fifo must not be waited for.
            fd = os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=current)
        except OSError as error:
            raise self._refused(name, error) from error
        finally:
            if current != self._fd:
                os.close(current)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise StorageError(f"{self.path}/{name}: not a regular file")
        return fd

    def _refused(self, name: str, error: OSError) -> StorageError:
        try:
            if stat.S_ISLNK(os.stat(name, dir_fd=self._fd, follow_symlinks=False).st_mode):
                return StorageError(f"{self.path}/{name}: symbolic links are not followed")
        except OSError:
            pass
        return cannot_open(f"{self.path}/{name}", error)


def read(files: Files, name: str, limit: int) -> bytes:
    """Read a file of at most `limit` bytes; CorruptError if it is larger."""
    size = files.size(name)
    if size <= limit:
        data = b"".join(files.chunks(name))
        if len(data) == size:
            return data
    raise CorruptError(f"{files.path}: {name}: larger than {limit >> 20} MiB")


def read_blob(files: Files, name: str, descriptor: Descriptor) -> bytes:
    """Read a small blob whole, verified, unless its descriptor has it; CorruptError if it is larger than a document."""
    if descriptor.data is not None:
        return descriptor.data
    raw = read(files, name, documents.MAX_DOCUMENT)
    documents.check_digest(raw, descriptor.digest, "blob")
    return raw


def inflated(chunks: Iterator[bytes], path: str) -> Iterator[bytes]:
    """Inflate what it may be compressed with; StorageError for a bomb. `path` is for messages."""
    received = written = 0

    def counted() -> Iterator[bytes]:
        nonlocal received
        for chunk in chunks:
            received += len(chunk)
            yield chunk

    for piece in inflate(counted()):
        written += len(piece)
        if written > max(_BOMB_SIZE, _BOMB_RATIO * received):
            raise StorageError(f"{path}: {received} bytes inflate to more than {written}")
        yield piece


def cannot_open(path: str, error: OSError) -> StorageError:
    """Make the error for a file that could not be opened, in podman's words."""
    return StorageError(f"open {path}: {(error.strerror or '').lower()}")
