"""A container's root file system as the fd of a directory, from which everything is reached; nothing can leak.

Two views: `files`, what the container's own layer and its image hold (export, commit, diff), and `whole`, what a
process of it would see, with volumes, host directories and memory (cp). Whoever has such an fd reaches what is below
only by openat2(RESOLVE_IN_ROOT) or by steps with O_NOFOLLOW, for all of it is hostile.

Of a container that does not run the overlay is made in this process's own mount namespace, or attached nowhere: it is
gone with the process.
"""

from __future__ import annotations

import os

from pod.containers import status
from pod.containers.rootfs import overlay as rootfs
from pod.containers.spec import document as spec
from pod.containers.spec import surroundings
from pod.errors import PodError, StateError
from pod.lock import ContainerLock
from runtime import inroot, kernel, process, syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.containers.mounts.mount import Mount
    from pod.containers.status import Status
    from pod.engine import Engine
    from pod.state import Container

_OVERLAYFS = 0x794C7630
_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


class Tree:
    """An open root file system; a context manager. `inside` and `outside` convert the owners of files."""

    def __init__(self, fd: int, owners: surroundings.Surroundings, lock: ContainerLock | None = None) -> None:
        self.fd = fd
        self._uids, self._gids = owners.id_mappings or ([], [])
        self._lock = lock  # of a container that must not start meanwhile

    def __enter__(self) -> Tree:
        return self

    def __exit__(self, *exception: object) -> None:
        os.close(self.fd)
        if self._lock is not None:
            self._lock.__exit__()

    def inside(self, uid: int, gid: int) -> tuple[int, int]:
        """Return the user and group of the container that an owner in the file system stands for."""
        return _inside(uid, self._uids), _inside(gid, self._gids)

    def outside(self, uid: int, gid: int) -> tuple[int, int]:
        """Return the owner in the file system for a user and group of the container."""
        return spec.outside(uid, self._uids), spec.outside(gid, self._gids)


def files(engine: Engine, container: Container) -> Tree:
    """Open what the container's layer and image hold, for reading; without mounts, whether it runs or not."""
    observed = surroundings.observed(engine, container.id, container.config)  # type: ignore[arg-type]
    seen = status.observe(engine.config, container.id)
    fd = _of_monitor(seen, observed.rootfs)
    if fd < 0:
        fd = _made(engine, container, observed)
    return Tree(fd, observed)


def below(engine: Engine, container: Container) -> Tree:
    """Open what the image alone holds, for reading."""
    observed = surroundings.observed(engine, container.id, container.config)  # type: ignore[arg-type]
    return Tree(_made(engine, container, observed, own=False), observed)


def whole(engine: Engine, container: Container) -> Tree:
    """Open what a process of the container sees, or would see, for reading and writing.

    A container that does not run cannot be started as long as the tree is open.
    """
    observed = surroundings.observed(engine, container.id, container.config)  # type: ignore[arg-type]
    seen = status.observe(engine.config, container.id)
    if seen.pid:
        return Tree(_of_process(engine, container, seen.pid), observed)
    lock = ContainerLock(engine.config, container.id)
    lock.__enter__()
    try:
        seen = status.observe(engine.config, container.id)
        if seen.pid:
            lock.__exit__()
            return Tree(_of_process(engine, container, seen.pid), observed)
        fd = _made(engine, container, observed, writable=True)
        _attach_mounts(engine, container, fd)
    except BaseException:
        lock.__exit__()
        raise
    return Tree(fd, observed, lock)


def _inside(number: int, mappings: list[tuple[int, int, int]]) -> int:
    for inside, outside, count in mappings:
        if outside <= number < outside + count:
            return inside + number - outside
    return number


def _of_process(engine: Engine, container: Container, pid: int) -> int:
    """Open the root directory of the container's process, and make sure that it was its, not that of a later one."""
    known = status.read_record(f"{engine.config.monitor_dir(container.id)}/pid")
    try:
        fd = os.open(f"/proc/{pid}/root", _DIRECTORY)
    except OSError as error:
        raise StateError(f"container {container.id} has just ended: container state improper") from error
    if known is None or known[0] != pid or not process.is_alive(*known):
        os.close(fd)
        raise StateError(f"container {container.id} has just ended: container state improper")
    return fd


def _of_monitor(seen: Status, path: str) -> int:
    """Open the overlay in the monitor's mount namespace, where nothing is mounted over it; -1 if it is not there."""
    if not (seen.pid and seen.monitor_pid):
        return -1
    try:
        fd = os.open(f"/proc/{seen.monitor_pid}/root{path}", _DIRECTORY)
    except OSError:
        return -1
    if syscalls.filesystem_type(fd) == _OVERLAYFS:
        return fd
    os.close(fd)
    return -1


def _made(
    engine: Engine,
    container: Container,
    observed: surroundings.Surroundings,
    *,
    own: bool = True,
    writable: bool = False,
) -> int:
    """Mount the container's overlay, or open the directory that it has in place of an image.

    `own`: with the container's own layer. The mount is in this process's private mount namespace.
    """
    overlay = overlay_of(engine, container, observed)
    if overlay is None:
        return os.open(container.config["rootfs"], _DIRECTORY)
    rootfs.enter_mount_namespace()
    rootfs.attach_mapped(overlay)
    try:
        if writable:
            rootfs.adopt_root(overlay)
        else:
            overlay.lowers = [overlay.upper] * own + overlay.lowers
            overlay.upper = ""
            if len(overlay.lowers) == 1:
                rootfs.open_layers(overlay)
                return os.open(overlay.lowers[0], _DIRECTORY)
        overlay.volatile = False
        rootfs.mount_overlay(overlay)
        return os.open(overlay.target, _DIRECTORY)
    finally:
        rootfs.close_layers(overlay)
        overlay.lowers = overlay.lowers[-len(overlay.mapped) :] if overlay.mapped else []
        rootfs.detach_mapped(overlay)


def overlay_of(engine: Engine, container: Container, observed: surroundings.Surroundings) -> rootfs.Overlay | None:
    """Return the overlay of a container that does not run; None if it has a directory in place of an image."""
    config = container.config
    if not config["rootfs"]:
        from pod.containers.plan import image_overlay

        return image_overlay(engine, container, observed)
    if not config["identity"]["rootfs_overlay"]:
        return None
    directory = engine.config.container_dir(container.id)
    return rootfs.Overlay(
        lowers=[config["rootfs"]], directory=directory, rootless=engine.config.rootless, volatile=False
    )


def _attach_mounts(engine: Engine, container: Container, root: int) -> None:
    """Put volumes and host directories where the container has them, as far as the places are there."""
    from pod.containers.mounts.mount import Mount

    mounts = [Mount.from_document(document) for document in container.config["mounts"]]
    for mount in sorted(mounts, key=lambda one: one.target.count("/")):
        source = _source(engine, mount)
        if source:
            _attach(root, mount.target, source)


def _source(engine: Engine, mount: Mount) -> str:
    from pod import volumes

    if mount.type == "volume":
        return volumes.path(engine.config, mount.source)
    return mount.source if mount.type == "bind" else ""


def _attach(root: int, target: str, source: str) -> None:
    try:
        # Made where it is missing, as at the container's start: what is copied there is meant for the volume.
        place = inroot.make(root, target, directory=os.path.isdir(source))
    except OSError:
        return
    try:
        flags = kernel.OPEN_TREE_CLONE | kernel.OPEN_TREE_CLOEXEC | kernel.AT_RECURSIVE
        mounted = syscalls.open_tree(kernel.AT_FDCWD, source, flags)
        try:
            syscalls.attach_mount(mounted, place)
        finally:
            os.close(mounted)
    except OSError as error:
        raise PodError(f"mount {source} at {target} of the container: {(error.strerror or '').lower()}") from error
    finally:
        os.close(place)
