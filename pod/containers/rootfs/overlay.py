"""A container's root file system, as the monitor makes it: the overlay, and what the spec takes from the image.

Runs in the monitor, which has a mount namespace of its own: nothing here can leak a mount. The image's content is
hostile, so everything in it is reached from a descriptor of its root, by openat2(RESOLVE_IN_ROOT).
"""

from __future__ import annotations

import errno
import posix

from pod import rootless
from pod.containers.inside import files as container_files
from pod.containers.inside import users
from pod.containers.security import privileges as security
from pod.errors import PodError
from runtime import kernel, paths, syscalls
from storage.store import INDEX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pod.containers.configuration import ContainerConfig

_MAX_LOWERS = 500  # OVL_MAX_STACK of the kernel
# What a kernel may be configured to do by default; with userxattr it never does.
_REFERENCES = ("metacopy", "redirect_dir")


class Overlay:
    """What an overlay is made of; `lowers` has the topmost layer first, each as `storage.Store.lower` names it."""

    __slots__ = ("is_plain", "lowers", "mapped", "opened", "rootless", "target", "upper", "volatile", "whole", "work")

    def __init__(
        self, *, lowers: list[str], directory: str, rootless: bool, volatile: bool, mapped: list[int] | None = None
    ) -> None:
        self.lowers = lowers
        self.is_plain = False  # the one lower directory is the root file system itself
        self.opened: dict[str, tuple[str, int]] = {}  # by path in `lowers`: the index that is mounted there, and its fd
        self.mapped = mapped or []  # idmapped copies of the mounts of `lowers`, to be put in their place
        self.upper = f"{directory}/upper"
        self.work = f"{directory}/work"
        self.target = f"{directory}/rootfs"
        self.rootless = rootless
        self.volatile = volatile  # the upper layer need not survive a crash of the machine
        self.whole = False  # what is changed lies in the upper layer as a whole, never as a mere reference


def enter_mount_namespace() -> None:
    """Give this process mounts of its own, to which those made on the host later still propagate."""
    syscalls.unshare(kernel.CLONE_NEWNS)
    syscalls.mount(None, "/", None, kernel.MS_REC | kernel.MS_SLAVE)


def unmount(directory: str) -> None:
    """Unmount what an earlier run left below a container's directory in this process's own mount namespace."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        targets = [line.split(" ", 5)[4].replace("\\040", " ").replace("\\134", "\\") for line in file]
    for target in reversed(targets):
        if target.startswith(f"{directory}/") and target != f"{directory}/merged":  # which the user mounted
            syscalls.umount2(target, kernel.MNT_DETACH)


def bind(source: str, target: str) -> None:
    """Mount what is mounted at `source` once more, in this process's mount namespace."""
    mounted = syscalls.open_tree(kernel.AT_FDCWD, source, kernel.OPEN_TREE_CLONE | kernel.OPEN_TREE_CLOEXEC)
    try:
        syscalls.move_mount(mounted, b"", kernel.AT_FDCWD, target, kernel.MOVE_MOUNT_F_EMPTY_PATH)
    finally:
        posix.close(mounted)


def attach_mapped(overlay: Overlay) -> None:
    """Put the copies with shifted owners over the layers, in this process's mount namespace: for the overlay only."""
    for position, descriptor in enumerate(overlay.mapped):
        path = overlay.lowers[position]
        if path.endswith(INDEX):
            _put(overlay, position, descriptor)
            continue
        syscalls.move_mount(descriptor, b"", kernel.AT_FDCWD, path, kernel.MOVE_MOUNT_F_EMPTY_PATH)
        posix.close(descriptor)


def detach_mapped(overlay: Overlay) -> None:
    """Take them away again: the overlay, or the container, has its own; and the monitor may start another time."""
    for path in overlay.lowers[: len(overlay.mapped)]:
        if not path.endswith(INDEX):
            syscalls.umount2(path, kernel.MNT_DETACH)
    overlay.mapped = []


def open_layers(overlay: Overlay) -> None:
    """Mount the layers that are not unpacked, attached nowhere: until `close_layers`, `lowers` has directories only."""
    for position, path in enumerate(overlay.lowers):
        if path.endswith(INDEX):
            from pod.containers.rootfs import packed

            _put(overlay, position, packed.mount(path))


def close_layers(overlay: Overlay) -> None:
    """Undo `open_layers`: an overlay that was made meanwhile has its own hold of the layers."""
    overlay.lowers = [overlay.opened[path][0] if path in overlay.opened else path for path in overlay.lowers]
    for _, descriptor in overlay.opened.values():
        posix.close(descriptor)
    overlay.opened = {}


def _put(overlay: Overlay, position: int, descriptor: int) -> None:
    """Let a mounted layer stand in the place of its index."""
    path = f"/proc/self/fd/{descriptor}/."
    overlay.opened[path] = (overlay.lowers[position], descriptor)
    overlay.lowers = [*overlay.lowers[:position], path, *overlay.lowers[position + 1 :]]


def adopt_root(overlay: Overlay) -> None:
    """Give the container's own layer the owner and mode of the image's root directory."""
    open_layers(overlay)
    status_of_root = posix.stat(overlay.lowers[0])
    posix.chown(overlay.upper, status_of_root.st_uid, status_of_root.st_gid)
    posix.chmod(overlay.upper, status_of_root.st_mode & 0o7777)


def mount_overlay(overlay: Overlay) -> None:
    """Mount the layers below the container's own, in this process's mount namespace.

    Without an upper layer nothing can be written: `lowers` are all there is.

    Raises PodError for what the kernel refuses, and for files that a power failure has left half written.
    """
    if len(overlay.lowers) > _MAX_LOWERS:
        raise PodError(f"the image has {len(overlay.lowers)} layers, the kernel's overlay takes {_MAX_LOWERS}")
    if overlay.upper and paths.is_directory(f"{overlay.work}/work/incompat/volatile"):
        raise PodError("the machine went down while this container ran, its files are not to be trusted")
    try:
        open_layers(overlay)
        if not _mount_by_descriptor(overlay):
            _mount_by_options(overlay)
    except OSError as error:
        raise PodError(f"mount overlay at {overlay.target}: {error.strerror}", hint=_overlay_hint(overlay)) from error
    finally:
        if overlay.opened:
            close_layers(overlay)


def _mount_by_descriptor(overlay: Overlay) -> bool:
    """Mount with fsopen(2); False where the kernel has no `lowerdir+` yet (before 6.8) or a path is too long for it."""
    filesystem = syscalls.fsopen("overlay")
    try:
        try:
            for lower in overlay.lowers:
                syscalls.fsconfig_set_string(filesystem, "lowerdir+", lower)
            if overlay.upper:
                syscalls.fsconfig_set_string(filesystem, "upperdir", overlay.upper)
                syscalls.fsconfig_set_string(filesystem, "workdir", overlay.work)
            for name in _REFERENCES if overlay.whole and not overlay.rootless else ():
                syscalls.fsconfig_set_string(filesystem, name, "off")
        except OSError as error:
            if error.errno == errno.EINVAL:
                return False
            raise
        for flag, wanted in (("userxattr", overlay.rootless), ("volatile", overlay.volatile)):
            if wanted:
                syscalls.fsconfig_set_flag(filesystem, flag)
        syscalls.fsconfig_create(filesystem)
        mounted = syscalls.fsmount(filesystem)
    finally:
        posix.close(filesystem)
    try:
        syscalls.move_mount(mounted, b"", kernel.AT_FDCWD, overlay.target, kernel.MOVE_MOUNT_F_EMPTY_PATH)
    finally:
        posix.close(mounted)
    return True


def _mount_by_options(overlay: Overlay) -> None:
    # Relative names keep a long chain of layers within the page that mount(2) takes.
    parent = overlay.lowers[0].rpartition("/")[0].rpartition("/")[0]
    lowers = ":".join(lower.removeprefix(f"{parent}/") for lower in overlay.lowers)
    options = f"lowerdir={lowers}"
    options += f",upperdir={overlay.upper},workdir={overlay.work}" if overlay.upper else ""
    options += ",userxattr" * overlay.rootless + ",volatile" * overlay.volatile
    options += "".join(f",{name}=off" for name in _REFERENCES) if overlay.whole and not overlay.rootless else ""
    before = posix.open(".", posix.O_PATH | posix.O_CLOEXEC)
    posix.chdir(parent)
    try:
        syscalls.mount("overlay", overlay.target, "overlay", 0, options)
    finally:
        posix.fchdir(before)
        posix.close(before)


def finish_spec(
    document: dict[str, Any],
    config: ContainerConfig,
    files: str,
    *,
    keep_id: users.User | None,
    keep_name: str,
    name: str,
    reach: container_files.Reach | None = None,
    settings: dict[str, Any],
) -> None:
    """Add to the spec what only the mounted image tells: the user, its home, and the working directory.

    `name` is the container's, `settings` the table [containers] of containers.conf. With `keep_id`, that user is the
    process's unless another was asked for, and `keep_name` its name in /etc/passwd.
    """
    root = posix.open(document["root"]["path"], posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC)
    try:
        wanted = config["user"]
        host_users = config["identity"]["host_users"]
        if keep_id is not None and not wanted:
            user = keep_id
        elif host_users:
            from pod.containers.inside import accounts

            user = accounts.resolve(root, config)
        else:
            user = users.resolve(root, wanted, config["group_add"])
        set_user(document["process"], user, config)
        if config["identity"]["hosts_file"] == "image":
            base = users.read_file(root, "etc/hosts").decode("utf-8", "surrogateescape")
            container_files.write_hosts(files, config, settings, base, name=name, reach=reach)
        if host_users or (not user.is_listed and (user.uid or user.gid)):
            from pod.containers.inside import accounts

            accounts.write(document, config, root, user, files, name=keep_name if user is keep_id else "")
        make_workdir(root, document["process"]["cwd"], _outside(document, user))
    finally:
        posix.close(root)


def _outside(document: dict[str, Any], user: users.User) -> users.User:
    """Return a user of the container as the owner of files that are made from outside of its user namespace."""
    if "uidMappings" not in document["linux"]:
        return user
    from pod.containers.spec.document import outside

    number = []
    for key, inside in (("uidMappings", user.uid), ("gidMappings", user.gid)):
        entries = [(entry["containerID"], entry["hostID"], entry["size"]) for entry in document["linux"][key]]
        number.append(outside(inside, entries))
    return users.User(number[0], number[1], [], user.home, is_listed=user.is_listed)


def set_user(process: dict[str, Any], user: users.User, config: ContainerConfig) -> None:
    """Put a resolved user into a process section, with the capabilities and the home that it has."""
    process["user"] = {"uid": user.uid, "gid": user.gid, "umask": int(config["identity"]["umask"], 8)}
    # Where only one ID is mapped, setgroups(2) has been given up: what is not asked for by name is not missed.
    if config["group_add"] or not rootless.has_single_id():
        process["user"]["additionalGids"] = user.additional_gids
    if user.uid != 0:
        added = config["security"]["cap_add"]
        allowed: list[str] = process["capabilities"]["bounding"]
        process["capabilities"] = security.capabilities(allowed, allowed if "ALL" in added else added, uid=user.uid)
    if not any(variable.startswith("HOME=") for variable in process["env"]):
        process["env"].append(f"HOME={user.home or '/'}")


def make_workdir(root: int, path: str, user: users.User) -> None:
    """Create a missing working directory step by step, without leaving the root (CVE-2026-55686)."""
    flags = posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC
    resolve = kernel.RESOLVE_IN_ROOT | kernel.RESOLVE_NO_MAGICLINKS
    try:
        posix.close(syscalls.openat2(root, path, flags, resolve=resolve))
        return
    except FileNotFoundError:
        pass
    except OSError:
        return  # the runtime says what is wrong with it when it enters it
    done = "."
    for part in [part for part in path.split("/") if part not in ("", ".")]:
        parent = syscalls.openat2(root, done, flags, resolve=resolve)
        try:
            posix.mkdir(part, 0o755, dir_fd=parent)
            posix.chown(part, user.uid, user.gid, dir_fd=parent, follow_symlinks=False)
        except FileExistsError:
            pass
        except OSError as error:
            raise PodError(f"creating the working directory {path}: {error.strerror}") from error
        finally:
            posix.close(parent)
        done = f"{done}/{part}"


def _overlay_hint(overlay: Overlay) -> str:
    if overlay.rootless:
        return "rootless overlay needs Linux 5.11 and a file system that has user extended attributes"
    return "the store must lie on a file system that overlay takes as upper layer, such as ext4, xfs or btrfs"
