"""What crashes left behind, found and removed by the next command that writes. Best effort, never fatal."""

from __future__ import annotations

import fcntl
import os
import time

from pod import create, state, status
from runtime import process
from storage import gc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.engine import Engine


# A session's directory is a little older than its monitor, and outlives it until the command has read the end.
_YOUNG_SECONDS = 10.0


def sweep(engine: Engine) -> None:
    """Remove directories without a row, and `--rm` containers whose command and monitor are gone."""
    try:
        # Directories are listed before rows: a row is always there before its directory.
        found = os.listdir(f"{engine.config.graphroot}/containers")
        found += [name for name in os.listdir(f"{engine.config.runroot}/containers") if not name.endswith(".lock")]
        if found:
            _sweep_containers(engine, set(found))
        _sweep_sessions(engine)
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


def _sweep_sessions(engine: Engine) -> None:
    directory = f"{engine.config.runroot}/exec"
    for name in os.listdir(directory):
        if not _is_locked(f"{directory}/{name}"):
            gc.remove_tree(f"{directory}/{name}")


def _is_locked(directory: str) -> bool:
    """Tell whether a monitor, or the command that is about to fork one, holds the directory's lock."""
    try:
        descriptor = os.open(f"{directory}/lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        # Made a moment ago by a command that has not come to its lock, or left by one that never will.
        try:
            return time.time() - os.stat(directory).st_mtime < _YOUNG_SECONDS
        except FileNotFoundError:
            return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return time.time() - os.stat(directory).st_mtime < _YOUNG_SECONDS


def _is_abandoned(engine: Engine, container: state.Container) -> bool:
    seen = status.observe(engine.config, container.id)
    if seen.is_running or seen.monitor_pid:
        return False
    owner = container.creator.split()
    if owner:
        return owner[2] != create.boot_id() or not process.is_alive(int(owner[0]), int(owner[1]))
    return seen.state == "exited"
