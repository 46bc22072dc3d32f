"""Starting a container: its spec, its monitor, and what the monitor does before the program runs."""

from __future__ import annotations

import posix
import time

from pod import events, rootless, state
from pod.containers import inserting, monitor_settings, runtimes, status
from pod.containers.inside.files import write_file
from pod.containers.launched import Launched
from pod.containers.plan import Plan
from pod.containers.spec import document as spec
from pod.errors import ContainerNotFoundError, StateError
from pod.lock import ContainerLock
from runtime import jsontext
from runtime.errors import OCIRuntimeError
from runtime.monitor import spawn
from storage import database, gc
from storage.store import boot_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pod.engine import Engine
    from pod.state import Container
    from runtime.monitor.spawn import MonitorLink

    MakePlan = Callable[[Engine, Container, tuple[int, ...]], Plan]


class LaunchedContainer(Launched):
    """The first process of a container."""

    __slots__ = ("container",)

    def __init__(self, engine: Engine, container: Container, link: MonitorLink) -> None:
        super().__init__(engine, container.id, engine.config.monitor_dir(container.id), link)
        self.container = container

    def start(self) -> None:
        """Let the program run; the caller has not the container's lock.

        Raises what kept it from being executed, ContainerNotFoundError if another command has removed it meanwhile;
        then nothing of it is left.
        """
        try:
            super().start()
        except OCIRuntimeError as error:
            with ContainerLock(self.engine.config, self.id):  # whoever is about to remove it has the lock
                if state.has_container(self.engine.connection, self.id):
                    raise
            raise ContainerNotFoundError(self.id) from error

    def attach(self) -> int:
        """Return the attach connection, and tell of it."""
        events.of_container(self.engine.config, self.container, "attach")
        return super().attach()

    def release(self) -> None:
        """Record that a container of `run --rm` depends on this command no more."""
        if self.container.creator:
            with database.transaction(self.engine.connection):
                state.clear_creator(self.engine.connection, self.id)
            self.container.creator = ""

    def abandon(self) -> None:
        """Leave the container, or end it if it is to go at its end: `run --rm IMAGE yes | head -1` leaves nothing."""
        if not self.container.auto_remove:
            self.detach()
            return
        from pod.containers import stop
        from pod.containers.processes import deafness

        deaf = deafness.is_deaf(self.pid, self.container.config["stop_signal"])
        stop.stop(self.engine, self.container, timeout=0 if deaf else None)
        self.wait()

    def has_ended(self) -> bool:
        """Tell whether the monitor has written the exit record."""
        return status.exit_record(self.engine.config, self.id) is not None

    def remove(self) -> None:
        """Remove the container if it is to go at its end, and let its pod follow if that is to."""
        if self.container.auto_remove:
            from pod.containers import remove

            remove.remove_ended(self.engine, self.container)
        if self.container.config["pod"]["id"]:
            from pod.pods import exit_policy

            exit_policy.settle_after(self.engine, self.container)


def launch(
    engine: Engine,
    container: Container,
    console_size: tuple[int, int] = (0, 0),
    meanwhile: Callable[[], None] | None = None,
    preserve: tuple[int, ...] = (),
    make_plan: MakePlan = Plan,
) -> LaunchedContainer:
    """Create the container's process and return what its `start` lets run.

    `console_size` is the height and width of the terminal that the container gets with --tty; `meanwhile` is called
    while the monitor is at work. The process gets the descriptors `preserve` of this one, under their numbers.
    `make_plan` gives the plan of its making, if that is another than that of all containers.

    What it needs is started first. Raises what kept the process from being made; then nothing of it is left.
    """
    with ContainerLock(engine.config, container.id):
        _start_needed(engine, container)
        return _launch(engine, container, console_size, meanwhile, preserve, make_plan)


def initialize(engine: Engine, container: Container) -> None:
    """Make a container's process and leave it waiting for its start. Raises StateError if it has one."""
    with ContainerLock(engine.config, container.id):
        _start_needed(engine, container)
        seen = _observe(engine, container)
        if seen.state not in ("created", "exited"):
            raise StateError(f"container {container.id} has already been created in runtime: container state improper")
        _create(engine, container).hold()


def restore(engine: Engine, container: Container, prepare: Callable[[Plan], None]) -> LaunchedContainer:
    """Let a saved container go on: `prepare` changes the plan of its making so that its process comes from images.

    Raises StateError if it runs.
    """
    with ContainerLock(engine.config, container.id):
        _start_needed(engine, container)
        if _observe(engine, container).state not in ("created", "exited"):
            raise StateError(f"container {container.id} is running or paused, cannot restore: container state improper")
        link = _create(engine, container, prepare=prepare)
        write_file(f"{engine.config.container_dir(container.id)}/started", f"{time.time():.9f} {boot_id()}\n")
        return LaunchedContainer(engine, container, link)


def restart(
    engine: Engine,
    container: Container,
    *,
    timeout: int | None = None,
    warn: Callable[[str], None] | None = None,
) -> None:
    """End a container, if it runs, and start it; nobody else starts or removes it in between."""
    with ContainerLock(engine.config, container.id):
        _start_needed(engine, container)
        _observe(engine, container)
        from pod.containers import stop

        if stop.stop(engine, container, timeout=timeout, warn=warn) and container.auto_remove:
            # The overlay was mounted as volatile, which the kernel allows once, for it cannot know that all is there.
            gc.remove_tree(f"{engine.config.container_dir(container.id)}/work/work/incompat")
        launched = _launch(engine, container)
        Launched.start(launched)  # we have the lock
    launched.detach()
    events.of_container(engine.config, container, "restart")


def _launch(
    engine: Engine,
    container: Container,
    console_size: tuple[int, int] = (0, 0),
    meanwhile: Callable[[], None] | None = None,
    preserve: tuple[int, ...] = (),
    make_plan: MakePlan = Plan,
) -> LaunchedContainer:
    """Do what `launch` does; the caller holds the container's lock."""
    seen = _observe(engine, container)
    if seen.state == "paused":
        raise StateError(
            f"unable to start container {jsontext.dumps(container.id)}: container {container.id} must be in Created"
            " or Stopped state to be started: container state improper",
            hint=f"pod unpause {container.name} lets it go on",
        )
    if seen.state == "restarting":
        from pod.containers import restart as policy
        from pod.containers import stop

        policy.mark_stopped(engine.config, container.id)  # its monitor waits with the next start: we do not
        stop.settle(engine.config, container.id)
    elif seen.is_running:
        raise StateError(f"container {container.id} is running already: container state improper")
    elif seen.state == "exited":
        from pod.containers import remove

        remove.end_lost(engine, container)
    link = _join(engine, container, seen) if seen.state == "initialized" else None
    if link is None:
        link = _create(engine, container, console_size, meanwhile, preserve, make_plan=make_plan)
    elif meanwhile is not None:
        meanwhile()
    monitor_settings.announce(container, link.monitor_pid)
    write_file(f"{engine.config.container_dir(container.id)}/started", f"{time.time():.9f} {boot_id()}\n")
    return LaunchedContainer(engine, container, link)


def _observe(engine: Engine, container: Container) -> status.Status:
    if not state.has_container(engine.connection, container.id):
        raise ContainerNotFoundError(container.id)  # another command has removed it meanwhile
    return status.observe(engine.config, container.id)


def _join(engine: Engine, container: Container, seen: status.Status) -> MonitorLink | None:
    """Return the link to the monitor of an initialized container; None if that is no more."""
    try:
        posix.unlink(f"{engine.config.monitor_dir(container.id)}/stopped")  # as `clear` would
    except FileNotFoundError:
        pass
    try:
        return spawn.join(engine.config.monitor_dir(container.id), seen.monitor_pid, seen.pid)
    except OSError:
        return None


def _create(
    engine: Engine,
    container: Container,
    console_size: tuple[int, int] = (0, 0),
    meanwhile: Callable[[], None] | None = None,
    preserve: tuple[int, ...] = (),
    prepare: Callable[[Plan], None] | None = None,
    make_plan: MakePlan = Plan,
) -> MonitorLink:
    inserting.make_directories(engine, container.id)
    clear(engine, container.id)
    if container.config["namespaces"]["network"] == "bridge":
        from pod.networks import leases

        places = leases.renew(engine, container.id)
        if not engine.config.rootless:
            from pod.networks import forwarding

            forwarding.announce(places)
    if container.config["ports"]:
        from pod.networks import port_check

        port_check.check(engine, container)
    if container.config["pod"]["cgroup"]:
        from pod.pods import cgroup, rows

        cgroup.make(engine, rows.find(engine.connection, container.config["pod"]["id"]))
    plan = make_plan(engine, container, preserve)
    if prepare is not None:
        prepare(plan)
    spec.set_console_size(plan.spec["process"], console_size)
    runtimes.note(engine.config, container, plan.surroundings.cgroups_path)
    try:
        link = spawn.spawn(plan.monitor_config(), plan.create, meanwhile)
    except OCIRuntimeError as error:
        clear(engine, container.id)  # a monitor that was killed may have left a process
        rootless.explain_single_id(engine.config, error)
        raise
    finally:
        plan.close()
    try:
        _write_pid_files(engine, container, link)
    except OSError:
        link.close()
        clear(engine, container.id)
        raise
    return link


def _write_pid_files(engine: Engine, container: Container, link: MonitorLink) -> None:
    """Write the files that --pidfile and --conmon-pidfile name, and that which a unit of `generate systemd` does."""
    identity = container.config["identity"]
    monitor_pidfile = identity["conmon_pidfile"]
    if not monitor_pidfile and b"PODMAN_SYSTEMD_UNIT" in posix.environ:
        monitor_pidfile = f"{engine.config.monitor_dir(container.id)}/conmon.pid"
    for path, pid in ((identity["pidfile"], link.pid), (monitor_pidfile, link.monitor_pid)):
        if path:
            with open(path, "w", encoding="utf-8") as file:
                file.write(str(pid))


def start_detached(engine: Engine, container: Container) -> None:
    """Start a container, unless it runs, and leave it to its monitor.

    Whoever waits for its lock meanwhile finds its program, not a process that is about to become it.
    """
    if status.observe(engine.config, container.id).state == "running":
        return
    try:
        with ContainerLock(engine.config, container.id):
            _start_needed(engine, container)
            launched = _launch(engine, container)
            Launched.start(launched)  # we have the lock
    except StateError:
        if status.observe(engine.config, container.id).state == "running":
            return  # another command was faster
        raise
    launched.detach()


def clear(engine: Engine, container_id: str) -> None:
    """Remove what an earlier run of the container left: records, sockets, runtime state."""
    config = engine.config
    directory = config.container_dir(container_id)
    for name in ("exit", "started", "restarts", "health", "checkpointed", "stopped"):
        try:
            posix.unlink(f"{directory}/{name}")
        except FileNotFoundError:
            pass
    runtimes.delete(config, container_id)
    monitor_dir = config.monitor_dir(container_id)
    try:
        posix.mkdir(monitor_dir, 0o700)
    except FileExistsError:
        gc.remove_tree(monitor_dir)
        posix.mkdir(monitor_dir, 0o700)


def _start_needed(engine: Engine, container: Container) -> None:
    """Start what a container needs; the caller holds its lock, so that nobody takes it for one that needs nothing."""
    if state.needs_others(engine.connection, container.id):
        from pod.containers import dependencies

        dependencies.start_needed(engine, container)
