"""The pseudo-terminal of a container: made in its own devpts, held by fd, never by a path (CVE-2025-52565)."""

from __future__ import annotations

import fcntl
import posix
import struct

from runtime import devices, inroot, syscalls
from runtime.errors import OCIRuntimeError
from runtime.kernel import (
    AT_EMPTY_PATH,
    DEVPTS_SUPER_MAGIC,
    OPEN_TREE_CLOEXEC,
    OPEN_TREE_CLONE,
    TIOCGPTPEER,
    TIOCSCTTY,
    TIOCSPTLCK,
    TIOCSWINSZ,
)
from runtime.sync import describe


def open_terminal(root: int, size: tuple[int, int], uid: int) -> tuple[int, int]:
    """Return (master, slave) of a new terminal in the devpts below `root`; the slave belongs to the user `uid`."""
    master = -1
    try:
        master = inroot.open_path(root, "dev/pts/ptmx", posix.O_RDWR | posix.O_NOCTTY | posix.O_NOFOLLOW)
        if syscalls.filesystem_type(master) != DEVPTS_SUPER_MAGIC:
            raise OCIRuntimeError("open a terminal: /dev/pts of the container is not a devpts file system")
        fcntl.ioctl(master, TIOCSPTLCK, struct.pack("i", 0))
        slave = fcntl.ioctl(master, TIOCGPTPEER, posix.O_RDWR | posix.O_NOCTTY | posix.O_CLOEXEC)
    except OSError as error:
        raise OCIRuntimeError(f"open a terminal in the container: {describe(error)}") from error
    resize(master, *size)
    try:
        posix.fchown(slave, uid, -1)
        posix.fchmod(slave, 0o620)
    except OSError:
        # In a user namespace that maps one ID the owner is right already, or cannot be.
        pass
    return master, slave


def resize(master: int, height: int, width: int) -> None:
    """Set the size of the terminal, if there is one to set."""
    if height or width:
        fcntl.ioctl(master, TIOCSWINSZ, struct.pack("4H", height & 0xFFFF, width & 0xFFFF, 0, 0))


def bind_console(root: int, slave: int) -> None:
    """Make the terminal the container's /dev/console."""
    dev = devices.open_dev(root)
    try:
        flags = posix.O_CREAT | posix.O_EXCL | posix.O_NOFOLLOW | posix.O_CLOEXEC
        try:
            posix.close(posix.open("console", flags, 0o600, dir_fd=dev))
        except FileExistsError:
            pass
        target = posix.open("console", posix.O_PATH | posix.O_NOFOLLOW | posix.O_CLOEXEC, dir_fd=dev)
        tree = syscalls.open_tree(slave, b"", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH)
        syscalls.attach_mount(tree, target)
        posix.close(target)
        posix.close(tree)
    except OSError as error:
        raise OCIRuntimeError(f"make /dev/console: {describe(error)}") from error
    finally:
        posix.close(dev)


def take(slave: int) -> None:
    """Make the slave this session's controlling terminal and its standard streams."""
    fcntl.ioctl(slave, TIOCSCTTY, 0)
    for fd in (0, 1, 2):
        posix.dup2(slave, fd, True)
    if slave > 2:
        posix.close(slave)
