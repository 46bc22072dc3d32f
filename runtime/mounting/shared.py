"""A container without a mount namespace: its tree is mounted where all of the runtime's namespace sees it.

Such a container is entered by chroot(2), which holds back nobody with CAP_SYS_CHROOT, and its tree outlives its
processes: `delete` takes it away, by the ID of the mount, so that what else lies at that path stays.
"""

from __future__ import annotations

import posix
from errno import EINVAL

from runtime import syscalls
from runtime.kernel import MNT_DETACH


def mount_id(fd: int) -> int:
    """Return the ID of the mount that an open file lies on (proc(5), fdinfo)."""
    with open(f"/proc/self/fdinfo/{fd}") as file:
        for line in file:
            name, _colon, value = line.partition(":")
            if name == "mnt_id":
                return int(value)
    return 0


def attach(path: str, tree: int) -> None:
    """Put the copied tree where the root file system is, in this process's own mount namespace."""
    target = posix.open(path, posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC)
    try:
        syscalls.attach_mount(tree, target)
    finally:
        posix.close(target)


def detach(path: str, wanted: int) -> None:
    """Take the tree away again with all that was mounted in it; fine if it is gone."""
    try:
        top = posix.open(path, posix.O_PATH | posix.O_CLOEXEC)
    except OSError:
        return
    try:
        found = mount_id(top)
    finally:
        posix.close(top)
    if found != wanted:
        return
    try:
        syscalls.umount2(path, MNT_DETACH)
    except OSError as error:
        if error.errno != EINVAL:
            raise
