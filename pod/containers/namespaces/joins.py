"""Joining the namespaces of other containers, at the start: by descriptors that the monitor holds.

Each is opened first and only then found to be that of the container's living process, so that a number which the
kernel has given away again leads nowhere. The runtime gets them as paths below the monitor's own /proc entry.
"""

from __future__ import annotations

import os

from pod.containers import status
from pod.errors import PodError
from runtime import kernel, process, syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pod.config import Config

_FILES = {"network": "net", "user": "user", "pid": "pid", "ipc": "ipc", "uts": "uts", "cgroup": "cgroup"}


def resolve(config: Config, spec: dict[str, Any]) -> list[int]:
    """Put real paths where the spec names containers; return the open descriptors that they lead to.

    These are to stay open in this process, the monitor, until the runtime has joined.
    """
    descriptors = []
    for namespace in spec["linux"]["namespaces"]:
        word, _, container_id = namespace.get("path", "").partition(":")
        if word == "container":
            descriptors.append(_open(config, container_id, _FILES[namespace["type"]]))
            namespace["path"] = f"/proc/{os.getpid()}/fd/{descriptors[-1]}"
    return descriptors


def _open(config: Config, container_id: str, name: str) -> int:
    pid, started = living(config, container_id)
    try:
        descriptor = os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise _stopped(container_id) from None
    except OSError as error:
        raise PodError(
            f"join the {name} namespace of container {container_id}: {(error.strerror or '').lower()}"
        ) from error
    if not process.is_alive(pid, started):
        os.close(descriptor)
        raise _stopped(container_id)
    return descriptor


def living(config: Config, container_id: str) -> tuple[int, int]:
    """Return process ID and start time of a container's first process. Raises PodError if it does not run."""
    known = status.read_record(f"{config.monitor_dir(container_id)}/pid")
    if known is None or not status.observe(config, container_id).is_running:
        raise _stopped(container_id)
    return known


def _stopped(container_id: str) -> PodError:
    return PodError(
        f"cannot get namespace path unless container {container_id} is running: container is stopped",
        hint=f"pod start {container_id[:12]}",
    )


def share_memory(config: Config, container_id: str, target: str) -> bool:
    """Mount the /dev/shm of a running container at `target`, in this process's mount namespace; False if it has none.

    A child enters that container to copy the mount: the kernel copies only what is in the caller's own namespace.
    """
    from runtime import sync

    pid, started = living(config, container_id)
    pidfd = os.pidfd_open(pid)
    ours, theirs = sync.channel()
    child = os.fork()
    if child == 0:
        try:
            ours.close()
            if process.is_alive(pid, started):
                _send_memory(theirs, pidfd, pid)
        finally:
            os._exit(0)
    theirs.close()
    try:
        kind, _, descriptors = ours.receive()
    except OSError:
        kind, descriptors = "", []
    finally:
        ours.close()
        os.close(pidfd)
        os.waitpid(child, 0)
    if kind != "mount":
        return False
    os.makedirs(target, 0o700, exist_ok=True)
    flags = kernel.MOVE_MOUNT_F_EMPTY_PATH
    syscalls.move_mount(descriptors[0], b"", kernel.AT_FDCWD, target, flags)
    os.close(descriptors[0])
    return True


def _send_memory(channel: Any, pidfd: int, pid: int) -> None:
    """Enter a container and send a copy of its /dev/shm, if that is a mount of its own."""
    flags = kernel.CLONE_NEWNS
    if os.stat(f"/proc/{pid}/ns/user").st_ino != os.stat("/proc/self/ns/user").st_ino:
        flags |= kernel.CLONE_NEWUSER
    syscalls.setns(pidfd, flags)
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    resolve_flags = kernel.RESOLVE_IN_ROOT | kernel.RESOLVE_NO_SYMLINKS | kernel.RESOLVE_NO_MAGICLINKS
    found = syscalls.openat2(root, "dev/shm", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, resolve=resolve_flags)
    above = os.open("..", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=found)
    if os.fstat(above).st_dev == os.fstat(found).st_dev:
        return  # a plain directory of the container
    clone = kernel.OPEN_TREE_CLONE | kernel.OPEN_TREE_CLOEXEC | kernel.AT_EMPTY_PATH
    channel.send("mount", None, (syscalls.open_tree(found, b"", clone),))
