"""What an image has over its parent, or over another image: `image diff`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pod.containers.rootfs import overlay as rootfs
from pod.containers.tree.diff import ADDED, CHANGED, DELETED, Change, compared
from storage.layers.erofs.mounting import Opened
from storage.rootfs import lowers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pod.engine import Engine
    from storage.images import Image

_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


def changes(engine: Engine, image: Image, other: Image | None = None) -> list[Change]:
    """Return what the top layer of an image changed, or, with `other`, what the image has otherwise than that."""
    if other is not None:
        with Opened(lowers(engine.store, image)) as ones, Opened(lowers(engine.store, other)) as others:
            return _between(engine, ones, others)
    with Opened(lowers(engine.store, image)) as directories:
        if not directories:
            return []
        below = _opened(engine, directories[1:])
        try:
            return list(compared(directories[0], below))
        finally:
            if below >= 0:
                os.close(below)


def _opened(engine: Engine, directories: list[str]) -> int:
    """Open what layers come to, -1 for none; the mount is private to this process and gone with it."""
    if len(directories) < 2:
        return os.open(directories[0], _DIRECTORY) if directories else -1
    rootfs.enter_mount_namespace()
    overlay = rootfs.Overlay(
        lowers=directories, directory=engine.store.trash, rootless=engine.config.rootless, volatile=False
    )
    overlay.upper, overlay.target = "", engine.store.trash
    rootfs.mount_overlay(overlay)
    return os.open(overlay.target, _DIRECTORY)


def _between(engine: Engine, directories: list[str], others: list[str]) -> list[Change]:
    one, other = _listed(_opened(engine, directories)), _listed(_opened(engine, others))
    found = [Change(DELETED, path) for path in other.keys() - one.keys()]
    for path, entry in one.items():
        if path not in other:
            found.append(Change(ADDED, path))
        elif entry != other[path]:
            found.append(Change(CHANGED, path))
    # As in the layers of one image, a directory in which something changed has changed.
    told = {change.path for change in found}
    above = {parent for path in told for parent in _parents(path)} - told
    found += [Change(CHANGED, path) for path in above]
    return sorted(found, key=lambda change: change.path)


def _parents(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path


def _listed(root: int) -> dict[str, tuple[int, int, int, int, int]]:
    """Return every path below a directory's fd with what tells whether it changed."""
    found: dict[str, tuple[int, int, int, int, int]] = {}
    if root < 0:
        return found
    for path, directories, names, descriptor in os.fwalk(".", dir_fd=root):
        for name in (*directories, *names):
            seen = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            size, moment = (0, 0) if name in directories else (seen.st_size, int(seen.st_mtime))
            found[f"{path[1:]}/{name}"] = (seen.st_mode, seen.st_uid, seen.st_gid, size, moment)
    os.close(root)
    return found
