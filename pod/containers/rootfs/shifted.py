"""Layers as a container with a user namespace of its own sees them: with its owners, without a copy where possible.

As root each layer is mounted once more with its IDs mapped (mount_setattr(2), MOUNT_ATTR_IDMAP), which costs nothing.
The kernel gives that only to the owner of a file system, so a user's layers are copied (storage.remap), as are those
on a file system, or under a kernel, that cannot map.
"""

from __future__ import annotations

import os

from pod.containers.rootfs import packed
from runtime import idmap, kernel, syscalls
from storage.store import INDEX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.containers.spec.surroundings import IdMapping
    from pod.engine import Engine

    Mappings = tuple[list[IdMapping], list[IdMapping]]

_FIRST_KERNEL = (5, 19)  # overlay takes idmapped layers


def layers(engine: Engine, directories: list[str], mappings: Mappings) -> tuple[list[str], list[int]]:
    """Return the layers to stack, and mounts to be put over them, in the same order; none if copies were made."""
    uids, gids = mappings
    if not shifts(mappings):
        return directories, []
    if not engine.config.rootless and _release() >= _FIRST_KERNEL:
        copies = mapped(directories, mappings)
        if copies:
            return directories, copies
    from storage import remap

    return remap.lowers(engine.store, directories, uids, gids), []


def shifts(mappings: Mappings) -> bool:
    """Tell whether any ID is another one outside."""
    return any(inside != outside for inside, outside, _ in [*mappings[0], *mappings[1]])


def let_in(directory: str, gid: int) -> None:
    """Let root of a container's user namespace, known by its group outside, through to the root file system.

    For runtimes that go there by its path, from inside. Nobody else gets past the container's own directory.
    """
    os.chown(directory, 0, gid)
    os.chmod(directory, 0o710)
    os.chmod(os.path.dirname(directory), 0o711)  # its names are not to be listed


def mapped(directories: list[str], mappings: Mappings) -> list[int]:
    """Return detached copies of the directories' mounts with mapped IDs, empty if the file system does not do that."""
    trees: list[int] = []
    namespace = idmap.open_namespace(*mappings)
    try:
        for path in directories:
            flags = kernel.OPEN_TREE_CLONE | kernel.OPEN_TREE_CLOEXEC
            if path.endswith(INDEX):
                trees.append(packed.mount(path))
            else:
                trees.append(syscalls.open_tree(kernel.AT_FDCWD, path, flags))
            syscalls.mount_setattr(trees[-1], attr_set=kernel.MOUNT_ATTR_IDMAP, userns_fd=namespace)
        return trees
    except OSError:
        for tree in trees:
            os.close(tree)
        return []
    finally:
        os.close(namespace)


def _release() -> tuple[int, int]:
    major, minor = os.uname().release.split("-")[0].split("+")[0].split(".")[:2]
    return int(major), int(minor)
