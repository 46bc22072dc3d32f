"""Places of mounts that a RUN's runtime makes in the image itself: they are taken away when the step has ended.

Below all layers there is a place for each mount (gathering.py), but what a layer has removed, or a link in one, hides
it. What a program has put beside a mount stays.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from pod.containers.rootfs.overlay import enter_mount_namespace, mount_overlay
from runtime import inroot
from storage import worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from pod.build.steps.snapshots import Snapshot

_NAME = "made-for-mounts"
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
    """Return the paths down to the targets that are not there, each after those above it."""
    found: dict[str, None] = {}
    for target in targets:
        names = inroot.components(target)
        for end in range(1, len(names) + 1):
            try:
                os.close(inroot.open_path(root, "/".join(names[:end])))
            except FileNotFoundError:
                found |= dict.fromkeys("/".join(names[:last]) for last in range(end, len(names) + 1))
                break
            except OSError:
                break  # the runtime will say what is wrong
    return list(found)


def remove(root: int, paths: Sequence[str]) -> None:
    """Remove those of the paths that are empty; the deepest come last."""
    for path in reversed(paths):
        above, _, name = path.rpartition("/")
        with suppress(OSError):
            parent = inroot.open_path(root, above or "/", _DIRECTORY)
            try:
                _remove_empty(parent, name)
            finally:
                os.close(parent)


def _remove_empty(parent: int, name: str) -> None:
    status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if stat.S_ISDIR(status.st_mode):
        os.rmdir(name, dir_fd=parent)
    elif stat.S_ISREG(status.st_mode) and not status.st_size:
        os.unlink(name, dir_fd=parent)


def fork_removal(snapshot: Snapshot, paths: Sequence[str]) -> worker.Worker:
    """Start the process that removes them from a snapshot: as a program would, so that what lies below stays hidden."""
    overlay = snapshot.overlay()

    def run(_report: Callable[[int], None]) -> dict[str, Any]:
        enter_mount_namespace()
        mount_overlay(overlay)
        remove(os.open(overlay.target, _DIRECTORY), paths)
        return {}

    return worker.fork(worker.Worker, run, "remove places of mounts")
