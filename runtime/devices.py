"""The device nodes and links of a container's /dev, made in the fd of that directory alone.

An image may bring /dev as a link to anywhere: it is opened as a plain directory, or not at all (CVE-2026-41579).
"""

from __future__ import annotations

import posix
import stat
from errno import EPERM

from runtime import inroot, syscalls
from runtime.errors import OCIRuntimeError, SpecError
from runtime.kernel import AT_FDCWD, OPEN_TREE_CLOEXEC, OPEN_TREE_CLONE
from runtime.sync import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# name: (major, minor)
_DEFAULTS = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "tty": (5, 0), "random": (1, 8), "urandom": (1, 9)}
_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "core": "/proc/kcore",
    "ptmx": "pts/ptmx",
}
_TYPES = {"c": stat.S_IFCHR, "u": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO}


class Device:
    """A node to make: its path in the container, type, number, mode and owner."""

    __slots__ = ("gid", "mode", "number", "path", "uid")

    def __init__(self, document: dict[str, Any], name: str) -> None:
        self.path: str = document["path"]
        kind = document["type"]
        if self.path.rpartition("/")[2] in ("", ".", ".."):
            raise SpecError(f"{name}.path does not name a file: `{self.path}`")
        permissions = document.get("fileMode")
        self.mode = _TYPES[kind] | (0o666 if permissions is None else permissions & 0o7777)
        self.number = 0
        if kind != "p":
            for key in ("major", "minor"):
                if document.get(key) is None:
                    raise SpecError(f"{name}.{key} is missing")
            self.number = posix.makedev(document["major"], document["minor"])
        self.uid = document.get("uid") or 0
        self.gid = document.get("gid") or 0


def read_devices(linux: dict[str, Any]) -> list[Device]:
    """Return the devices of a configuration; one that is a default device anyhow only changes it."""
    documents = linux.get("devices") or ()
    return [Device(document, f"linux.devices[{index}]") for index, document in enumerate(documents)]


def open_dev(root: int) -> int:
    """Open /dev of the container, which must be a directory and no link; made if missing."""
    try:
        posix.mkdir("dev", 0o755, dir_fd=root)
    except FileExistsError:
        pass
    try:
        return syscalls.open_directory("dev", root)
    except OSError as error:
        raise OCIRuntimeError("open /dev of the container: it is not a directory") from error


def make_all(root: int, devices: list[Device], *, bind: bool) -> None:
    """Make default and listed devices and the links; `bind`: nodes of the host instead of new ones."""
    dev = open_dev(root)
    try:
        for name, (major, minor) in _DEFAULTS.items():
            _make(dev, name, stat.S_IFCHR | 0o666, posix.makedev(major, minor), bind, f"/dev/{name}")
        for device in devices:
            _make_listed(root, device, bind)
        for name, target in _LINKS.items():
            _link(dev, name, target)
    finally:
        posix.close(dev)


def _make_listed(root: int, device: Device, bind: bool) -> None:
    above, _slash, name = device.path.rpartition("/")
    parent = inroot.make(root, above, directory=True)
    try:
        made = _make(parent, name, device.mode, device.number, bind, device.path)
        if made:
            posix.chown(name, device.uid, device.gid, dir_fd=parent, follow_symlinks=False)
    finally:
        posix.close(parent)


def _make(parent: int, name: str, mode: int, number: int, bind: bool, path: str) -> bool:
    """Make one node; False if what is there was kept or a node of the host was bound."""
    try:
        if bind and not stat.S_ISFIFO(mode):
            _bind(parent, name, path, mode, number)
            return False
        try:
            posix.mknod(name, mode, number, dir_fd=parent)
        except FileExistsError:
            status = posix.stat(name, dir_fd=parent, follow_symlinks=False)
            if status.st_rdev == number and stat.S_IFMT(status.st_mode) == stat.S_IFMT(mode):
                return False
            posix.unlink(name, dir_fd=parent)
            posix.mknod(name, mode, number, dir_fd=parent)
        except OSError as error:
            if error.errno != EPERM:
                raise
            _bind(parent, name, path, mode, number)
            return False
        return True
    except OSError as error:
        raise OCIRuntimeError(f"make the device `{path}`: {describe(error)}") from error


def _bind(parent: int, name: str, path: str, mode: int, number: int) -> None:
    """Bind the host's node of the same path; the host's paths are still those of the process's root."""
    tree = syscalls.open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)
    try:
        status = posix.fstat(tree)
        if stat.S_IFMT(status.st_mode) != stat.S_IFMT(mode) or status.st_rdev != number:
            raise OCIRuntimeError(f"make the device `{path}`: the host has another file there")
        flags = posix.O_CREAT | posix.O_NOFOLLOW | posix.O_CLOEXEC | posix.O_NONBLOCK
        try:
            posix.close(posix.open(name, flags | posix.O_EXCL, 0o644, dir_fd=parent))
        except FileExistsError:
            pass
        target = posix.open(name, posix.O_PATH | posix.O_NOFOLLOW | posix.O_CLOEXEC, dir_fd=parent)
        try:
            syscalls.attach_mount(tree, target)
        finally:
            posix.close(target)
    finally:
        posix.close(tree)


def _link(dev: int, name: str, target: str) -> None:
    try:
        posix.symlink(target, name, dir_fd=dev)
    except FileExistsError:
        if name != "ptmx":
            return
        # Some images bring a ptmx node: it would be the host's instance of devpts.
        status = posix.stat(name, dir_fd=dev, follow_symlinks=False)
        if stat.S_ISCHR(status.st_mode):
            posix.unlink(name, dir_fd=dev)
            posix.symlink(target, name, dir_fd=dev)
