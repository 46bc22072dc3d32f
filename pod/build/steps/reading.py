"""Reading what a step takes before it is asked for: of the context where that takes long, of layers always."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pod.build.context import digests
from pod.build.stages.apart import apart
from pod.build.stages.scheduling import settled
from pod.build.steps.snapshots import seen
from pod.containers.rootfs.overlay import enter_mount_namespace, mount_overlay
from pod.errors import PodError
from storage import worker
from storage.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from typing import Any

    from pod.build.context.known import KnownDigests
    from pod.build.context.selection import Selection
    from pod.build.stages.scheduling import Needs
    from pod.engine import Engine


def read_ahead(selections: Sequence[Selection], known: KnownDigests) -> Generator[int | Needs, None, None]:
    """Learn the digests of many or large files. Raises StorageError for what cannot be read."""
    if not digests.takes_long(selections, known):
        return

    def read() -> dict[str, str]:
        known.take_learned()
        for one in selections:
            digests.digest(one, known)
        return {name.hex(): digest.hex() for name, digest in known.take_learned().items()}

    learned = yield from apart("read context", read)
    known.add({bytes.fromhex(name): bytes.fromhex(digest) for name, digest in learned.items()})


def read_layers(engine: Engine, layers: Sequence[str], read: Callable[[int], str]) -> Generator[int | Needs, None, str]:
    """Return what `read` finds below the root of layers, given by their keys, in a process that mounts them.

    Raises StorageError, also in place of PodError.
    """
    with engine.store.staging() as staging:

        def run(_report: Callable[[int], None]) -> dict[str, Any]:
            enter_mount_namespace()
            try:
                return {"found": read(mounted(engine, layers, f"{staging.path}/from"))}
            except PodError as error:
                raise StorageError(str(error), hint=error.hint) from error

        given = yield from settled(worker.fork(worker.Worker, run, "read files of a stage"))
        found: str = given["found"]
        return found


def mounted(engine: Engine, layers: Sequence[str], target: str) -> int:
    """Mount layers at a new directory, in the mount namespace of the process; return a descriptor of their root."""
    os.makedirs(target, 0o700, exist_ok=True)
    mount_overlay(seen(engine, layers, target))
    return os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
