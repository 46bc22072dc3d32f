"""The mount of type `cgroup`: the container's view of its own control groups (v1, hybrid or v2, as the host)."""

from __future__ import annotations

import posix
from errno import EBUSY, EPERM

from runtime import inroot, process, syscalls
from runtime.kernel import (
    AT_EMPTY_PATH,
    AT_FDCWD,
    AT_RECURSIVE,
    CGROUP2_SUPER_MAGIC,
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NOEXEC,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_RDONLY,
    MS_PRIVATE,
    OPEN_TREE_CLOEXEC,
    OPEN_TREE_CLONE,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.mounting.options import MountOptions

_HOST = "/sys/fs/cgroup"
_SAFE = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC


def mount(root: int, destination: str, options: MountOptions, *, cgroup_namespace: bool) -> None:
    """Mount the control groups on `destination` below `root`; call it in the container's own cgroup (namespace)."""
    attributes = options.attributes.set | _SAFE
    target = inroot.make(root, destination, directory=True)
    try:
        host = posix.open(_HOST, posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC)
    except FileNotFoundError:
        posix.close(target)
        return
    try:
        if syscalls.filesystem_type(host) == CGROUP2_SUPER_MAGIC:
            own = process.cgroups_of().get("", "/")
            _attach(_one("cgroup2", "", _HOST, own, attributes, cgroup_namespace), target, options)
        else:
            _mount_hierarchies(target, attributes, options, cgroup_namespace)
    finally:
        posix.close(host)
        posix.close(target)


def _mount_hierarchies(target: int, attributes: int, options: MountOptions, cgroup_namespace: bool) -> None:
    context = syscalls.fsopen("tmpfs")
    syscalls.fsconfig_set_string(context, "mode", "755")
    syscalls.fsconfig_set_string(context, "size", "65536")
    syscalls.fsconfig_create(context)
    tmpfs = syscalls.fsmount(context, attributes & ~MOUNT_ATTR_RDONLY)
    posix.close(context)
    syscalls.attach_mount(tmpfs, target)
    without = posix.stat(_HOST).st_dev
    for controllers, path in process.cgroups_of().items():
        name = controllers.removeprefix("name=") if controllers else "unified"
        if _device(name) in (-1, without):
            continue
        posix.mkdir(name, 0o755, dir_fd=tmpfs)
        _links(tmpfs, controllers, name)
        directory = syscalls.open_directory(name, tmpfs)
        fstype = "cgroup" if controllers else "cgroup2"
        tree = _one(fstype, controllers, f"{_HOST}/{name}", path, attributes, cgroup_namespace)
        _attach(tree, directory, options)
        posix.close(directory)
    if attributes & MOUNT_ATTR_RDONLY:
        syscalls.mount_setattr(tmpfs, attr_set=MOUNT_ATTR_RDONLY)
    posix.close(tmpfs)


def _device(name: str) -> int:
    try:
        return posix.stat(f"{_HOST}/{name}").st_dev
    except OSError:
        return -1


def _links(tmpfs: int, controllers: str, name: str) -> None:
    """Make `cpu -> cpu,cpuacct` for controllers that share a hierarchy."""
    for controller in controllers.split(","):
        if controller and controller != name and "=" not in controller:
            posix.symlink(name, controller, dir_fd=tmpfs)


def _one(fstype: str, controllers: str, top: str, own: str, attributes: int, cgroup_namespace: bool) -> int:
    """Return a detached mount of one hierarchy: as the cgroup namespace sees it, else a copy of our own part."""
    if cgroup_namespace:
        try:
            context = syscalls.fsopen(fstype)
            try:
                for controller in controllers.split(",") if controllers else ():
                    key, equals, value = controller.partition("=")
                    if equals:
                        syscalls.fsconfig_set_string(context, key, value)
                    else:
                        syscalls.fsconfig_set_flag(context, key)
                syscalls.fsconfig_create(context)
                return syscalls.fsmount(context, attributes)
            finally:
                posix.close(context)
        except OSError as error:
            if error.errno not in (EPERM, EBUSY):
                raise
    # A bind mount of our own cgroup only: never of the host's whole tree (CVE-2023-25809).
    flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC
    try:
        tree = syscalls.open_tree(AT_FDCWD, top + own, flags)
    except FileNotFoundError:
        # We are ourselves in a container that sees less of the hierarchy: show what we see, read-only.
        tree = syscalls.open_tree(AT_FDCWD, top, flags)
        attributes |= MOUNT_ATTR_RDONLY
    flags = AT_EMPTY_PATH | AT_RECURSIVE
    syscalls.mount_setattr(tree, flags=flags, attr_set=attributes, propagation=MS_PRIVATE)
    return tree


def _attach(tree: int, target: int, options: MountOptions) -> None:
    syscalls.attach_mount(tree, target)
    for propagation, recursive in options.propagation:
        if propagation != MS_PRIVATE:
            flags = AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0)
            syscalls.mount_setattr(tree, flags=flags, propagation=propagation)
    posix.close(tree)
