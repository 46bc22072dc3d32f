"""New file systems for a container, made by fsopen(2) as detached mounts, and new settings for mounted ones."""

from __future__ import annotations

import posix
import stat
from errno import EINVAL

from runtime import labels, syscalls
from runtime.kernel import AT_EMPTY_PATH, AT_FDCWD, AT_RECURSIVE, MOUNT_ATTR_RDONLY, OPEN_TREE_CLOEXEC, OPEN_TREE_CLONE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.mounting.mounts import Mount

    Parameters = list[tuple[str, str | None]]

_LONGEST_PARAMETER = 255
# SELinux's own parameters, which no kernel takes while it is off.
CONTEXTS = frozenset(("context", "fscontext", "defcontext", "rootcontext"))


def make(mount: Mount, target: int, new_pid_namespace: bool) -> int:
    """Return a detached mount of a new file system for the directory `target`."""
    try:
        return _make(mount, target)
    except PermissionError:
        # The kernel mounts sysfs only for the owner of the network namespace, procfs only for that of the pid namespace
        # that sees all of /proc: what we see ourselves may be shown instead.
        if mount.fstype == "sysfs" or (mount.fstype == "proc" and not new_pid_namespace):
            flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE
            tree = syscalls.open_tree(AT_FDCWD, "/sys" if mount.fstype == "sysfs" else "/proc", flags)
            mount.options.set_attributes(tree)
            # What is mounted below comes with it, and must not be more writable than was asked for (CVE-2023-25809).
            readonly = mount.options.attributes.set & MOUNT_ATTR_RDONLY
            syscalls.mount_setattr(tree, flags=AT_EMPTY_PATH | AT_RECURSIVE, attr_set=readonly)
            return tree
        raise


def _make(mount: Mount, target: int) -> int:
    parameters = mount.options.parameters()
    if mount.fstype == "tmpfs" and not mount.has_mode():
        parameters.append(("mode", f"{stat.S_IMODE(posix.fstat(target).st_mode):o}"))
    try:
        context = _configure(mount.fstype, mount.source, parameters)
    except OSError as error:
        if mount.fstype != "devpts" or error.errno != EINVAL:
            raise
        # Group 5 is not mapped in a user namespace with few IDs.
        context = _configure(mount.fstype, mount.source, [pair for pair in parameters if pair[0] != "gid"])
    try:
        # A file system that is just one mount has no tree to tell recursive attributes from others.
        attributes = mount.options.attributes.set | mount.options.recursive_attributes.set
        if mount.options.copy_up:
            attributes &= ~MOUNT_ATTR_RDONLY
        return syscalls.fsmount(context, attributes)
    finally:
        posix.close(context)


def _configure(fstype: str, source: str, parameters: Parameters) -> int:
    context = syscalls.fsopen(fstype)
    try:
        if source:
            syscalls.fsconfig_set_string(context, "source", source[:_LONGEST_PARAMETER])
        _set(context, parameters)
        syscalls.fsconfig_create(context)
    except BaseException:
        posix.close(context)
        raise
    return context


def _set(context: int, parameters: Parameters) -> None:
    for key, value in parameters:
        if key in CONTEXTS and not labels.has_selinux():
            continue
        if value is None:
            syscalls.fsconfig_set_flag(context, key)
        else:
            syscalls.fsconfig_set_string(context, key, value)


def reconfigure(target: int, parameters: Parameters) -> None:
    """Give the file system that is mounted on `target` other parameters, as `mount -o remount` does."""
    context = syscalls.fspick(target, b"")
    try:
        _set(context, parameters)
        syscalls.fsconfig_reconfigure(context)
    finally:
        posix.close(context)
