"""Removing containers and volumes: the row goes first, in one commit; what is left on disk after a crash is swept."""

from __future__ import annotations

import posix
import time
from errno import EBUSY, ENOTEMPTY, EXDEV

from pod import events, state
from pod.containers import runtimes, status, stop
from pod.errors import PodError, VolumeInUseError
from pod.lock import ContainerLock
from pod.volumes import discard
from runtime import paths
from runtime.errors import OCIRuntimeError
from storage import database, gc, images, reserve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pod.engine import Engine


_TRIES = 50
_RETRY_SECONDS = 0.02


class RunningError(PodError):
    """The container runs and its removal was not forced (exit status 2, as podman's)."""

    code = 2


def remove_container(
    engine: Engine,
    container: state.Container,
    *,
    force: bool = False,
    volumes: bool = False,
    timeout: int | None = None,
    warn: Callable[[str], None] | None = None,
) -> None:
    """Remove a container and all that it has; with `force`, stop it first. Idempotent.

    Raises RunningError if it runs and `force` is not said.
    """
    from pod.containers.remains import lost

    membership = container.config["pod"]
    if membership["infra"]:
        raise PodError(
            f"container {container.id} is the infra container of pod {membership['id']} and cannot be removed without"
            " removing the pod",
            hint=f"pod pod rm {membership['id'][:12]}",
        )
    with ContainerLock(engine.config, container.id):
        _check_unneeded(engine, container)  # before anything is stopped
        seen = lost.seen(engine.config, container.id)
        if seen.is_running:
            if not force:
                raise RunningError(
                    f"cannot remove container {container.id} as it is running - running or paused containers cannot"
                    " be removed without force: container state improper"
                )
            if seen.state == "running" and not seen.pid:
                stop.settle_or_salvage(engine.config, container.id)
            stop.stop(engine, container, timeout=timeout, warn=warn)
        elif seen.pid:
            stop.stop(engine, container, timeout=0)  # it waits to be started
        end_lost(engine, container)
        forget(engine, container, volumes=volumes or container.auto_remove)


def end_lost(engine: Engine, container: state.Container) -> None:
    """Record the end of a container whose monitor was killed before it did, and end what may still run of it.

    That is the case as well if the runroot was wiped, though the machine has not been rebooted. The caller holds the
    container's lock: so the end is told of once, by whoever writes the record.
    """
    if not status.is_lost(engine.config, container.id):
        return
    from pod.containers.remains import salvage
    from runtime.monitor import ending

    salvage.salvage(engine.config, container.id)
    if container.config["namespaces"]["network"] == "bridge":
        from pod.networks import sweeping

        sweeping.give_up(engine, container)
    path = f"{engine.config.container_dir(container.id)}/exit".encode("utf-8", "surrogateescape")
    if ending.write_record(path, status.UNKNOWN_EXIT_CODE, None, oom=False):
        events.of_container(engine.config, container, "died", {"ContainerExitCode": status.UNKNOWN_EXIT_CODE})


def settle_lost(engine: Engine, container: state.Container) -> None:
    """Do what `end_lost` does for a caller without the lock; whoever has it sees to that in our place."""
    if not status.is_lost(engine.config, container.id):
        return
    try:
        with ContainerLock(engine.config, container.id, wait=False):
            end_lost(engine, container)
    except BlockingIOError:
        pass


def remove_ended(engine: Engine, container: state.Container) -> None:
    """Remove a container that is to go at its end, and with `run --rmi` its image unless something else uses that.

    One that was started again meanwhile stays.
    """
    try:
        remove_container(engine, container, volumes=True)
    except RunningError:
        return
    if container.config["rmi"]:
        from pod.images import removal
        from storage.errors import StorageError

        try:
            removal.remove(engine, container.config["image_name"], force=False)
        except (PodError, StorageError):
            pass  # it is in use, or somebody else was faster


def stop_together(
    engine: Engine,
    containers: list[state.Container],
    *,
    timeout: int | None = None,
    warn: Callable[[str], None] | None = None,
) -> None:
    """Stop those of several containers that are to be removed and may be: together they take as long as the slowest.

    What fails here fails again, and is told, when it is that container's turn.
    """
    from concurrent.futures import ThreadPoolExecutor

    chosen = {one.id for one in containers}
    from pod.containers import dependencies

    doomed = [one for one in containers if chosen.issuperset(dependencies.dependants_of(engine.connection, one.id))]
    living = [one for one in doomed if status.observe(engine.config, one.id).is_running]
    if len(living) < 2:
        return
    with ThreadPoolExecutor(len(living)) as pool:
        for one in living:
            pool.submit(stop.stop, engine, one, timeout=timeout, warn=warn)


def forget(engine: Engine, container: state.Container, *, volumes: bool) -> None:
    """Delete the row of a container that does not run, its anonymous volumes with `volumes`, and its files."""
    doomed = reserve.removing(engine.store, lambda: forget_rows(engine, container, volumes=volumes))
    if doomed is not None:
        events.of_container(engine.config, container, "remove")
    delete_files(engine, container.id)
    discard_volumes(engine, doomed or [])


def discard_volumes(engine: Engine, names: list[str]) -> None:
    """Delete the files of volumes without a row."""
    if names:
        discard(engine, names)
        for name in names:
            events.record(engine.config, "volume", "remove", name=name)


def forget_rows(engine: Engine, container: state.Container, *, volumes: bool) -> list[str] | None:
    """Delete the rows in one commit; return the volumes that went, None if another command was faster."""
    with database.transaction(engine.connection):
        return forget_within(engine, container, volumes=volumes)


def forget_within(engine: Engine, container: state.Container, *, volumes: bool) -> list[str] | None:
    """Do what `forget_rows` does within a transaction of the caller."""
    seen = status.observe(engine.config, container.id)
    doomed: list[str] = []
    _check_unneeded(engine, container)
    if volumes:
        doomed = state.volumes_of(engine.connection, container.id, anonymous_only=True)
    if not state.delete_container(engine.connection, container.id):
        return None
    images.unpin(engine.connection, container.id)
    if seen.started:
        state.keep_exit_code(engine.connection, container, seen.exit_code)
    doomed = [name for name in doomed if not state.volume_users(engine.connection, name)]
    for name in doomed:
        state.delete_volume(engine.connection, name)
    return doomed


def _check_unneeded(engine: Engine, container: state.Container) -> None:
    if state.is_needed(engine.connection, container.id):
        from pod.containers import dependencies

        dependencies.check_unneeded(engine.connection, container.id)


def delete_files(engine: Engine, container_id: str) -> None:
    """Delete what a container without a row has left: runtime state, cgroups, sockets, and its layer."""
    config = engine.config
    try:
        runtimes.delete(config, container_id)
    except (OSError, ValueError, LookupError, TypeError, OCIRuntimeError):
        from pod.containers.remains import salvage

        salvage.salvage(config, container_id)
    if posix.listdir(f"{config.runroot}/exec"):
        from pod.containers import sessions

        sessions.discard(config, container_id)
    if paths.lexists(f"{config.container_dir(container_id)}/merged"):
        from pod.containers.tree import host_mounts

        host_mounts.release(config, container_id)
    remove_tree(config.monitor_dir(container_id))
    remove_tree(config.container_dir(container_id))


def remove_tree(path: str) -> None:
    """Remove a directory, into which a monitor that nobody knows of any more may still write its last.

    What this process alone has mounted in it is unmounted: what a monitor becomes at its container's end removes that
    container with its root file system still before its eyes.
    """
    for left in range(_TRIES, -1, -1):
        try:
            gc.remove_tree(path)
        except OSError as error:
            if error.errno not in (ENOTEMPTY, EXDEV, EBUSY) or not left:
                raise
            if error.errno == ENOTEMPTY:
                time.sleep(_RETRY_SECONDS)
                continue
            from pod.containers.rootfs import overlay as rootfs

            rootfs.unmount(path)
        else:
            return


def remove_volume(engine: Engine, name: str, *, force: bool, timeout: int | None = None) -> str:
    """Remove a volume and return its full name; with `force`, the containers that use it go first.

    `timeout` is the time in seconds that they have to stop.
    """
    volume = state.find_volume(engine.connection, name)
    if force:
        from pod.pods import remove as pods

        for user in state.volume_users(engine.connection, volume.name):
            container = state.container(engine.connection, user)
            if container is not None:  # it may have gone with its pod
                pods.remove_container(engine, container, force=True, timeout=timeout)
    reserve.removing(engine.store, lambda: _forget_volume(engine, volume.name))
    discard(engine, [volume.name])
    events.record(engine.config, "volume", "remove", name=volume.name)
    return volume.name


def _forget_volume(engine: Engine, name: str) -> None:
    with database.transaction(engine.connection):
        users = state.volume_users(engine.connection, name)
        if users:
            raise VolumeInUseError(name, users)
        state.delete_volume(engine.connection, name)
