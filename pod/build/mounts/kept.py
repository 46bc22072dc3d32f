"""What cache mounts of RUN hold: kept from build to build until it is pruned."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from storage import gc
from storage.measuring import freed_with

if TYPE_CHECKING:
    from pod.engine import Engine


def directory(engine: Engine) -> str:
    """Return where the caches are; its time is that of the last use of one of them."""
    return f"{engine.config.graphroot}/build/caches"


def prune(engine: Engine, *, before: float | None = None) -> int:
    """Remove all caches (if none was used since a moment), and return the bytes of files that went.

    Nothing is removed while anybody publishes layers: a build that goes on may use them.
    """
    lock = engine.store.collecting()
    if lock is None:
        return 0
    path = directory(engine)
    with lock:
        if not os.path.isdir(path) or (before is not None and os.stat(path).st_mtime >= before):
            return 0
        freed = freed_with([path])
        engine.store.discard(path)
    gc.empty_trash(engine.store)
    return freed
