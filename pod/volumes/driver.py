"""The local driver with options: a volume that is a mount (tmpfs, bind, nfs, a device) while somebody uses it.

No process holds such a mount and none can leak: each monitor has it in its own mount namespace, below
RUNROOT/mounts, where nothing is ever removed recursively. The first user mounts it; who comes while others use it
copies the mount from the namespace of one of them, so all see one file system; with the last one the kernel drops it.
Users are noted as RUNROOT/volumes/NAME/users/PID. `pod volume mount` has it on the host, at RUNROOT/volumes/NAME/host.
Source: podman-volume-create(1), "--opt".
"""

from __future__ import annotations

import fcntl
import os

from pod.containers import status
from pod.errors import PodError
from pod.foreign_mounts import copy_from, is_mount
from runtime import kernel, process, syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.config import Config
    from pod.state import Volume

# Part of `o`, but not for mount(8).
_OWN_WORDS = ("uid", "gid", "inodes", "noquota", "timeout")
KEYS = ("device", "o", "type", "uid", "gid", "size", "inodes", "noquota", "copy", "nocopy")
# What an ordinary user may mount in his user namespace.
_ROOTLESS_TYPES = ("tmpfs", "bind", "none", "overlay", "")


def settle(options: dict[str, str], *, rootless: bool) -> tuple[dict[str, str], int, int]:
    """Check the options of a new volume; return them as podman keeps them, with the owner that they name."""
    kept = dict(options)
    for key, value in options.items():
        if key.lower() not in KEYS:
            raise PodError(
                f"invalid mount option {key} for driver 'local': invalid argument", hint="known are " + ", ".join(KEYS)
            )
        if key == "device" and options.get("type") == "bind" and not os.path.exists(value):
            raise PodError(f"invalid volume option device for driver 'local': stat {value}: no such file or directory")
    words = [word.partition("=") for word in options.get("o", "").split(",") if word]
    named = {name: value for name, _equals, value in words}
    for name in ("uid", "gid"):
        number = named.get(name, options.get(name))
        if number is not None:
            if not number.isdigit() or int(number) >= 2**32 - 1:
                raise PodError(f"cannot convert volume {name.upper()} {number} to integer: invalid argument")
            kept[name.upper()] = number
            kept.pop(name, None)
    if ("size" in {*named, *options} and options.get("type") != "tmpfs") or "inodes" in {*named, *options}:
        raise PodError(
            "volume options size and inodes not supported. Filesystem does not support Project Quota",
            hint="a size can be given to a volume of type tmpfs",
        )
    kind = options.get("type", "")
    if rootless and is_mounted_by(options) and kind not in _ROOTLESS_TYPES:
        raise PodError(
            f"cannot mount volumes of type {kind} without root privileges: operation requires root privileges",
            hint="an ordinary user has tmpfs and bind",
        )
    return kept, int(kept.get("UID", 0)), int(kept.get("GID", 0))


def is_mounted_by(options: dict[str, str]) -> bool:
    """Tell whether a volume with these options is a mount, not a plain directory."""
    return bool(options.get("type") or options.get("device") or _mount_words(options))


def _mount_words(options: dict[str, str]) -> list[str]:
    words = [word for word in options.get("o", "").split(",") if word]
    if "size" in options:
        words.append(f"size={options['size']}")
    return [word for word in words if word.partition("=")[0] not in _OWN_WORDS]


def attach(config: Config, volume: Volume, target: str, container_id: str = "") -> None:
    """Mount a volume at `target` in this process's own mount namespace, and note this process as its user.

    The monitor of a container is one for as long as it is that container's: it may live on for its clients only.
    """
    lock = _lock(config, volume.name)
    try:
        source = _existing(config, volume.name)
        if source >= 0:
            try:
                syscalls.move_mount(source, b"", kernel.AT_FDCWD, target, kernel.MOVE_MOUNT_F_EMPTY_PATH)
            finally:
                os.close(source)
        else:
            _mount(volume, target)
        users = f"{directory(config, volume.name)}/users"
        os.makedirs(users, 0o700, exist_ok=True)
        pid = os.getpid()
        with open(f"{users}/{pid}", "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(f"{process.start_time(pid)} {target}\n{container_id}")
    finally:
        os.close(lock)


def directory(config: Config, name: str) -> str:
    """Return where it is noted who uses a volume."""
    return f"{config.runroot}/volumes/{name}"


def host_path(config: Config, name: str) -> str:
    """Return where `pod volume mount` mounts a volume on the host."""
    return f"{directory(config, name)}/host"


def mount_count(config: Config, name: str) -> int:
    """Return how often a volume is mounted: by containers, and by `pod volume mount`."""
    return len(users(config, name)) + host_count(config, name)


def users(config: Config, name: str) -> list[tuple[int, str]]:
    """Return the processes that have a volume mounted, and where."""
    found = []
    below = f"{directory(config, name)}/users"
    try:
        names = os.listdir(below)
    except FileNotFoundError:
        return []
    for pid in names:
        try:
            with open(f"{below}/{pid}", encoding="utf-8", errors="surrogateescape") as file:
                first, _, container_id = file.read().partition("\n")
        except FileNotFoundError:
            continue
        started, _, target = first.partition(" ")
        if started.isdigit() and _uses(config, int(pid), int(started), container_id):
            found.append((int(pid), target))
        else:
            _unlink(f"{below}/{pid}")
    return found


def _uses(config: Config, pid: int, start_time: int, container_id: str) -> bool:
    if not process.is_alive(pid, start_time):
        return False
    if not container_id:
        return True
    return status.read_record(f"{config.monitor_dir(container_id)}/monitor") == (pid, start_time)


def host_count(config: Config, name: str) -> int:
    """Return how often `pod volume mount` has mounted a volume, more often than it was unmounted."""
    try:
        with open(f"{directory(config, name)}/count", encoding="ascii") as file:
            return int(file.read() or 0)
    except (FileNotFoundError, ValueError):
        return 0


def mount_on_host(config: Config, volume: Volume) -> str:
    """Count one more mount of `pod volume mount`, and return where the volume is."""
    lock = _lock(config, volume.name)
    try:
        target = f"{config.graphroot}/volumes/{volume.name}/_data"
        if is_mounted_by(volume.options):
            target = host_path(config, volume.name)
            os.makedirs(target, 0o700, exist_ok=True)
            if not is_mount(target):
                source = _existing(config, volume.name)
                if source >= 0:
                    syscalls.move_mount(source, b"", kernel.AT_FDCWD, target, kernel.MOVE_MOUNT_F_EMPTY_PATH)
                    os.close(source)
                else:
                    _mount(volume, target)
        _count(config, volume.name, host_count(config, volume.name) + 1)
        return target
    finally:
        os.close(lock)


def unmount_on_host(config: Config, name: str, *, all: bool = False) -> None:
    """Take back one `pod volume mount`, or all of them; the last one unmounts. Fine if there is none."""
    if not os.path.isdir(directory(config, name)):
        return
    lock = _lock(config, name)
    try:
        left = 0 if all else max(host_count(config, name) - 1, 0)
        target = host_path(config, name)
        if not left and os.path.isdir(target):
            if is_mount(target):
                syscalls.umount2(target, kernel.MNT_DETACH)
            os.rmdir(target)
        _count(config, name, left)
    finally:
        os.close(lock)


def forget(config: Config, name: str) -> None:
    """Remove what is noted of a volume that is gone."""
    unmount_on_host(config, name, all=True)
    below = directory(config, name)
    users(config, name)
    for path in (f"{below}/count", f"{below}/lock"):
        _unlink(path)
    for path in (f"{below}/users", below):
        try:
            os.rmdir(path)
        except OSError:
            continue


def _count(config: Config, name: str, number: int) -> None:
    path = f"{directory(config, name)}/count"
    if not number:
        _unlink(path)
        return
    with open(f"{path}.new", "w", encoding="ascii") as file:
        file.write(str(number))
    os.rename(f"{path}.new", path)


def _lock(config: Config, name: str) -> int:
    os.makedirs(directory(config, name), 0o700, exist_ok=True)
    lock = os.open(f"{directory(config, name)}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def _existing(config: Config, name: str) -> int:
    """Return a detached copy of the volume's mount, as others have it; -1 if nobody has."""
    target = host_path(config, name)
    if os.path.isdir(target) and is_mount(target):
        return syscalls.open_tree(kernel.AT_FDCWD, target, kernel.OPEN_TREE_CLONE | kernel.OPEN_TREE_CLOEXEC)
    for pid, path in users(config, name):
        try:
            return copy_from(pid, path)
        except OSError:
            continue  # it has ended meanwhile
    return -1


def _mount(volume: Volume, target: str) -> None:
    """Mount a volume anew with mount(8), which knows every file system's helpers; then give it its owner."""
    options = volume.options
    kind, device = options.get("type", ""), options.get("device", "")
    words = _mount_words(options)
    if kind == "bind":
        kind = "none"
        words = words if {"bind", "rbind"} & set(words) else [*words, "bind"]
    if kind == "tmpfs":
        device = device or "tmpfs"
        words += [f"{name.lower()}={options[name]}" for name in ("UID", "GID") if name in options]
    line = ["mount", *(["-t", kind] if kind else []), *(["-o", ",".join(words)] if words else [])]
    reading, writing = os.pipe()
    null = os.open("/dev/null", os.O_RDONLY)
    actions = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, writing, 1), (os.POSIX_SPAWN_DUP2, writing, 2)]
    try:
        program = next((path for path in ("/usr/bin/mount", "/bin/mount") if os.path.exists(path)), "/sbin/mount")
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
        pid = os.posix_spawn(program, [*line, "--", device or "none", target], environment, file_actions=actions)
    finally:
        os.close(writing)
        os.close(null)
    with open(reading, "rb") as output:
        said = output.read().decode(errors="replace").strip().replace("\n", " ")
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
        raise PodError(f"mounting volume {volume.name}: {said}: exit status 32")
    if kind != "tmpfs" and not {"UID", "GID"}.isdisjoint(options):
        os.chown(target, int(options.get("UID", -1)), int(options.get("GID", -1)))


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
