"""The root file system: bound on itself, entered by pivot_root, with the propagation and flags asked for."""

from __future__ import annotations

import posix
from errno import EINVAL

from runtime import syscalls
from runtime.errors import OCIRuntimeError
from runtime.kernel import (
    AT_EMPTY_PATH,
    AT_FDCWD,
    AT_RECURSIVE,
    MNT_DETACH,
    MOUNT_ATTR_RDONLY,
    MS_MOVE,
    MS_PRIVATE,
    MS_REC,
    MS_SLAVE,
    MS_UNBINDABLE,
    OPEN_TREE_CLOEXEC,
    OPEN_TREE_CLONE,
)
from runtime.mounting.options import PROPAGATION
from runtime.sync import describe

_DEFAULT = MS_PRIVATE | MS_REC


def read_propagation(linux: dict[str, str]) -> int:
    """Return the mount(2) flags of linux.rootfsPropagation, private for the whole tree by default."""
    name = linux.get("rootfsPropagation")
    if not name:
        return _DEFAULT
    if name in PROPAGATION:
        return PROPAGATION[name]
    return PROPAGATION[name[1:]] | MS_REC


def clone_tree(path: str) -> int:
    """Return a detached copy of the tree at `path`: nothing mounted in it later spreads to the host."""
    try:
        tree = syscalls.open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE)
        syscalls.mount_setattr(tree, flags=AT_EMPTY_PATH | AT_RECURSIVE, propagation=MS_PRIVATE)
    except OSError as error:
        raise OCIRuntimeError(f"open the root file system: {describe(error)}") from error
    return tree


def attach(path: str, tree: int, propagation: int) -> None:
    """Set the propagation of the process's own mounts, and put the copied tree where the root file system was.

    The root of a user namespace may not be allowed to get there: then it is put on the root, which serves as well,
    for the tree becomes the root of this mount namespace and the old one goes.
    """
    try:
        posix.close(posix.open(path, posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC))
    except PermissionError:
        path = "/"
    early = MS_SLAVE | MS_REC if propagation & MS_UNBINDABLE else propagation | MS_REC
    syscalls.mount(None, "/", None, early)
    if not early & MS_PRIVATE:
        _make_parent_private(path)
    target = posix.open(path, posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC)
    syscalls.attach_mount(tree, target)
    posix.close(target)


def _make_parent_private(path: str) -> None:
    """Keep the attached tree out of the host: the mount that holds `path` must not be shared (pivot_root(2))."""
    while True:
        try:
            syscalls.mount(None, path, None, MS_PRIVATE)
        except OSError as error:
            if error.errno != EINVAL or path == "/":
                raise
            path = path.rpartition("/")[0] or "/"
        else:
            return


def enter(root: int, *, no_pivot: bool) -> None:
    """Make the mount `root` the root of this process's mount namespace and drop the old one (pivot_root(2), NOTES)."""
    if no_pivot:
        posix.fchdir(root)
        syscalls.mount(".", "/", None, MS_MOVE)
        posix.chroot(".")
        posix.chdir("/")
        return
    old = syscalls.open_directory("/")
    posix.fchdir(root)
    syscalls.pivot_root(".", ".")
    posix.fchdir(old)
    # What is unmounted now must not be unmounted in the host as well.
    syscalls.mount(None, ".", None, _DEFAULT)
    syscalls.umount2(".", MNT_DETACH)
    posix.close(old)
    posix.chdir("/")


def chroot(root: int) -> None:
    """Make the open directory the root of this process, which stays in its mount namespace."""
    posix.fchdir(root)
    posix.chroot(".")
    posix.chdir("/")


def finish(root: int, propagation: int, *, readonly: bool) -> None:
    """Apply to the entered root what had to wait: propagation that would have hindered the mounts, and read-only."""
    if propagation != _DEFAULT:
        syscalls.mount(None, "/", None, propagation)
    if readonly:
        syscalls.mount_setattr(root, attr_set=MOUNT_ATTR_RDONLY)
