"""The mounts of a container, by file descriptors: a detached mount, a target found in the root, move_mount.

No path of the container is looked up twice, nor by anything but openat2(RESOLVE_IN_ROOT): so neither a symbolic link
in the image nor a rename during the start leads a mount elsewhere (CVE-2021-30465, CVE-2019-19921, CVE-2023-27561).
"""

from __future__ import annotations

import posix
import stat
from errno import EINVAL

from runtime import idmap, inroot, labels, syscalls
from runtime.errors import OCIRuntimeError, SpecError
from runtime.kernel import (
    AT_EMPTY_PATH,
    AT_FDCWD,
    AT_RECURSIVE,
    AT_SYMLINK_NOFOLLOW,
    MOUNT_ATTR_IDMAP,
    MOUNT_ATTR_RDONLY,
    OPEN_TREE_CLOEXEC,
    OPEN_TREE_CLONE,
    PROC_SUPER_MAGIC,
    RESOLVE_NO_MAGICLINKS,
    RESOLVE_NO_SYMLINKS,
)
from runtime.mounting import cgroup as mounts_cgroup
from runtime.mounting import copyup, filesystems
from runtime.mounting.options import USUAL, MountOptions
from runtime.sync import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What may be mounted over below /proc; anything else there could fake what the kernel or we are told (CVE-2019-16884).
_ALLOWED_IN_PROC = frozenset(
    "/proc/cpuinfo /proc/diskstats /proc/meminfo /proc/stat /proc/swaps /proc/uptime /proc/loadavg /proc/slabinfo "
    "/proc/net/dev /proc/sys/kernel/ns_last_pid /proc/sys/crypto/fips_enabled /proc/sys/kernel/hostname".split()
)
# File systems that take no label of their own for all files.
_WITHOUT_LABEL = frozenset(("proc", "sysfs", "cgroup", "cgroup2"))


class Mount:
    """One entry of `mounts`, with the fd of its source if that was opened ahead."""

    __slots__ = ("destination", "fstype", "gid_mappings", "options", "source", "tree", "uid_mappings")

    def __init__(self, document: dict[str, Any], bundle: str, name: str = "mount") -> None:
        self.destination = "/" + "/".join(inroot.components(document["destination"]))
        options = document.get("options")
        self.fstype: str = document.get("type") or ""
        if options is None:
            options = USUAL.get((self.destination, self.fstype))
        self.options = MountOptions(options or [])
        self.source: str = document.get("source") or ""
        self.tree = -1
        self.uid_mappings = idmap.read_mappings(document.get("uidMappings"), f"{name}.uidMappings")
        self.gid_mappings = idmap.read_mappings(document.get("gidMappings"), f"{name}.gidMappings")
        if bool(self.uid_mappings) != bool(self.gid_mappings):
            raise SpecError(f"{name} has but one of uidMappings and gidMappings")
        self.options.idmap |= bool(self.uid_mappings)
        if self.fstype in ("bind", "rbind"):
            self.options.bind = True
            self.options.recursive |= self.fstype == "rbind"
        self._check(name)
        if self.options.bind:
            self.source = self.source if self.source.startswith("/") else f"{bundle}/{self.source}"

    def _check(self, name: str) -> None:
        if self.options.bind and not self.source and not self.options.remount:
            raise SpecError(f"{name}.source: the bind mount on `{self.destination}` has no source")
        if not self.options.bind and not self.fstype and not self.options.remount:
            raise SpecError(f"{name}.type: the mount on `{self.destination}` has no type")
        if self.options.idmap and not self.options.bind:
            raise SpecError(f"{name}: IDs can be mapped for a bind mount only")
        if self.destination == "/" and (self.options.copy_symlink or self.options.nofollow_target):
            raise SpecError(f"{name}.destination: `/` cannot be a link")

    def has_mode(self) -> bool:
        """Tell whether the mode of the root directory of a new file system is given."""
        return any(key == "mode" for key, _value in self.options.parameters())

    def __str__(self) -> str:
        what = f"`{self.source}`" if self.options.bind else self.fstype
        return f"mount {what} on `{self.destination}`"


def read_mounts(spec: dict[str, Any], bundle: str) -> list[Mount]:
    """Return the mounts of a configuration in their order, new file systems with its label where that counts."""
    found = [Mount(document, bundle, f"mounts[{index}]") for index, document in enumerate(spec.get("mounts") or ())]
    label = (spec.get("linux") or {}).get("mountLabel")
    if label and labels.has_selinux():
        kind = (spec.get("annotations") or {}).get("run.oci.mount_context_type") or "context"
        for mount in found:
            given = any(key in filesystems.CONTEXTS for key, _value in mount.options.parameters())
            if not (mount.options.bind or mount.options.remount or mount.fstype in _WITHOUT_LABEL or given):
                mount.options.data.append(f'{kind}="{label}"')
    return found


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


def map_ids(mount: Mount, container: tuple[list[idmap.Mapping], list[idmap.Mapping]], joined: int) -> None:
    """Give the opened tree of a mount the mappings that it names, or else those of the container.

    `joined` is the user namespace that the container joins, -1 if it has none or one of its own.
    """
    uids, gids = mount.uid_mappings or container[0], mount.gid_mappings or container[1]
    own = -1
    if uids and gids:
        own = idmap.open_namespace(uids, gids)
    elif joined < 0:
        raise SpecError(f"the mount on `{mount.destination}` has no uidMappings and gidMappings to map IDs by")
    try:
        flags = AT_EMPTY_PATH | (AT_RECURSIVE if mount.options.recursive_idmap else 0)
        namespace = own if own >= 0 else joined
        syscalls.mount_setattr(mount.tree, flags=flags, attr_set=MOUNT_ATTR_IDMAP, userns_fd=namespace)
    finally:
        if own >= 0:
            posix.close(own)


def mount_all(root: int, mounts: list[Mount], *, new_pid_namespace: bool, cgroup_namespace: bool) -> int:
    """Make all mounts below the directory `root`, in order; return the root, another one if a mount covers it."""
    for mount in mounts:
        try:
            if mount.options.remount:
                _change(root, mount)
            elif mount.fstype in ("cgroup", "cgroup2") and not mount.options.bind:
                mounts_cgroup.mount(root, mount.destination, mount.options, cgroup_namespace=cgroup_namespace)
            elif not mount.options.copy_symlink or not _copy_link(root, mount):
                root = _mount(root, mount, new_pid_namespace)
        except (OSError, ValueError) as error:
            raise OCIRuntimeError(f"{mount}: {describe(error)}") from error
    return root


def _mount(root: int, mount: Mount, new_pid_namespace: bool) -> int:
    if mount.options.bind:
        tree = mount.tree if mount.tree >= 0 else clone_tree(mount)
        directory = stat.S_ISDIR(posix.fstat(tree).st_mode)
        target = _target(root, mount, directory, tree)
        mount.options.set_attributes(tree)
    else:
        target = _target(root, mount, True, -1)
        tree = filesystems.make(mount, target, new_pid_namespace)
    if mount.options.copy_up:
        copyup.copy_tree(target, tree, frozenset(key for key, _value in mount.options.parameters()))
        if mount.options.attributes.set & MOUNT_ATTR_RDONLY:
            syscalls.mount_setattr(tree, attr_set=MOUNT_ATTR_RDONLY)
    syscalls.attach_mount(tree, target)
    mount.options.set_propagation(tree)
    posix.close(target)
    mount.tree = -1
    if mount.destination == "/":
        # From here on this is the container's root: the old one lies below it.
        posix.close(root)
        return tree
    posix.close(tree)
    return root


def _target(root: int, mount: Mount, directory: bool, tree: int) -> int:
    """Open what is to be mounted on; procfs and sysfs demand a real directory, and /proc is no place for volumes."""
    if mount.fstype in ("proc", "sysfs") and not mount.options.bind:
        return _plain_directory(root, mount.destination)
    if mount.options.nofollow_target:
        target = inroot.make_unfollowed(root, mount.destination, directory=directory)
    elif mount.fstype == "tmpfs" and not mount.has_mode():
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


def _scratch_directory(root: int, path: str) -> int:
    """Open the directory for a tmpfs of no given mode, which takes on its mode; a missing one is made for everybody."""
    try:
        return inroot.open_path(root, path)
    except FileNotFoundError:
        pass
    above, _slash, name = path.rpartition("/")
    parent = inroot.make(root, above or ".", directory=True)
    try:
        # Never by chmod: what is found at the path a moment later may be another directory.
        posix.mkdir(name, 0o1777, dir_fd=parent)
    except FileExistsError:
        pass
    finally:
        posix.close(parent)
    return inroot.make(root, path, directory=True)


def _plain_directory(root: int, path: str) -> int:
    """Open or make a directory that is reached through no symbolic link at all."""
    posix.close(inroot.make(root, path, directory=True))
    flags = posix.O_PATH | posix.O_DIRECTORY | posix.O_NOFOLLOW
    resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS
    return syscalls.openat2(root, path.lstrip("/"), flags, resolve=resolve | 0x08)


def _change(root: int, mount: Mount) -> None:
    """Change a mount (`remount`): its attributes, its propagation, the parameters of what is mounted there."""
    target = inroot.open_path(root, mount.destination)
    try:
        if mount.options.data and not mount.options.bind:
            filesystems.reconfigure(target, mount.options.parameters())
        mount.options.set_attributes(target)
        mount.options.set_propagation(target)
    finally:
        posix.close(target)


def _copy_link(root: int, mount: Mount) -> bool:
    """Make a link like that which the source is (`copy-symlink`); False if the source is no link."""
    try:
        content = posix.readlink(mount.source)
    except OSError as error:
        if error.errno != EINVAL:
            raise
        return False
    above, _slash, name = mount.destination.rpartition("/")
    parent = inroot.make(root, above, directory=True)
    try:
        posix.symlink(content, name, dir_fd=parent)
    except FileExistsError:
        status = posix.stat(name, dir_fd=parent, follow_symlinks=False)
        if not stat.S_ISLNK(status.st_mode) or posix.readlink(name, dir_fd=parent) != content:
            raise
    finally:
        posix.close(parent)
    return True
