"""The files of a step: an overlay over the layers so far, whose upper directory becomes the next layer.

It lies in a staging directory of the store, so what a killed build leaves is swept by the next command. Nothing is
mounted in this process: whoever runs in the snapshot mounts it in a mount namespace of its own.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from pod.containers.rootfs.overlay import Overlay
from storage.adopting import DIFF
from storage.rootfs import stack
from storage.trees import remove_tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pod.engine import Engine
    from storage.store import Staging

# What the runtime mounts something on. Below all layers these are there without any of them having to change for it.
_STUB_DIRECTORIES = ("dev", "dev/pts", "dev/shm", "dev/mqueue", "etc", "proc", "run", "sys")
_STUB_FILES = ("etc/hosts", "etc/hostname", "etc/resolv.conf", "run/.containerenv")


class Snapshot:
    """A place for the changes of one or more steps over some layers, until it is adopted or discarded."""

    def __init__(self, engine: Engine, keys: Sequence[str]) -> None:
        """Make an empty one over the layers of these keys, from the bottom up."""
        self._engine = engine
        self.layers = stack(engine.store, keys)
        self._base = base(engine)
        self.staging: Staging = engine.store.staging()
        for name in (DIFF, "rootfs"):
            os.mkdir(f"{self.staging.path}/{name}", 0o755)

    @property
    def top(self) -> str:
        """The uppermost layer below, empty if there is none."""
        return self.layers[0] if self.layers else ""

    @property
    def changes(self) -> str:
        """The directory of what has been changed so far."""
        return f"{self.staging.path}/{DIFF}"

    def overlay(
        self,
        target: str = "",
        *,
        stubs: bool = False,
        below: Sequence[str] = (),
        layers: tuple[Sequence[str], list[int]] | None = None,
    ) -> Overlay:
        """Return what to mount, at a directory of its own if none is named: once only.

        With `stubs` there is what the runtime mounts something on; `below` is more of the kind. With `layers` these are
        in the place of its own, and have mounts to be put over them (pod.containers.rootfs.shifted).
        """
        path = self.staging.path
        remove_tree(f"{path}/work")  # marked by the mount before
        os.mkdir(f"{path}/work", 0o700)
        lowest = f"{self._base}/{'stubs' if stubs else 'empty'}"
        lowers, mapped = (self.layers, []) if layers is None else layers
        overlay = Overlay(
            lowers=[*lowers, *below, lowest],
            directory=path,
            rootless=self._engine.config.rootless,
            volatile=True,
            mapped=mapped,
        )
        overlay.upper = self.changes
        overlay.target = target or overlay.target
        overlay.whole = True
        return overlay

    def discard(self) -> None:
        """Give the changes up; nothing is done after the adoption."""
        self.staging.discard()


def seen(engine: Engine, keys: Sequence[str], target: str) -> Overlay:
    """Return an overlay of layers that are only read, from the bottom up."""
    lowers = stack(engine.store, keys)
    below = base(engine)
    # An overlay that nothing is written to has two layers at least.
    overlay = Overlay(
        lowers=[*lowers, f"{below}/empty", f"{below}/none"],
        directory=target,
        rootless=engine.config.rootless,
        volatile=False,
    )
    overlay.upper, overlay.target = "", target
    return overlay


def base(engine: Engine) -> str:
    """Return the directory of what lies below all layers; the first build on a store makes it."""
    path = f"{engine.config.graphroot}/build"
    if not os.path.isdir(path):
        with engine.store.staging() as staging:
            for name in ("digests", "empty", "none"):
                os.mkdir(f"{staging.path}/{name}", 0o755)
            make_stubs(f"{staging.path}/stubs")
            with suppress(OSError):  # another build was faster
                staging.publish(path)
    return path


def make_stubs(path: str) -> None:
    """Make a directory of what the runtime mounts something on."""
    for name in ("", *_STUB_DIRECTORIES):
        os.mkdir(f"{path}/{name}", 0o755)
    for name in _STUB_FILES:
        with open(f"{path}/{name}", "xb"):
            pass
