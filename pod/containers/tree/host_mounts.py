"""A container's root file system mounted on the host, until it is unmounted or the container removed: `pod mount`.

It is at `<container>/merged` in the caller's mount namespace; whether it is there the kernel alone tells. Of a running
container it is that container's own overlay once more; one that starts later takes what is mounted already, for two
overlays must not share a layer that is written to.
"""

from __future__ import annotations

import os

from pod import events
from pod.containers import status
from pod.containers.rootfs import overlay as rootfs
from pod.containers.spec import surroundings
from pod.errors import PodError, StateError
from pod.foreign_mounts import copy_from, is_mount
from pod.lock import ContainerLock
from runtime import kernel, syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.config import Config
    from pod.engine import Engine
    from pod.state import Container


def path(config: Config, container_id: str) -> str:
    """Return where a container's root file system is, or would be, mounted."""
    return f"{config.container_dir(container_id)}/merged"


def is_mounted(config: Config, container_id: str) -> bool:
    """Tell whether it is mounted in this process's mount namespace; cheap where it never was."""
    place = path(config, container_id)
    return os.path.isdir(place) and is_mount(place)


def mount(engine: Engine, container: Container) -> str:
    """Mount a container's root file system and return where; one that is mounted stays so."""
    place = path(engine.config, container.id)
    with ContainerLock(engine.config, container.id):
        if not is_mounted(engine.config, container.id):
            os.makedirs(place, 0o700, exist_ok=True)
            _attach(engine, container, place)
            events.of_container(engine.config, container, "mount")
    return place


def unmount(engine: Engine, container: Container, *, force: bool) -> None:
    """Unmount it; nothing if it is not mounted. Raises PodError if it is in use, unless `force`."""
    with ContainerLock(engine.config, container.id):
        if not is_mounted(engine.config, container.id):
            return
        try:
            syscalls.umount2(path(engine.config, container.id), kernel.MNT_DETACH if force else 0)
        except OSError as error:
            raise PodError(
                f"unmounting container {container.id}: {(error.strerror or '').lower()}",
                hint="something has a file of it open: end that, or say --force",
            ) from error
    events.of_container(engine.config, container, "unmount")


def release(config: Config, container_id: str) -> None:
    """Unmount what is to be deleted. Raises PodError if the kernel refuses that."""
    place = path(config, container_id)
    while os.path.isdir(place):
        try:
            if not is_mount(place):
                return
            syscalls.umount2(place, kernel.MNT_DETACH)
        except FileNotFoundError:
            return  # somebody else has just deleted it
        except OSError as error:
            raise PodError(
                f"unmounting container {container_id}: {(error.strerror or '').lower()}",
                hint=f"as who has mounted it: umount {place}; the next command removes the rest",
            ) from error


def _attach(engine: Engine, container: Container, place: str) -> None:
    observed = surroundings.observed(engine, container.id, container.config)  # type: ignore[arg-type]
    seen = status.observe(engine.config, container.id)
    if container.config["rootfs"] and not container.config["identity"]["rootfs_overlay"]:
        flags = kernel.OPEN_TREE_CLONE | kernel.OPEN_TREE_CLOEXEC
        mounted = syscalls.open_tree(kernel.AT_FDCWD, container.config["rootfs"], flags)
    elif seen.pid:
        if not seen.monitor_pid:
            raise StateError(f"the monitor of container {container.id} is gone, and its mounts with it: restart it")
        mounted = copy_from(seen.monitor_pid, observed.rootfs)
    else:
        mounted = _of_stopped(engine, container, observed)
    try:
        target = os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            syscalls.attach_mount(mounted, target)
        finally:
            os.close(target)
    finally:
        os.close(mounted)


def _of_stopped(engine: Engine, container: Container, observed: surroundings.Surroundings) -> int:
    """Make the overlay of a container that does not run; return it as a mount that is attached nowhere."""
    from pod.containers.tree.root import overlay_of

    overlay = overlay_of(engine, container, observed)
    assert overlay is not None
    if overlay.mapped:
        for descriptor in overlay.mapped:
            os.close(descriptor)
        raise PodError(
            f"container {container.id} has users of its own, by layers that are mapped for it while it runs",
            hint="start it first",
        )
    overlay.volatile = False
    rootfs.adopt_root(overlay)
    rootfs.mount_overlay(overlay)
    try:
        flags = kernel.OPEN_TREE_CLONE | kernel.OPEN_TREE_CLOEXEC
        return syscalls.open_tree(kernel.AT_FDCWD, overlay.target, flags)
    finally:
        syscalls.umount2(overlay.target, kernel.MNT_DETACH)
