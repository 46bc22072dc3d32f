"""The trees that mounts of a RUN show a part of, mounted in the step's monitor: contexts, and layers of other stages.

For users of the step's own namespace they have other owners (pod.build.steps.own_users).
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pod.build.context import selection
from pod.build.steps import own_users
from pod.build.steps.snapshots import base
from pod.containers.rootfs import shifted
from pod.containers.rootfs.overlay import Overlay, attach_mapped, detach_mapped, mount_overlay
from pod.errors import PodError
from runtime import inroot, kernel, syscalls
from storage.file_data import copy_data

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from pod.build.asked.options import Place
    from pod.build.language.instructions import Mount
    from pod.build.steps.own_users import Ids
    from pod.engine import Engine

    # Opens the root of a tree, given a new path and for whom; makes the source of a mount, given the same.
    Opener = Callable[[str, Ids], int]
    Maker = Callable[[str, Ids], dict[str, Any]]


@dataclass
class Layers:
    """Layers to mount, the topmost first: as they are, and as the step's users see them."""

    engine: Engine
    plain: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    mapped: list[int] = field(default_factory=list)  # mounts to be put over those

    def show_to(self, ids: Ids) -> None:
        """Let other users see them."""
        self.shown, self.mapped = shifted.layers(self.engine, self.plain, ids.mappings)

    def open_root(self, path: str, ids: Ids) -> int:
        """Mount them in the monitor, at a new path, once; return a descriptor of the root."""
        lowers = [*(self.shown if ids else self.plain), *_nothing(self.engine)]
        return _overlay(self.engine, lowers, f"{path}-from", mapped=self.mapped if ids else [])


def open_context(place: Place, path: str, ids: Ids) -> int:
    """Open a context in this mount namespace: what was opened in another cannot be mounted.

    For other users it is mounted at a new path, with its owners mapped; else it shows them nobody's files.
    """
    target = f"{path}-context"
    descriptor = os.open(os.readlink(f"/proc/self/fd/{place.root}"), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    if not os.path.samestat(os.fstat(descriptor), os.fstat(place.root)):
        raise PodError(f"the context {place.shown} was replaced meanwhile")
    if not ids.can_map:
        return descriptor
    try:
        tree = own_users.clone(descriptor, ids)
    except OSError:  # not every file system can do that
        return descriptor
    os.close(descriptor)
    attach(tree, target, is_directory=True)
    return os.open(target, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def _nothing(engine: Engine) -> list[str]:
    """Return what an overlay has below that nothing is written to: it needs two layers."""
    return [f"{base(engine)}/empty", f"{base(engine)}/none"]


def _overlay(engine: Engine, lowers: list[str], target: str, *, upper: str = "", mapped: Sequence[int] = ()) -> int:
    """Mount layers in the monitor; return a descriptor of the root."""
    os.mkdir(target, 0o700)
    overlay = Overlay(
        lowers=list(lowers),
        directory=upper,
        rootless=engine.config.rootless,
        volatile=False,
        mapped=list(mapped),
    )
    overlay.target = target
    if not upper:
        overlay.upper = ""
    attach_mapped(overlay)
    mount_overlay(overlay)
    detach_mapped(overlay)
    return os.open(target, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def part(engine: Engine, mount: Mount, root: Opener) -> Maker:
    """Return what mounts that which lies at a path of a tree; what is written to it is thrown away."""
    more = restrictions(mount)
    source = f"/{selection.normalized(mount.source)}"

    def make(path: str, ids: Ids) -> dict[str, Any]:
        tree = root(path, ids)
        found = inroot.open_path(tree, source, os.O_PATH)
        os.close(tree)
        mode = os.fstat(found).st_mode
        if mount.read_only is False and stat.S_ISREG(mode):
            _copy(found, path)
            return entry(path, read_only=False, more=more)
        if mount.read_only is False and stat.S_ISDIR(mode):
            for name in ("upper", "work"):
                os.makedirs(f"{path}-over/{name}", 0o755)
                os.chown(f"{path}-over/{name}", *ids.of(0, 0))
            lower = f"/proc/self/fd/{found}"
            os.close(_overlay(engine, [lower], path, upper=f"{path}-over"))
            return entry(path, read_only=False, more=more)
        clone(found, path, is_directory=stat.S_ISDIR(mode))
        return entry(path, read_only=True, more=more)

    return make


def _copy(found: int, path: str) -> None:
    """Copy a file, with its owner where that may be had and its mode."""
    status = os.fstat(found)
    reader = os.open(f"/proc/self/fd/{found}", os.O_RDONLY | os.O_CLOEXEC)
    writer = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    copy_data(reader, writer)
    with suppress(OSError):
        os.fchown(writer, status.st_uid, status.st_gid)
    os.fchmod(writer, stat.S_IMODE(status.st_mode))
    for descriptor in (reader, writer, found):
        os.close(descriptor)


def clone(found: int, path: str, *, is_directory: bool) -> None:
    """Mount what a descriptor stands for at a new path."""
    flags = kernel.OPEN_TREE_CLONE | kernel.OPEN_TREE_CLOEXEC | kernel.AT_EMPTY_PATH
    attach(syscalls.open_tree(found, b"", flags), path, is_directory=is_directory)
    os.close(found)


def attach(tree: int, path: str, *, is_directory: bool) -> None:
    """Put a mount, which gets closed, at a new path."""
    if is_directory:
        os.mkdir(path, 0o700)
    else:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    syscalls.move_mount(tree, b"", kernel.AT_FDCWD, path, kernel.MOVE_MOUNT_F_EMPTY_PATH)
    os.close(tree)


def restrictions(mount: Mount) -> list[str]:
    """Return which of the kernel's restrictions are asked for, beside those that a mount has anyhow."""
    return [option for option in mount.options if option in ("nosuid", "nodev", "noexec")]


def entry(source: str, *, read_only: bool, more: Sequence[str] = ()) -> dict[str, Any]:
    """Return what the runtime spec says of a bind mount, but for where to."""
    options = ["rbind", "rprivate", "ro" if read_only else "rw", *more]
    return {"type": "bind", "source": source, "options": options}
