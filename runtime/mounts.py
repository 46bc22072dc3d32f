"""The mounts of a container, by file descriptors: a detached mount, a target found in the root, move_mount.

No path of the container is looked up twice, nor by anything but openat2(RESOLVE_IN_ROOT): so neither a symbolic link
in the image nor a rename during the start leads a mount elsewhere (CVE-2021-30465, CVE-2019-19921, CVE-2023-27561).
"""

from __future__ import annotations

import posix
import stat
from errno import EINVAL, EPERM

from runtime import copyup, idmap, inroot, mounts_cgroup, syscalls
from runtime.errors import OCIRuntimeError, SpecError
from runtime.kernel import (
    AT_EMPTY_PATH,
    AT_FDCWD,
    AT_RECURSIVE,
    AT_SYMLINK_NOFOLLOW,
    MOUNT_ATTR_IDMAP,
    MOUNT_ATTR_RDONLY,
    MS_PRIVATE,
    OPEN_TREE_CLOEXEC,
    OPEN_TREE_CLONE,
    PROC_SUPER_MAGIC,
    RESOLVE_NO_MAGICLINKS,
    RESOLVE_NO_SYMLINKS,
)
from runtime.mount_options import MountOptions
from runtime.sync import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What may be mounted over below /proc; anything else there could fake what the kernel or we are told (CVE-2019-16884).
_ALLOWED_IN_PROC = frozenset(
    "/proc/cpuinfo /proc/diskstats /proc/meminfo /proc/stat /proc/swaps /proc/uptime /proc/loadavg /proc/slabinfo "
    "/proc/net/dev /proc/sys/kernel/ns_last_pid /proc/sys/crypto/fips_enabled /proc/sys/kernel/hostname".split()
)
_LONGEST_PARAMETER = 255


class Mount:
    """One entry of `mounts`, with the fd of its source if that was opened ahead."""

    __slots__ = ("destination", "fstype", "gid_mappings", "options", "source", "tree", "uid_mappings")

    def __init__(self, document: dict[str, Any], bundle: str) -> None:
        self.destination = "/" + "/".join(inroot.components(document["destination"]))
        self.options = MountOptions(document.get("options") or [])
        self.fstype = document.get("type") or ""
        self.source = document.get("source") or ""
        self.tree = -1
        self.uid_mappings = document.get("uidMappings")
        self.gid_mappings = document.get("gidMappings")
        self.options.idmap |= bool(self.uid_mappings or self.gid_mappings)
        if self.fstype in ("bind", "rbind"):
            self.options.bind = True
            self.options.recursive |= self.fstype == "rbind"
        if self.options.bind:
            if not self.source or "\0" in self.source:
                raise SpecError(f"the bind mount on `{self.destination}` has no source")
            self.source = self.source if self.source.startswith("/") else f"{bundle}/{self.source}"
        elif not self.fstype and not self.options.remount:
            raise SpecError(f"the mount on `{self.destination}` has no type")

    def __str__(self) -> str:
        what = f"`{self.source}`" if self.options.bind else self.fstype
        return f"mount {what} on `{self.destination}`"


def read_mounts(spec: dict[str, Any], bundle: str) -> list[Mount]:
    """Return the mounts of a configuration in their order."""
    return [Mount(document, bundle) for document in spec.get("mounts") or ()]


def clone_tree(mount: Mount) -> int:
    """Return a detached copy of the source of a bind mount."""
    flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC
    if mount.options.nofollow_source:
        flags |= AT_SYMLINK_NOFOLLOW
    recursive = AT_RECURSIVE if mount.options.recursive else 0
    try:
        return syscalls.open_tree(AT_FDCWD, mount.source, flags | recursive)
    except OSError as error:
        # In a user namespace a mount that has locked ones below it can only be copied with them.
        if error.errno != EINVAL or recursive:
            raise
        return syscalls.open_tree(AT_FDCWD, mount.source, flags | AT_RECURSIVE)


def map_ids(mount: Mount, container: tuple[list[idmap.Mapping], list[idmap.Mapping]]) -> None:
    """Give the opened tree of a mount the mappings that it names, or else those of the container."""
    uids = idmap.read_mappings(mount.uid_mappings, "uidMappings of a mount") or container[0]
    gids = idmap.read_mappings(mount.gid_mappings, "gidMappings of a mount") or container[1]
    if not uids or not gids:
        raise SpecError(f"the mount on `{mount.destination}` has no uidMappings and gidMappings to map IDs by")
    namespace = idmap.open_namespace(uids, gids)
    try:
        recursive = AT_RECURSIVE if mount.options.recursive_idmap else 0
        flags = AT_EMPTY_PATH | recursive
        syscalls.mount_setattr(mount.tree, flags=flags, attr_set=MOUNT_ATTR_IDMAP, userns_fd=namespace)
    finally:
        posix.close(namespace)


def mount_all(root: int, mounts: list[Mount], *, new_pid_namespace: bool, cgroup_namespace: bool) -> None:
    """Make all mounts below the directory `root`, in order."""
    for mount in mounts:
        try:
            if mount.options.remount:
                _change(root, mount)
            elif mount.fstype in ("cgroup", "cgroup2") and not mount.options.bind:
                mounts_cgroup.mount(root, mount.destination, mount.options, cgroup_namespace=cgroup_namespace)
            else:
                _mount(root, mount, new_pid_namespace)
        except (OSError, ValueError) as error:
            raise OCIRuntimeError(f"{mount}: {describe(error)}") from error


def _mount(root: int, mount: Mount, new_pid_namespace: bool) -> None:
    if mount.options.bind:
        tree = mount.tree if mount.tree >= 0 else clone_tree(mount)
        directory = stat.S_ISDIR(posix.fstat(tree).st_mode)
        target = _target(root, mount, directory, tree)
        set_attributes(tree, mount.options)
    else:
        target = _target(root, mount, True, -1)
        tree = new_filesystem(mount, target, new_pid_namespace)
    if mount.options.copy_up:
        copyup.copy_tree(target, tree, frozenset(key for key, _value in mount.options.parameters()))
        if mount.options.attributes.set & MOUNT_ATTR_RDONLY:
            syscalls.mount_setattr(tree, attr_set=MOUNT_ATTR_RDONLY)
    syscalls.attach_mount(tree, target)
    set_propagation(tree, mount.options)
    posix.close(target)
    posix.close(tree)
    mount.tree = -1


def _target(root: int, mount: Mount, directory: bool, tree: int) -> int:
    """Open what is to be mounted on; procfs and sysfs demand a real directory, and /proc is no place for volumes."""
    if mount.fstype in ("proc", "sysfs") and not mount.options.bind:
        return _plain_directory(root, mount.destination)
    if mount.options.nofollow_target:
        parent, _slash, name = mount.destination.rpartition("/")
        above = inroot.make(root, parent, directory=True)
        target = inroot.open_path(above, name, posix.O_PATH | posix.O_NOFOLLOW)
        posix.close(above)
        return target
    if mount.fstype == "tmpfs" and not _has_mode(mount):
        target = _scratch_directory(root, mount.destination)
    else:
        target = inroot.make(root, mount.destination, directory=directory)
    inside = syscalls.filesystem_type(target) == PROC_SUPER_MAGIC
    if mount.destination == "/proc":
        refused = tree < 0 or syscalls.filesystem_type(tree) != PROC_SUPER_MAGIC
    else:
        refused = (inside or mount.destination.startswith("/proc/")) and mount.destination not in _ALLOWED_IN_PROC
    if refused:
        raise OCIRuntimeError(f"{mount}: nothing but procfs may be mounted over or inside of /proc")
    return target


def _has_mode(mount: Mount) -> bool:
    return any(key == "mode" for key, _value in mount.options.parameters())


def _scratch_directory(root: int, path: str) -> int:
    """Open the directory for a tmpfs of no given mode, which takes on its mode; a missing one is made for everybody."""
    try:
        return inroot.open_path(root, path)
    except FileNotFoundError:
        target = inroot.make(root, path, directory=True)
        posix.chmod(".", 0o1777, dir_fd=target)
        return target


def _plain_directory(root: int, path: str) -> int:
    """Open or make a directory that is reached through no symbolic link at all."""
    posix.close(inroot.make(root, path, directory=True))
    flags = posix.O_PATH | posix.O_DIRECTORY | posix.O_NOFOLLOW
    resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS
    return syscalls.openat2(root, path.lstrip("/"), flags, resolve=resolve | 0x08)


def new_filesystem(mount: Mount, target: int, new_pid_namespace: bool) -> int:
    """Return a detached mount of a new file system."""
    try:
        return _create(mount, target)
    except PermissionError:
        # The kernel mounts sysfs only for the owner of the network namespace, procfs only for that of the pid namespace
        # that sees all of /proc: what we see ourselves may be shown instead.
        if mount.fstype == "sysfs" or (mount.fstype == "proc" and not new_pid_namespace):
            flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE
            tree = syscalls.open_tree(AT_FDCWD, "/sys" if mount.fstype == "sysfs" else "/proc", flags)
            set_attributes(tree, mount.options)
            # What is mounted below comes with it, and must not be more writable than was asked for (CVE-2023-25809).
            flags = AT_EMPTY_PATH | AT_RECURSIVE
            syscalls.mount_setattr(tree, flags=flags, attr_set=mount.options.attributes.set & MOUNT_ATTR_RDONLY)
            return tree
        raise


def _create(mount: Mount, target: int) -> int:
    parameters = mount.options.parameters()
    if mount.fstype == "tmpfs" and not _has_mode(mount):
        parameters.append(("mode", f"{stat.S_IMODE(posix.fstat(target).st_mode):o}"))
    try:
        context = _configure(mount.fstype, mount.source, parameters)
    except OSError as error:
        if mount.fstype != "devpts" or error.errno != EINVAL:
            raise
        # Group 5 is not mapped in a user namespace with few IDs.
        context = _configure(mount.fstype, mount.source, [pair for pair in parameters if pair[0] != "gid"])
    try:
        attributes = mount.options.attributes.set
        if mount.options.copy_up:
            attributes &= ~MOUNT_ATTR_RDONLY
        return syscalls.fsmount(context, attributes)
    finally:
        posix.close(context)


def _configure(fstype: str, source: str, parameters: list[tuple[str, str | None]]) -> int:
    context = syscalls.fsopen(fstype)
    try:
        if source:
            syscalls.fsconfig_set_string(context, "source", source[:_LONGEST_PARAMETER])
        for key, value in parameters:
            if value is None:
                syscalls.fsconfig_set_flag(context, key)
            elif key != "context":
                syscalls.fsconfig_set_string(context, key, value)
        syscalls.fsconfig_create(context)
    except BaseException:
        posix.close(context)
        raise
    return context


def set_attributes(tree: int, options: MountOptions) -> None:
    """Set the attributes of a copied tree; in a user namespace some are locked: then they stay as they are."""
    for attributes, flags in ((options.attributes, 0), (options.recursive_attributes, AT_RECURSIVE)):
        if not attributes.set and not attributes.clear:
            continue
        try:
            syscalls.mount_setattr(
                tree, flags=AT_EMPTY_PATH | flags, attr_set=attributes.set, attr_clr=attributes.clear
            )
        except OSError as error:
            if error.errno != EPERM or not attributes.clear:
                raise
            syscalls.mount_setattr(tree, flags=AT_EMPTY_PATH | flags, attr_set=attributes.set & ~0x70)


def set_propagation(tree: int, options: MountOptions) -> None:
    """Set the propagation of an attached mount: one call each, as the kernel takes only one at a time."""
    for propagation, recursive in options.propagation:
        if propagation == MS_PRIVATE and not options.bind and not options.remount:
            # A new file system is private from the beginning.
            continue
        flags = AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0)
        syscalls.mount_setattr(tree, flags=flags, propagation=propagation)


def _change(root: int, mount: Mount) -> None:
    target = inroot.open_path(root, mount.destination)
    try:
        set_attributes(target, mount.options)
        set_propagation(target, mount.options)
    finally:
        posix.close(target)
