"""Starting a container: its spec, its monitor, and what the monitor does before the program runs."""

from __future__ import annotations

import os
import time

from pod import rootless, state
from pod.containers import create, dependencies, runtimes, spec, status
from pod.containers.files import write_file
from pod.containers.plan import Plan
from pod.errors import ContainerNotFoundError, StateError
from pod.lock import ContainerLock
from runtime.errors import OCIRuntimeError
from runtime.monitor import spawn
from storage import gc
from storage.store import boot_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pod.engine import Engine
    from pod.state import Container
    from runtime.monitor.spawn import MonitorLink


def launch(
    engine: Engine,
    container: Container,
    console_size: tuple[int, int] = (0, 0),
    meanwhile: Callable[[], None] | None = None,
) -> MonitorLink:
    """Create the container's process and return the link to its monitor; `start` on it lets the program run.

    `console_size` is the height and width of the terminal that the container gets with --tty; `meanwhile` is called
    while the monitor is at work.

    What it needs is started first. Raises what kept the process from being made; then nothing of it is left.
    """
    dependencies.start_needed(engine, container)
    with ContainerLock(engine.config, container.id):
        if not state.has_container(engine.connection, container.id):
            raise ContainerNotFoundError(container.id)  # another command has removed it meanwhile
        seen = status.observe(engine.config, container.id)
        if seen.is_running:
            raise StateError(f"container {container.id} is running already: container state improper")
        create.make_directories(engine, container.id)
        clear(engine, container.id)
        plan = Plan(engine, container)
        spec.set_console_size(plan.spec["process"], console_size)
        runtimes.note(engine.config, container, plan.surroundings.cgroups_path)
        try:
            link = spawn.spawn(plan.monitor_config(), plan.create, meanwhile)
        except OCIRuntimeError as error:
            clear(engine, container.id)  # a monitor that was killed may have left a process
            rootless.explain_single_id(engine.config, error)
            raise
        write_file(f"{plan.directory}/started", f"{time.time():.9f} {boot_id()}\n")
        return link


def start(engine: Engine, link: MonitorLink) -> None:
    """Let the program run. Raises what kept it from being executed; then nothing of it is left."""
    try:
        link.start()
    except OCIRuntimeError as error:
        rootless.explain_single_id(engine.config, error)
        raise


def remove_if_ended(engine: Engine, container: Container) -> None:
    """Remove a `--rm` container that ended before this command detached: its monitor left that to us.

    To be called after detaching. The record is written before the monitor looks who is there, so nothing slips through.
    """
    if container.auto_remove and status.exit_record(engine.config, container.id) is not None:
        from pod.containers import remove

        remove.remove_container(engine, container, volumes=True)


def clear(engine: Engine, container_id: str) -> None:
    """Remove what an earlier run of the container left: records, sockets, runtime state."""
    config = engine.config
    directory = config.container_dir(container_id)
    for name in ("exit", "started"):
        try:
            os.unlink(f"{directory}/{name}")
        except FileNotFoundError:
            pass
    runtimes.delete(config, container_id)
    monitor_dir = config.monitor_dir(container_id)
    try:
        os.mkdir(monitor_dir, 0o700)
    except FileExistsError:
        gc.remove_tree(monitor_dir)
        os.mkdir(monitor_dir, 0o700)
