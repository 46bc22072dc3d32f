"""Copying files and trees from one directory's fd to another's: nothing is found by a path, nothing of them executed.

Both sides may be hostile, and change meanwhile: a name is opened once with O_NOFOLLOW, and what was opened is what is
looked at and read. A file is there whole or not at all: it is written without a name, and linked or renamed into place.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import stat
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pod.errors import PodError
from runtime import inroot, syscalls
from storage.file_data import copy_data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# How to end a process that copies (storage.worker): what it has begun to replace, it first replaces.
ENDING = signal.SIGTERM
PATH = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_READ_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# procfs, sysfs, cgroup, cgroup2, devpts, mqueue, debugfs, tracefs, bpf: views of the kernel's, not files to copy.
_KERNEL = frozenset((0x9FA0, 0x62656572, 0x27E0EB, 0x63677270, 0x1CD1, 0x19800202, 0x64626720, 0x74726163, 0xCAFE4A11))
# Where a file without a name cannot be made.
_NOT_HERE = frozenset((errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL, errno.EXDEV, errno.ENOSYS))


@dataclass(frozen=True)
class Policy:
    """What becomes of the attributes of what is copied.

    `owner` turns the owner on one side into that on the other. With `to_host` devices are left out, and what gives
    rights to whoever executes a file: set-user-ID and set-group-ID of another's file, capabilities. With `overwrite`
    a directory may give way to something else, and the reverse. `lenient`: owners that cannot be had are not.
    `stripped`: nothing gives such rights, whosever it is, and there are no extended attributes. `time`, in seconds
    since 1970, is that of all files. `merged`: a directory that is there gets the attributes of the one that is copied.
    """

    owner: Callable[[int, int], tuple[int, int]]
    to_host: bool = False
    overwrite: bool = False
    lenient: bool = False
    stripped: bool = False
    time: int | None = None
    merged: bool = False


@dataclass
class Attributes:
    """What a file has beside its content."""

    uid: int
    gid: int
    mode: int
    times: tuple[int, int]  # of access and of modification, in nanoseconds
    xattrs: list[tuple[str, bytes]] = field(default_factory=list)

    @classmethod
    def of(cls, descriptor: int, found: os.stat_result) -> Attributes:
        """Return those of what an O_PATH descriptor is."""
        times = (found.st_atime_ns, found.st_mtime_ns)
        made = cls(found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode), times)
        if stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode):
            made.xattrs = list(_xattrs(f"/proc/self/fd/{descriptor}"))
        return made


def _xattrs(path: str) -> Iterator[tuple[str, bytes]]:
    try:
        names = os.listxattr(path)
    except OSError:
        return
    for name in names:
        if (name.startswith("user.") and not name.startswith("user.overlay.")) or name == "security.capability":
            try:
                yield name, os.getxattr(path, name)
            except OSError:
                continue  # it has just gone


def is_of_the_kernel(descriptor: int) -> bool:
    """Tell whether something lies on a file system that is only a view of the kernel's state."""
    return syscalls.filesystem_type(descriptor) in _KERNEL


@dataclass
class _Level:
    """A directory that is being copied."""

    source: int
    target: int
    names: Iterator[str]
    path: str  # below the place where the copy began, with a slash at its end
    attributes: Attributes | None  # of a directory that was made here


class Copier:
    """Copies; `directory` is where all of one copy goes, from which its hard links are found again."""

    def __init__(self, policy: Policy, directory: int) -> None:
        self.policy = policy
        self._directory = directory
        self._links: dict[tuple[int, int], str] = {}
        self._made: set[tuple[int, int]] = set()  # a copy of a tree into itself does not copy the copy

    def copy(self, source: int, name: str) -> None:
        """Copy what an O_PATH descriptor is, with all below it, as `name` in the directory."""
        level = self._one(source, self._directory, name, "")
        if level is not None:
            self._walk(level)

    def copy_contents(self, source: int) -> None:
        """Copy what is in a directory into the directory."""
        reading = os.open(".", _READ_DIRECTORY, dir_fd=source)
        self._made.add(_key(os.fstat(self._directory)))
        target = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._directory)
        self._walk(_Level(reading, target, iter(os.listdir(reading)), "", None))

    def _walk(self, first: _Level) -> None:
        stack = [first]
        try:
            while stack:
                level = stack[-1]
                name = next(level.names, None)
                if name is None:
                    if level.attributes is not None:
                        self.finish(level.target, level.attributes)
                    _close(stack.pop())
                    continue
                try:
                    descriptor = os.open(name, PATH, dir_fd=level.source)
                except FileNotFoundError:
                    continue  # it has just been removed
                try:
                    inner = self._one(descriptor, level.target, name, level.path)
                finally:
                    os.close(descriptor)
                if inner is not None:
                    stack.append(inner)
        finally:
            for level in stack:
                _close(level)

    def _one(self, source: int, parent: int, name: str, path: str) -> _Level | None:
        found = os.fstat(source)
        mode = found.st_mode
        if stat.S_ISDIR(mode):
            return self._enter(source, found, parent, name, path)
        attributes = Attributes.of(source, found)
        if stat.S_ISREG(mode):
            if found.st_nlink > 1 and self._linked(_key(found), parent, name, path):
                return None
            reader = os.open(f"/proc/self/fd/{source}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                self.put_file(parent, name, attributes, lambda writer: copy_data(reader, writer))
            finally:
                os.close(reader)
        elif stat.S_ISLNK(mode):
            self.put_link(parent, name, attributes, os.readlink("", dir_fd=source))
        elif stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
            self.put_node(parent, name, attributes, stat.S_IFMT(mode), found.st_rdev)
        return None

    def _enter(self, source: int, found: os.stat_result, parent: int, name: str, path: str) -> _Level | None:
        if _key(found) in self._made or is_of_the_kernel(source):
            return None
        reading = os.open(".", _READ_DIRECTORY, dir_fd=source)
        try:
            names = iter(os.listdir(reading))
            made = self.make_directory(parent, name)
            target = _open_target(parent, name)
        except BaseException:
            os.close(reading)
            raise
        self._made.add(_key(os.fstat(target)))
        attributes = Attributes.of(source, found) if made or self.policy.merged else None
        return _Level(reading, target, names, f"{path}{name}/", attributes)

    def make_directory(self, parent: int, name: str) -> bool:
        """Make a directory that only we can use yet; False if there is one.

        Raises PodError for what is none and may not be overwritten.
        """
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
            return True
        except FileExistsError:
            if stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
                return False
        if not self.policy.overwrite:
            raise PodError(
                f'refusing to overwrite non-directory "{name}" with a directory', hint="--overwrite allows it"
            )
        os.unlink(name, dir_fd=parent)
        os.mkdir(name, 0o700, dir_fd=parent)
        return True

    def _linked(self, key: tuple[int, int], parent: int, name: str, path: str) -> bool:
        """Make a hard link to what was copied before; note what is copied for the first time."""
        first = self._links.setdefault(key, path + name)
        return first != path + name and self.put_hard_link(parent, name, first)

    def put_hard_link(self, parent: int, name: str, first: str) -> bool:
        """Link to what was put at a path below the directory; False if it is not there any more."""
        above, _, last = first.rpartition("/")
        try:
            directory = inroot.open_path(self._directory, above or ".", os.O_PATH | os.O_DIRECTORY)
        except OSError:
            return False
        try:
            self._put(
                parent,
                name,
                lambda new: os.link(last, new, src_dir_fd=directory, dst_dir_fd=parent, follow_symlinks=False),
            )
            return True
        except OSError:
            return False
        finally:
            os.close(directory)

    def put_file(self, parent: int, name: str, attributes: Attributes, fill: Callable[[int], None]) -> None:
        """Make a file, whose content `fill` writes to a descriptor; it appears when it is complete."""
        try:
            writer = os.open(".", os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600, dir_fd=parent)
            temporary = ""
        except OSError as error:
            if error.errno not in _NOT_HERE:
                raise
            temporary = _temporary()
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
            writer = os.open(temporary, flags, 0o600, dir_fd=parent)
        try:
            fill(writer)
            self.finish(writer, attributes)
            if temporary:
                self._replace(parent, temporary, name, writer)
            else:
                path = f"/proc/self/fd/{writer}"
                self._put(parent, name, lambda new: os.link(path, new, dst_dir_fd=parent), writer)
            temporary = ""
        finally:
            os.close(writer)
            if temporary:
                os.unlink(temporary, dir_fd=parent)

    def put_link(self, parent: int, name: str, attributes: Attributes, target: str | bytes) -> None:
        """Make a symbolic link."""
        text = os.fsdecode(target)
        self._put(parent, name, lambda new: os.symlink(text, new, dir_fd=parent), attributes=attributes)

    def put_node(self, parent: int, name: str, attributes: Attributes, kind: int, device: int) -> None:
        """Make a fifo or a device, where that may be: not on the host, and not for an ordinary user."""
        if kind != stat.S_IFIFO and (self.policy.to_host or device == 0):
            return
        try:
            self._put(
                parent, name, lambda new: os.mknod(new, kind | 0o600, device, dir_fd=parent), attributes=attributes
            )
        except PermissionError:
            if kind == stat.S_IFIFO:
                raise

    def _put(
        self,
        parent: int,
        name: str,
        make: Callable[[str], None],
        content: int = -1,
        attributes: Attributes | None = None,
    ) -> None:
        """Have something made under its name, or in place of what has that name."""
        try:
            make(name)
        except FileExistsError:
            self._put_in_place_of(parent, name, make, content, attributes)
            return
        if attributes is not None:
            self._finish_or_remove(parent, name, attributes)

    def _put_in_place_of(
        self, parent: int, name: str, make: Callable[[str], None], content: int, attributes: Attributes | None
    ) -> None:
        with _not_half_done():
            temporary = _temporary()
            make(temporary)
            if attributes is not None:
                self._finish_or_remove(parent, temporary, attributes)
            self._replace(parent, temporary, name, content)

    def _finish_or_remove(self, parent: int, name: str, attributes: Attributes) -> None:
        try:
            self._finish_node(parent, name, attributes)
        except BaseException:
            os.unlink(name, dir_fd=parent)
            raise

    def _replace(self, parent: int, temporary: str, name: str, content: int) -> None:
        try:
            self._make_way(parent, name)
            os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
        except BaseException as error:
            if isinstance(error, OSError) and error.errno == errno.EBUSY and content >= 0:
                # Something is mounted there, as is over a container's /etc/hosts: what it shows changes.
                _write_into(parent, name, content)
                os.unlink(temporary, dir_fd=parent)
                return
            os.unlink(temporary, dir_fd=parent)
            raise

    def _make_way(self, parent: int, name: str) -> None:
        try:
            found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return
        if stat.S_ISDIR(found.st_mode):
            if not self.policy.overwrite:
                raise PodError(
                    f'refusing to overwrite directory "{name}" with a non-directory', hint="--overwrite allows it"
                )
            shutil.rmtree(name, dir_fd=parent)

    def finish(self, descriptor: int, attributes: Attributes) -> None:
        """Give a file or a directory its owner, mode, attributes and times."""
        path = f"/proc/self/fd/{descriptor}"
        owner = self.policy.owner(attributes.uid, attributes.gid)
        self._chown(owner, path, None, follow=True)
        os.chmod(path, self._mode(attributes, owner))
        for name, value in attributes.xattrs:
            if self.policy.stripped or (self.policy.to_host and name == "security.capability"):
                continue
            try:
                os.setxattr(path, name, value)
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.EPERM, errno.EINVAL):
                    raise
        os.utime(path, ns=self._times(attributes))

    def _finish_node(self, parent: int, name: str, attributes: Attributes) -> None:
        owner = self.policy.owner(attributes.uid, attributes.gid)
        self._chown(owner, name, parent, follow=False)
        if not stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            descriptor = os.open(name, PATH, dir_fd=parent)
            try:
                os.chmod(f"/proc/self/fd/{descriptor}", self._mode(attributes, owner))
            finally:
                os.close(descriptor)
        os.utime(name, ns=self._times(attributes), dir_fd=parent, follow_symlinks=False)

    def _times(self, attributes: Attributes) -> tuple[int, int]:
        return attributes.times if self.policy.time is None else (self.policy.time * 10**9,) * 2

    def _mode(self, attributes: Attributes, owner: tuple[int, int]) -> int:
        taken = self.policy.stripped or (self.policy.to_host and owner != (attributes.uid, attributes.gid))
        return attributes.mode & (0o1777 if taken else 0o7777)

    def _chown(self, owner: tuple[int, int], path: str, parent: int | None, *, follow: bool) -> None:
        try:
            os.chown(path, *owner, dir_fd=parent, follow_symlinks=follow)
        except OSError as error:
            if not (self.policy.lenient and error.errno in (errno.EPERM, errno.EINVAL)):
                raise


def _write_into(parent: int, name: str, content: int) -> None:
    """Put the content of a file that we have open into another."""
    reader = os.open(f"/proc/self/fd/{content}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        place = os.open(name, PATH, dir_fd=parent)
        try:
            if not stat.S_ISREG(os.fstat(place).st_mode):
                raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
            writer = os.open(f"/proc/self/fd/{place}", os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
        finally:
            os.close(place)
        try:
            copy_data(reader, writer)
        finally:
            os.close(writer)
    finally:
        os.close(reader)


def _open_target(parent: int, name: str) -> int:
    """Open a directory to copy into; one that only shows the kernel's state is none."""
    target = os.open(name, PATH | os.O_DIRECTORY, dir_fd=parent)
    if is_of_the_kernel(target):
        os.close(target)
        raise OSError(errno.EPERM, f"{name} is of the kernel: {os.strerror(errno.EPERM)}")
    return target


@contextmanager
def _not_half_done() -> Iterator[None]:
    """Put the end off until a file has its name: between two names a kill would leave the first."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (ENDING,))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _temporary() -> str:
    return f".pod-{os.urandom(8).hex()}"


def _key(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _close(level: _Level) -> None:
    os.close(level.source)
    os.close(level.target)
