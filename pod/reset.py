"""Wiping a store: what `system reset` does. Only what is ours goes: a --root that holds other things keeps them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pod import state
from pod.containers.remove import remove_container
from storage import gc

if TYPE_CHECKING:
    from pod.engine import Engine

_GRAPHROOT = (
    "containers",
    "volumes",
    "secrets",
    "events",
    "layers",
    "ingest",
    "staging",
    "trash",
    "reserve",
    "pod.db",
    "pod.db-wal",
    "pod.db-shm",
    "lock",
    "sync.lock",
)
_RUNROOT = (
    "containers",
    "exec",
    "mounts",
    "volumes",
    "runtime",
    "runtimes",
    "userns",
    "userns.lock",
    "containers.conf.json",
)


def reset(engine: Engine) -> None:
    """Stop and remove all containers, and delete everything that pod keeps below its two roots.

    Killed half way, it leaves a store that a further reset, or any command, takes up.
    """
    left = state.containers(engine.connection)
    while left:
        # Those that others need can go only after them; the newest needs older ones only.
        remove_container(engine, left.pop(), force=True, volumes=True, timeout=0)
    engine.store.close()
    for root, names in ((engine.config.graphroot, _GRAPHROOT), (engine.config.runroot, _RUNROOT)):
        for name in names:
            _delete(f"{root}/{name}")
        try:
            os.rmdir(root)
        except OSError:
            pass  # it holds what is not ours, or is a mount point


def _delete(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        gc.remove_tree(path)
        return
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
