"""Starting a container again from its own monitor: what becomes of the monitor for that moment (see runtime.monitor).

Nobody waits for it and nobody hears it: what fails is tried again by the restart policy.
"""

from __future__ import annotations

import os
import time

from pod import state
from pod.containers import restart, runtimes
from pod.containers.inside.files import write_file
from pod.containers.plan import Plan, monitor_config
from pod.containers.rootfs import overlay as rootfs
from pod.containers.spec import document as spec
from pod.lock import ContainerLock
from runtime.monitor import resuming
from storage.store import boot_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from pod.engine import Engine
    from pod.state import Container
    from runtime.monitor.resuming import Resumed

_RETRY_SECONDS = 0.02


def relaunch(engine: Engine, container: Container, resumed: Resumed) -> NoReturn:
    """Start a container again and be its monitor once more; the process must be that monitor."""
    lock = _lock(engine, container)
    if lock is None:
        resuming.give_up(monitor_config(engine, container), resumed)
    try:
        rootfs.unmount(engine.config.container_dir(container.id))
        runtimes.delete(engine.config, container.id)
        plan = Plan(engine, container)
        spec.set_console_size(plan.spec["process"], resumed.size)
        runtimes.note(engine.config, container, plan.surroundings.cgroups_path)
        told = plan.monitor_config()
        told.keep_fds = (*told.keep_fds, lock.fileno())
    except BaseException:
        lock.__exit__()
        resuming.fail(monitor_config(engine, container), resumed)
    directory = plan.directory

    def about_to_start() -> None:
        write_file(f"{directory}/restarts", str(resumed.restarts))
        write_file(f"{directory}/started", f"{time.time():.9f} {boot_id()}\n")
        for path in (told.exit_path, f"{told.directory}/exit"):
            try:
                os.unlink(path)
            except FileNotFoundError:
                pass

    resuming.resume(told, resumed, plan.create, about_to_start, lock.__exit__)


def _lock(engine: Engine, container: Container) -> ContainerLock | None:
    """Take the container's lock; None if it is to end, or is gone: who removes it holds the lock and waits for us."""
    lock = ContainerLock(engine.config, container.id, wait=False)
    while not restart.is_stopped(engine.config, container.id):
        try:
            lock.__enter__()
        except BlockingIOError:
            time.sleep(_RETRY_SECONDS)
            continue
        if state.has_container(engine.connection, container.id):
            return lock
        lock.__exit__()
        return None
    return None
