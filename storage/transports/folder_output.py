"""Where the files of a directory are written: they appear together, or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from typing import TYPE_CHECKING

from storage import syscalls
from storage.descending import DIRECTORY, open_below
from storage.layers.stream import write_all
from storage.store import translated
from storage.transports.outputs import cannot_create
from storage.trees import remove_tree
from storage.unfinished import Unfinished, is_empty

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from storage.store import Store


class FolderOutput:
    """Files in a directory: a new one appears whole, in one that is there already each file does, in the end."""

    def __init__(self, path: str, store: Store | None = None, *, replace: bool = False, shared: bool = False) -> None:
        """Begin; `replace` is to put the new directory in place of one that is there.

        In one that is `shared` what was moved in stays there though the rest fails: others may count on it already.
        All is written into a hidden directory, which the store remembers.
        """
        self.path = os.path.realpath(path)
        self._replace = replace
        self._shared = shared
        self._into = os.path.isdir(path) and (not replace or is_empty(path))
        self._names: dict[str, None] = {}
        self._moved: list[str] = []
        self._made: list[str] = []
        parent, base = os.path.split(self.path)
        self._root = self._new = -1
        self._unfinished = Unfinished(self.path if self._into else parent, base, store)
        try:
            self._root = os.open(self.path if self._into else parent, DIRECTORY)
            os.mkdir(self._unfinished.name, dir_fd=self._root)
            self._new = os.open(self._unfinished.name, DIRECTORY, dir_fd=self._root)
        except OSError as error:
            self.discard()
            raise cannot_create(path, error) from error

    def lock(self) -> None:
        """Wait until no other process is about to finish in the same directory."""
        fcntl.flock(self._root if self._into else self._new, fcntl.LOCK_EX)

    def has(self, name: str, size: int) -> bool:
        """Tell whether a file of this name and size is there, or was added."""
        return any(_has(root, name, size) for root in ((self._new, self._root) if self._into else (self._new,)))

    def add(self, name: str, chunks: Iterator[bytes]) -> None:
        """Write a file; one that is there is replaced in one step."""
        try:
            directory = self._directory(self._new, name, [])
            try:
                _write(directory, os.path.basename(name), chunks)
            finally:
                os.close(directory)
        except OSError as error:
            raise translated(error, f"write {self.path}/{name}") from error
        self._names[name] = None

    def finish(self) -> None:
        """Make the directory visible; or the files, in the order in which they were added."""
        try:
            if self._into:
                for name in self._names:
                    self._move(name)
            else:
                self._publish()
        except OSError as error:
            raise cannot_create(self.path, error) from error
        self._moved.clear()
        self._made.clear()
        self.discard()

    def discard(self) -> None:
        """Take back what was written."""
        for names, remove in ((self._moved, os.unlink), (self._made[::-1], os.rmdir)):
            for name in names:
                with contextlib.suppress(OSError):
                    self._remove(name, remove)
        self._moved, self._made = [], []
        if self._root >= 0:
            remove_tree(self._unfinished.name, dir_fd=self._root)
        for fd in (self._new, self._root):
            if fd >= 0:
                os.close(fd)
        self._new = self._root = -1
        self._unfinished.forget()

    def _move(self, name: str) -> None:
        """Move a file to where it is to be."""
        source = _open_directory(self._new, name)
        target = self._directory(self._root, name, self._made)
        try:
            base = os.path.basename(name)
            existed = _exists(base, target)
            os.rename(base, base, src_dir_fd=source, dst_dir_fd=target)
        finally:
            os.close(source)
            os.close(target)
        if not existed and not self._shared:
            self._moved.append(name)

    def _remove(self, name: str, remove: Callable[..., None]) -> None:
        directory = _open_directory(self._root, name)
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

    def _directory(self, root: int, name: str, made: list[str]) -> int:
        """Open the directory that a file is to be in, and note what had to be made."""
        parts = name.split("/")
        for depth in range(1, len(parts)):
            parent = _open_directory(root, "/".join(parts[:depth]))
            try:
                if not _exists(parts[depth - 1], parent):
                    os.mkdir(parts[depth - 1], 0o755, dir_fd=parent)
                    made.append("/".join(parts[:depth]))
            finally:
                os.close(parent)
        return _open_directory(root, name)


def _open_directory(root: int, name: str) -> int:
    """Open the directory that a file is in; a link on the way is refused."""
    return open_below(os.dup(root), name.split("/")[:-1])


def _has(root: int, name: str, size: int) -> bool:
    try:
        directory = _open_directory(root, name)
        try:
            found = os.stat(os.path.basename(name), dir_fd=directory, follow_symlinks=False)
        finally:
            os.close(directory)
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size == size


def _write(directory: int, name: str, chunks: Iterator[bytes]) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(name, flags, 0o644, dir_fd=directory)
    try:
        for chunk in chunks:
            write_all(fd, memoryview(chunk))
    except BaseException:
        os.unlink(name, dir_fd=directory)
        raise
    finally:
        os.close(fd)


def _exists(name: str, directory: int) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
