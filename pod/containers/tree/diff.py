"""What a container changed against its image: `diff`, from the marks that overlayfs leaves in the container's layer."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pod.containers.tree import root as tree
from storage.layers import ids
from storage.layers.xattrs import opaque_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pod.engine import Engine
    from pod.state import Container

ADDED, CHANGED, DELETED = "A", "C", "D"
# What the runtime makes in every container, and what it mounts there.
_OURS = frozenset(
    (
        "/dev",
        "/dev/console",
        "/dev/pts",
        "/dev/shm",
        "/etc/hostname",
        "/etc/hosts",
        "/etc/resolv.conf",
        "/proc",
        "/run",
        "/run/.containerenv",
        "/run/notify",
        "/run/secrets",
        "/sys",
    )
)
_OPEN = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Change:
    """One path that was added, changed or deleted."""

    kind: str
    path: str


def changes(engine: Engine, container: Container) -> list[Change]:
    """Return what the container changed, by path; without what the runtime itself puts into each."""
    config = container.config
    if config["rootfs"] and not config["identity"]["rootfs_overlay"]:
        return []  # the directory is the container's own: there is nothing to compare it with
    upper = f"{engine.config.container_dir(container.id)}/upper"
    with tree.below(engine, container) as below:
        found = list(compared(upper, below.fd))
    return [change for change in found if change.path not in _OURS]


def compared(upper: str, below: int) -> Iterator[Change]:
    """Compare a layer of overlayfs with what lies below it."""
    descriptor = os.open(upper, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield from _directory(descriptor, below, "")
    finally:
        os.close(descriptor)


def _directory(own: int, below: int, path: str) -> Iterator[Change]:
    """Compare one directory; `below` is -1 where nothing is there that counts."""
    for name in sorted(os.listdir(own)):
        try:
            found = os.stat(name, dir_fd=own, follow_symlinks=False)
        except FileNotFoundError:
            continue  # a running container has just removed it
        yield from _one(own, below, name, f"{path}/{name}", found)


def _one(own: int, below: int, name: str, path: str, found: os.stat_result) -> Iterator[Change]:
    before = _status(below, name)
    if stat.S_ISCHR(found.st_mode) and found.st_rdev == 0:
        if before is not None:
            yield Change(DELETED, path)
        return
    if not stat.S_ISDIR(found.st_mode):
        yield Change(ADDED if before is None else CHANGED, path)
        return
    was_directory = before is not None and stat.S_ISDIR(before.st_mode)
    inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=own)
    lower = os.open(name, _OPEN | os.O_DIRECTORY, dir_fd=below) if was_directory else -1
    try:
        opaque = was_directory and _is_opaque(inner)
        within = list(_directory(inner, lower, path))
        if opaque:
            within += _hidden(inner, lower, path)
        if before is None or not was_directory:
            yield Change(ADDED if before is None else CHANGED, path)
        elif within or _differs(found, before):
            yield Change(CHANGED, path)
        yield from sorted(within, key=lambda change: change.path)
    finally:
        for descriptor in (inner, lower):
            if descriptor >= 0:
                os.close(descriptor)


def _hidden(own: int, below: int, path: str) -> Iterator[Change]:
    """Return what a directory that was made anew hides of the image."""
    listing = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=below)
    try:
        gone = set(os.listdir(listing)) - set(os.listdir(own))
    finally:
        os.close(listing)
    for name in gone:
        yield Change(DELETED, f"{path}/{name}")


def _status(directory: int, name: str) -> os.stat_result | None:
    if directory < 0:
        return None
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False)
    except OSError:
        return None


def _differs(one: os.stat_result, other: os.stat_result) -> bool:
    """Tell whether a directory itself changed; its time does with what is in it, which is listed anyway."""
    return (one.st_mode, one.st_uid, one.st_gid) != (other.st_mode, other.st_uid, other.st_gid)


def _is_opaque(descriptor: int) -> bool:
    try:
        return os.getxattr(descriptor, opaque_name(rootless=ids.is_limited())) == b"y"
    except OSError:
        return False
