"""What crashes left behind, found and removed by the next command that writes. Best effort, never fatal."""

from __future__ import annotations

import os

from pod import create, state, status
from runtime import process
from storage import gc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.engine import Engine


def sweep(engine: Engine) -> None:
    """Remove directories without a row, and `--rm` containers whose command and monitor are gone."""
    try:
        # Directories are listed before rows: a row is always there before its directory.
        found = os.listdir(f"{engine.config.graphroot}/containers")
        found += [name for name in os.listdir(f"{engine.config.runroot}/containers") if not name.endswith(".lock")]
        if found:
            _sweep_containers(engine, set(found))
        gc.sweep(engine.store)
    except OSError:
        return


def _sweep_containers(engine: Engine, found: set[str]) -> None:
    from pod import remove

    known = state.container_ids(engine.connection)
    for name in found - known:
        remove.delete_files(engine, name)
    for container in state.auto_removed(engine.connection):
        if _is_abandoned(engine, container):
            remove.forget(engine, container, volumes=True)


def _is_abandoned(engine: Engine, container: state.Container) -> bool:
    seen = status.observe(engine.config, container.id)
    if seen.is_running or seen.monitor_pid:
        return False
    owner = container.creator.split()
    if owner:
        return owner[2] != create.boot_id() or not process.is_alive(int(owner[0]), int(owner[1]))
    return seen.state == "exited"
