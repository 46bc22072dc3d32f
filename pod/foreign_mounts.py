"""Mounts that are in the mount namespace of another process, and whether a directory is one."""

from __future__ import annotations

import os

from runtime import kernel, syscalls
from runtime.mounting.shared import mount_id


def copy_from(pid: int, path: str) -> int:
    """Copy a mount out of the mount namespace of another process of ours."""
    theirs = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    own = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    here = os.open(".", os.O_PATH | os.O_CLOEXEC)
    try:
        syscalls.setns(theirs, kernel.CLONE_NEWNS)
        try:
            if not is_mount(path):
                raise FileNotFoundError(path)
            return syscalls.open_tree(kernel.AT_FDCWD, path, kernel.OPEN_TREE_CLONE | kernel.OPEN_TREE_CLOEXEC)
        finally:
            syscalls.setns(own, kernel.CLONE_NEWNS)
            os.fchdir(here)
    finally:
        for descriptor in (theirs, own, here):
            os.close(descriptor)


def is_mount(path: str) -> bool:
    """Tell whether a directory is the top of a mount, also if its file system is that of its parent."""
    ids = []
    for place in (path, os.path.dirname(path)):
        descriptor = os.open(place, os.O_PATH | os.O_CLOEXEC)
        ids.append(mount_id(descriptor))
        os.close(descriptor)
    return ids[0] != ids[1]
