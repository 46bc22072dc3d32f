"""Masked and read-only paths of a container, by fds found in its root.

A file is covered by the container's /dev/null only after that was found to be the real one (CVE-2025-31133), a
directory by an empty read-only tmpfs; a read-only path by a copy of itself.
"""

from __future__ import annotations

import posix
import stat

from runtime import inroot, syscalls
from runtime.errors import OCIRuntimeError
from runtime.kernel import (
    AT_EMPTY_PATH,
    AT_RECURSIVE,
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NOEXEC,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_RDONLY,
    OPEN_TREE_CLOEXEC,
    OPEN_TREE_CLONE,
)
from runtime.sync import describe

_MISSING = (FileNotFoundError, NotADirectoryError)
_COPY = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH


def open_null(root: int) -> int:
    """Open the container's /dev/null if it is character device 1:3, else OCIRuntimeError."""
    fd = inroot.open_path(root, "dev/null", posix.O_PATH | posix.O_NOFOLLOW)
    status = posix.fstat(fd)
    if not stat.S_ISCHR(status.st_mode) or status.st_rdev != posix.makedev(1, 3):
        posix.close(fd)
        raise OCIRuntimeError("the container's /dev/null is not the null device")
    return fd


def mask_all(root: int, paths: list[str]) -> None:
    """Hide each path that exists."""
    null = empty = -1
    try:
        for path in dict.fromkeys(paths):
            try:
                target = inroot.open_path(root, path)
            except _MISSING:
                continue
            try:
                if stat.S_ISDIR(posix.fstat(target).st_mode):
                    if empty >= 0:
                        _cover(empty, target)
                    else:
                        # Before Linux 6.15 only of what is attached can copies be made: so the first is no copy.
                        empty = _empty_directory()
                        syscalls.attach_mount(empty, target)
                else:
                    null = null if null >= 0 else open_null(root)
                    _cover(null, target)
            except OSError as error:
                raise OCIRuntimeError(f"mask `{path}`: {describe(error)}") from error
            finally:
                posix.close(target)
    finally:
        for fd in (null, empty):
            if fd >= 0:
                posix.close(fd)


def _empty_directory() -> int:
    context = syscalls.fsopen("tmpfs")
    try:
        for key, value in (("nr_blocks", "1"), ("nr_inodes", "1"), ("mode", "555")):
            syscalls.fsconfig_set_string(context, key, value)
        syscalls.fsconfig_create(context)
        return syscalls.fsmount(context, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)
    finally:
        posix.close(context)


def _cover(source: int, target: int) -> None:
    tree = syscalls.open_tree(source, b"", _COPY)
    try:
        syscalls.attach_mount(tree, target)
    finally:
        posix.close(tree)


def make_readonly(root: int, paths: list[str]) -> None:
    """Cover each path that exists by a read-only copy of itself."""
    for path in dict.fromkeys(paths):
        try:
            target = inroot.open_path(root, path)
        except _MISSING:
            continue
        try:
            tree = syscalls.open_tree(target, b"", _COPY | AT_RECURSIVE)
            try:
                syscalls.mount_setattr(tree, attr_set=MOUNT_ATTR_RDONLY)
                syscalls.attach_mount(tree, target)
            finally:
                posix.close(tree)
        except OSError as error:
            raise OCIRuntimeError(f"make `{path}` read-only: {describe(error)}") from error
        finally:
            posix.close(target)
