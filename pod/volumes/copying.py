"""Filling a new volume with what the image has at its place: hard links, holes, attributes and owners as there.

Everything is reached below the descriptors of the two directories and through no link: the image is hostile, and so is
a container that has the volume already (CVE-2022-23648).
"""

from __future__ import annotations

import fcntl
import os
import stat

from pod.errors import PodError
from runtime import kernel, syscalls
from storage import gc
from storage.file_data import copy_data

# A file beside the data for as long as they are copied up; another once that was done.
_COPYING = "copying"
USED = "used"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_RESOLVE = kernel.RESOLVE_BENEATH | kernel.RESOLVE_NO_SYMLINKS | kernel.RESOLVE_NO_MAGICLINKS
_UNCOPIED = ("trusted.overlay.", "user.overlay.", "security.selinux")


def copy_up(root: int, target: str, volume: str, owner: tuple[int, int]) -> None:
    """Give an empty volume what the image has at `target`, owner and mode of the directory included.

    One for which the image has nothing becomes `owner`'s (user and group): the container's user can write to it.
    `root` is a descriptor of the mounted root file system; nothing outside of it is read (CVE-2022-23648).
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    try:
        source = syscalls.openat2(root, target, flags, resolve=kernel.RESOLVE_IN_ROOT | kernel.RESOLVE_NO_MAGICLINKS)
    except OSError:
        _give(volume, owner)
        return
    try:
        _fill(source, volume)
    except OSError as error:
        raise PodError(f"copying {target} of the image into the volume: {(error.strerror or '').lower()}") from error
    finally:
        os.close(source)


def copy_into_mount(root: int, target: str, mounted: str) -> None:
    """Give a volume that is a mount, if it is empty, what the image has at `target`; what fails half way stays."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    try:
        source = syscalls.openat2(root, target, flags, resolve=kernel.RESOLVE_IN_ROOT | kernel.RESOLVE_NO_MAGICLINKS)
    except OSError:
        return
    destination = -1
    try:
        destination = os.open(mounted, _DIRECTORY)
        if not [name for name in os.listdir(destination) if name != "lost+found"]:
            Copy(source, destination).run(keep_owner=os.fstat(destination).st_uid != 0)
    except OSError as error:
        raise PodError(f"copying {target} of the image into the volume: {(error.strerror or '').lower()}") from error
    finally:
        os.close(source)
        if destination >= 0:
            os.close(destination)


def _give(volume: str, owner: tuple[int, int]) -> None:
    """Change the owner of a volume that nobody has used."""
    parent = os.open(os.path.dirname(volume), _DIRECTORY)
    descriptor = os.open(volume, _DIRECTORY)
    try:
        status = os.fstat(descriptor)
        if (status.st_uid, status.st_gid) == (os.geteuid(), os.getegid()) and not os.listdir(descriptor):
            os.fchown(descriptor, *owner)
        _note(parent, USED)
    finally:
        os.close(descriptor)
        os.close(parent)


def _fill(source: int, volume: str) -> None:
    """Copy into a volume that nobody has used: one process at a time, all or nothing."""
    parent = os.open(os.path.dirname(volume), _DIRECTORY)  # not the volume, which containers could keep locked
    destination = -1
    try:
        fcntl.flock(parent, fcntl.LOCK_EX)
        beside = os.listdir(parent)
        if USED in beside:
            return
        destination = os.open(volume, _DIRECTORY)
        if _COPYING in beside:
            _empty(volume, destination)  # the copy was killed
        if not os.listdir(destination):
            _note(parent, _COPYING)
            try:
                Copy(source, destination).run(keep_owner=os.fstat(destination).st_uid != 0)
            except BaseException:
                _empty(volume, destination)
                os.unlink(_COPYING, dir_fd=parent)
                raise
            # In this order: a crash between the two has the whole copy made again.
            os.rename(_COPYING, USED, src_dir_fd=parent, dst_dir_fd=parent)
        else:
            _note(parent, USED)
    finally:
        for descriptor in (parent, destination):
            if descriptor >= 0:
                os.close(descriptor)


def _note(parent: int, name: str) -> None:
    os.close(os.open(name, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600, dir_fd=parent))


def _empty(volume: str, descriptor: int) -> None:
    for name in os.listdir(descriptor):
        gc.remove_tree(f"{volume}/{name}")


class Copy:
    """One copy of a tree into an empty directory."""

    def __init__(self, source: int, destination: int) -> None:
        self.source = source
        self.destination = destination
        self.device = os.fstat(source).st_dev
        self.links: dict[tuple[int, int], str] = {}  # files of several names, by device and inode: where the copy is
        self.pending = ["."]
        self.directories: list[str] = []

    def run(self, *, keep_owner: bool = False) -> None:
        """Copy everything; `keep_owner` leaves the destination's own owner and mode as they are."""
        # Paths rather than descriptors wait: a hostile tree may be deeper than there are descriptors.
        while self.pending:
            path = self.pending.pop()
            self.directories.append(path)
            with Pair(self.source, self.destination, path) as (source, destination):
                self._copy_entries(source, destination, "" if path == "." else f"{path}/")
        # Last, for every new entry changes a directory's time, and a mode may forbid to write.
        for path in reversed(self.directories):
            if path != "." or not keep_owner:
                with Pair(self.source, self.destination, path) as (source, destination):
                    copy_attributes(source, destination)

    def _copy_entries(self, source: int, destination: int, prefix: str) -> None:
        for name in os.listdir(source):
            status = os.stat(name, dir_fd=source, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                os.mkdir(name, 0o700, dir_fd=destination)
                self.pending.append(prefix + name)
            elif not (status.st_nlink > 1 and self._link(status, destination, prefix, name)):
                copy_entry(source, destination, name, status)

    def _link(self, status: os.stat_result, destination: int, prefix: str, name: str) -> bool:
        """Link a file to the copy of another of its names; False if this is the first of them."""
        first = self.links.setdefault((status.st_dev, status.st_ino), prefix + name)
        if first == prefix + name:
            return False
        above, _slash, last = first.rpartition("/")
        parent = syscalls.openat2(self.destination, above or ".", _DIRECTORY, resolve=_RESOLVE)
        try:
            os.link(last, name, src_dir_fd=parent, dst_dir_fd=destination, follow_symlinks=False)
        finally:
            os.close(parent)
        return True


class Pair:
    """A directory below the source and its like below the destination, open for the time of a `with` block."""

    def __init__(self, source: int, destination: int, path: str) -> None:
        self._tops = source, destination
        self._path = path
        self._open: list[int] = []

    def __enter__(self) -> tuple[int, int]:
        try:
            for top in self._tops:
                self._open.append(syscalls.openat2(top, self._path, _DIRECTORY, resolve=_RESOLVE))
        except BaseException:
            self.__exit__()
            raise
        return self._open[0], self._open[1]

    def __exit__(self, *error: object) -> None:
        for descriptor in self._open:
            os.close(descriptor)


def copy_entry(source: int, destination: int, name: str, status: os.stat_result) -> None:
    """Copy what is no directory."""
    if stat.S_ISREG(status.st_mode):
        _copy_file(source, destination, name)
        return
    if stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=destination)
    elif stat.S_ISFIFO(status.st_mode):
        os.mkfifo(name, stat.S_IMODE(status.st_mode), dir_fd=destination)
    else:
        return  # a socket is of no use without its process; devices come by --device, with the cgroup's consent
    os.chown(name, status.st_uid, status.st_gid, dir_fd=destination, follow_symlinks=False)
    os.utime(name, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=destination, follow_symlinks=False)


def _copy_file(source: int, destination: int, name: str) -> None:
    reader = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=source)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        writer = os.open(name, flags, 0o600, dir_fd=destination)
        try:
            copy_data(reader, writer)
            copy_attributes(reader, writer)
        finally:
            os.close(writer)
    finally:
        os.close(reader)


def copy_attributes(source: int, destination: int) -> None:
    """Give an open file the owner, mode, attributes and times of another."""
    status = os.fstat(source)
    os.fchown(destination, status.st_uid, status.st_gid)
    os.fchmod(destination, stat.S_IMODE(status.st_mode))
    for name in os.listxattr(source):
        if not name.startswith(_UNCOPIED):
            try:
                os.setxattr(destination, name, os.getxattr(source, name))
            except OSError:
                continue  # the volume's file system may not know this attribute
    os.utime(destination, ns=(status.st_atime_ns, status.st_mtime_ns))
