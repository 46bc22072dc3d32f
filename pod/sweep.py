"""What crashes left behind, found and removed by the next command that writes. Best effort, never fatal."""

from __future__ import annotations

import fcntl
import posix
import time

from pod import state, volumes
from pod.containers import status
from pod.errors import PodError
from pod.lock import ContainerLock
from runtime import paths, process
from runtime.errors import OCIRuntimeError
from storage import database, gc, images, reserve
from storage.errors import StorageError
from storage.store import boot_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pod.engine import Engine

_FAILURES = (OSError, PodError, StorageError, OCIRuntimeError, database.Error)

# A session's directory is a little older than its monitor, and outlives it until the command has read the end.
_YOUNG_SECONDS = 10.0


def sweep(engine: Engine, *, measure: bool = False) -> int:
    """Remove directories without a row, and `--rm` containers whose command and monitor are gone.

    With `measure`, returns the bytes of files of the image store that went.
    """
    for step in (_sweep_networks, _sweep_containers, _sweep_pods, _sweep_builds, _sweep_volumes, _sweep_sessions):
        _try(step, engine)
    if engine.config.image_stores:
        from storage import additional

        _try(additional.drop_unused, engine.store)
    freed = 0
    if measure:
        freed = gc.measured_sweep(engine.store)
    else:
        gc.sweep(engine.store)
    reserve.keep(engine.store)
    return freed


def _try(action: Callable[..., None], *arguments: object) -> None:
    """Do one piece of the work; what cannot be removed now must not keep the rest, nor the command."""
    try:
        action(*arguments)
    except _FAILURES:
        pass


def _sweep_networks(engine: Engine) -> None:
    directory = f"{engine.config.runroot}/networks"
    if paths.is_directory(directory):
        from pod.networks import sweeping

        sweeping.sweep(directory, shared=engine.config.rootless)
    if engine.config.rootless and paths.is_directory(f"{directory}/.shared"):
        from runtime.monitor import shared

        # The namespace's pasta, if nobody is there any more.
        shared.tidy(f"{directory}/.shared".encode("utf-8", "surrogateescape"))


def _sweep_containers(engine: Engine) -> None:
    # Directories are listed before rows: a row is always there before its directory.
    found = set(posix.listdir(f"{engine.config.graphroot}/containers"))
    found.update(name.removesuffix(".lock") for name in posix.listdir(f"{engine.config.runroot}/containers"))
    if not found:
        return
    for name in found - state.container_ids(engine.connection):
        _try(_remove_orphan, engine, name)
    for identity, name, creator in state.auto_removed(engine.connection):
        if _is_abandoned(engine, identity, name, creator):
            _try(_remove_abandoned, engine, identity)


def _remove_orphan(engine: Engine, name: str) -> None:
    from pod.containers import remove
    from pod.containers.remains.foreign import is_foreign

    with ContainerLock(engine.config, name, wait=False):
        # The lock is there before the row: who had it when we looked may have made and started the container since.
        if not (state.has_container(engine.connection, name) or is_foreign(engine.config, name)):
            remove.delete_files(engine, name)


def _remove_abandoned(engine: Engine, identity: str) -> None:
    from pod.containers import remove

    with ContainerLock(engine.config, identity, wait=False):
        container = state.find_container(engine.connection, identity)
        # Still: nobody started it before we had the lock.
        if _is_abandoned(engine, identity, container.name, container.creator):
            if status.observe(engine.config, identity).is_running:
                from pod.containers.remains import salvage

                salvage.salvage(engine.config, identity)
            remove.end_lost(engine, container)
            remove.forget(engine, container, volumes=True)


def _sweep_pods(engine: Engine) -> None:
    if engine.connection.execute("SELECT 1 FROM pod LIMIT 1").fetchone() is not None:
        from pod.pods import exit_policy

        exit_policy.settle_all(engine)
    if paths.is_directory(f"{engine.config.runroot}/pods"):
        from pod.pods import cgroup

        cgroup.sweep(engine)


def _sweep_builds(engine: Engine) -> None:
    found = images.owners(engine.store, "build ")
    if found:
        from pod.build import holding

        holding.sweep(engine, found)


def _sweep_volumes(engine: Engine) -> None:
    found = posix.listdir(f"{engine.config.graphroot}/volumes")
    if found:
        known = {volume.name for volume in state.volumes(engine.connection)}
        orphans = [name for name in found if name not in known]
        if orphans:
            volumes.discard(engine, orphans)


def _sweep_sessions(engine: Engine) -> None:
    directory = f"{engine.config.runroot}/exec"
    for name in posix.listdir(directory):
        from pod.containers import sessions

        if not is_locked(f"{directory}/{name}") and not sessions.is_kept(f"{directory}/{name}"):
            gc.remove_tree(f"{directory}/{name}")


def is_locked(directory: str) -> bool:
    """Tell whether a monitor, or the command that is about to fork one, holds the directory's lock."""
    try:
        descriptor = posix.open(f"{directory}/lock", posix.O_RDWR | posix.O_CLOEXEC)
    except FileNotFoundError:
        # Made a moment ago by a command that has not come to its lock, or left by one that never will.
        try:
            return time.time() - posix.stat(directory).st_mtime < _YOUNG_SECONDS
        except FileNotFoundError:
            return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        posix.close(descriptor)
    return time.time() - posix.stat(directory).st_mtime < _YOUNG_SECONDS


def _is_abandoned(engine: Engine, identity: str, name: str, creator: str) -> bool:
    """Tell whether nobody waits for the end of a container; a program that still runs for a build is of no use."""
    owner = creator.split()
    # With many at once this is asked n times by each of n commands: the answer of most comes first.
    if owner and owner[2] == boot_id() and process.is_alive(int(owner[0]), int(owner[1])):
        return False
    from pod.containers.remains import lost

    seen = lost.seen(engine.config, identity)
    if seen.monitor_pid or (seen.is_running and not name.startswith(state.BUILD)):
        return False
    return bool(owner) or seen.state == "exited"
