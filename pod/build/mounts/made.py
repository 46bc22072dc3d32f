"""Places of mounts that a RUN's runtime makes in the image itself: they are taken away when the step has ended.

Below all layers there is a place for each mount (gathering.py), but what a layer has removed, or a link in one, hides
it. What a program has put beside a mount stays, and so does a directory above one that it has given an owner or mode.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from pod.build.stages.apart import apart
from pod.containers.rootfs.overlay import enter_mount_namespace, mount_overlay
from runtime import inroot, kernel, syscalls

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence
    from typing import Any

    from pod.build.stages.scheduling import Needs
    from pod.build.steps.snapshots import Snapshot

_NAME = "made-for-mounts"
_MOST_LINKS = 40
_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


def note(directory: str, rootfs: str, targets: Iterable[str]) -> None:
    """Note in a container's directory what will be made in its mounted root file system; in the monitor."""
    root = os.open(rootfs, _DIRECTORY)
    try:
        found = missing(root, targets)
    finally:
        os.close(root)
    if found:
        with open(f"{directory}/{_NAME}", "x", encoding="utf-8", errors="surrogateescape") as file:
            file.write("\0".join(found))


def noted(directory: str) -> list[str]:
    """Return what was noted, each path after those above it."""
    try:
        with open(f"{directory}/{_NAME}", encoding="utf-8", errors="surrogateescape") as file:
            return file.read().split("\0")
    except FileNotFoundError:
        return []


def missing(root: int, targets: Iterable[str]) -> list[str]:
    """Return the places down to the targets that are not there, each after those above it; no link is on the way."""
    found: dict[str, None] = {}
    for target in targets:
        with suppress(OSError):  # the runtime will say what is wrong
            found |= dict.fromkeys(_missing(root, target))
    return list(found)


def _missing(root: int, target: str) -> list[str]:
    """Return what the runtime makes for one target: it follows links, also those that lead nowhere (runtime.inroot)."""
    found: list[str] = []
    done: list[str] = []
    pending = inroot.components(target)[::-1]
    links = 0
    while pending:
        name = pending.pop()
        if name == "..":
            del done[-1:]
            continue
        path = "/".join((*done, name))
        link = _link(root, path)
        if link is None:
            found.append(path)
        if not link:
            done.append(name)
            continue
        links += 1
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), target)
        if link.startswith("/"):
            done.clear()
        pending.extend(inroot.components(link)[::-1])
    return found


def _link(root: int, path: str) -> str | None:
    """Return where a link leads to; empty for what is none, None for what is not there."""
    try:
        descriptor = _open(root, path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return os.readlink("", dir_fd=descriptor) if stat.S_ISLNK(os.fstat(descriptor).st_mode) else ""
    finally:
        os.close(descriptor)


def _open(root: int, path: str, flags: int) -> int:
    """Open a path that no link is on the way of, but for the last name."""
    return syscalls.openat2(root, path, flags, resolve=kernel.RESOLVE_BENEATH | kernel.RESOLVE_NO_SYMLINKS)


def remove(root: int, paths: Sequence[str]) -> None:
    """Remove those of the places that are empty, and as the runtime made them; the deepest come last."""
    for path in reversed(paths):
        above, _, name = path.rpartition("/")
        with suppress(OSError):
            parent = _open(root, above or ".", _DIRECTORY)
            try:
                _remove_unchanged(parent, name)
            finally:
                os.close(parent)


def _remove_unchanged(parent: int, name: str) -> None:
    status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if stat.S_ISDIR(status.st_mode):
        # Those that a runtime makes are the container's root's, who this is.
        if (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o755, os.geteuid(), os.getegid()):
            os.rmdir(name, dir_fd=parent)
    elif stat.S_ISREG(status.st_mode) and not status.st_size:
        os.unlink(name, dir_fd=parent)


def removal(snapshot: Snapshot, paths: Sequence[str]) -> Generator[int | Needs, None, object]:
    """Remove them from a snapshot, apart: as a program would, so that what lies below stays hidden.

    Raises StorageError.
    """
    overlay = snapshot.overlay()

    def work() -> dict[str, Any]:
        enter_mount_namespace()
        mount_overlay(overlay)
        remove(os.open(overlay.target, _DIRECTORY), paths)
        return {}

    return apart("remove places of mounts", work)
