"""Further processes in a running container: exec sessions. Each has a monitor of its own, like a container."""

from __future__ import annotations

import posix

from pod import events, names
from pod.containers import plan, runtimes, sessions, status
from pod.containers.inside import users
from pod.containers.launched import Launched
from pod.containers.rootfs import overlay as rootfs
from pod.containers.spec import document as spec
from pod.containers.spec.surroundings import observed
from pod.errors import StateError
from runtime import paths
from runtime.monitor import spawn
from storage import gc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pod.containers.configuration import ContainerConfig
    from pod.engine import Engine
    from pod.state import Container
    from runtime.monitor.eventlog import EventLog
    from runtime.monitor.spawn import MonitorLink


_NOT_RUNNING = "can only create exec sessions on running containers: container state improper"


class ExecOptions:
    """What to run in a container, and how."""

    __slots__ = (
        "args",
        "console_size",
        "detached",
        "env",
        "preserve",
        "privileged",
        "recorded",
        "stdin",
        "tty",
        "user",
        "workdir",
    )

    def __init__(
        self,
        args: list[str],
        *,
        env: dict[str, str],
        user: str = "",
        workdir: str = "",
        tty: bool = False,
        stdin: bool = False,
        privileged: bool = False,
        console_size: tuple[int, int] = (0, 0),
        preserve: tuple[int, ...] = (),
        detached: bool = False,
        recorded: bool = True,
    ) -> None:
        self.args = args
        self.env = env
        self.user = user
        self.workdir = workdir
        self.tty = tty
        self.stdin = stdin
        self.privileged = privileged
        self.preserve = preserve  # descriptors of this process that the new one gets too
        self.detached = detached  # what it came to is kept for a while
        self.recorded = recorded  # `sessions` tells of it
        self.console_size = console_size  # height and width, with tty


class LaunchedExec(Launched):
    """A further process of a container: an exec session."""

    __slots__ = ("is_kept",)

    def __init__(self, engine: Engine, identity: str, directory: str, link: MonitorLink, *, is_kept: bool) -> None:
        super().__init__(engine, identity, directory, link)
        self.is_kept = is_kept

    def has_ended(self) -> bool:
        """Tell whether the monitor has written the exit record, and nobody is to ask for it."""
        return not self.is_kept and paths.exists(f"{self.directory}/exit")

    def remove(self) -> None:
        """Remove the session's files."""
        gc.remove_tree(self.directory)


def launch_exec(
    engine: Engine, container: Container, options: ExecOptions, meanwhile: Callable[[], None] | None = None
) -> LaunchedExec:
    """Prepare a process in a running container; `meanwhile` is called while its monitor is at work.

    Raises StateError if the container does not run, and what the runtime raises.
    """
    seen = status.observe(engine.config, container.id)
    if seen.state != "running" or not seen.pid:
        raise StateError(_NOT_RUNNING, code=255)
    session_id = names.new_id()
    directory = f"{engine.config.runroot}/exec/{session_id}"
    process = _process(engine, container, options, seen.pid)
    runtime = runtimes.of(engine.config, container, directory)
    posix.mkdir(directory, 0o700)
    if options.recorded:
        known = {**process, "privileged": options.privileged}
        sessions.record(directory, container.id, known, stdin=options.stdin, detached=options.detached)

    config = spawn.MonitorConfig(
        id=session_id,
        directory=directory,
        terminal=options.tty,
        stdin=options.stdin,
        log_driver="none",
        log_path="",
        exit_path=f"{directory}/exit",
        events=_events(engine, container, session_id),
        keep_fds=options.preserve,
        # Unless a command is there to do it; one that is kept is swept later.
        on_exit=[] if options.detached else ["/bin/rm", "-rf", "--", directory],
    )

    def make(stdio: spawn.Stdio) -> spawn.Container:
        if container.config["cgroups"] == "split":
            _join_manager(engine)
        made = runtime.exec_process(container.id, process, stdio, options.preserve)
        for descriptor in options.preserve:
            posix.close(descriptor)  # the monitor's copies: whoever reads at the other end waits for all to be closed
        return made

    try:
        link = spawn.spawn(config, make, meanwhile)
        return LaunchedExec(engine, session_id, directory, link, is_kept=options.detached)
    except BaseException:
        gc.remove_tree(directory)
        raise


def _join_manager(engine: Engine) -> None:
    """Go where the kernel lets an ordinary user's process move into the cgroup of a service of his."""
    from pod import systemd

    bus = systemd.bus(engine.config) if engine.config.rootless else ""
    if bus:
        from runtime.cgroups.systemd import leave_session

        leave_session(bus)


def _events(engine: Engine, container: Container, session_id: str) -> EventLog:
    """Return what tells of a session, which is an event of its container."""
    known = events.identity(container)
    known["attributes"] = {**known["attributes"], "execID": session_id}
    return events.writer(
        engine.config,
        "container",
        **known,
        words=("", "exec", "exec_died", ""),
        directory=engine.config.monitor_dir(container.id),
    )


def _process(engine: Engine, container: Container, options: ExecOptions, pid: int) -> dict[str, Any]:
    config: ContainerConfig = container.config  # type: ignore[assignment]
    asked: ContainerConfig = {
        **config,
        "tty": options.tty,
        "env": {**config["env"], **options.env},
        "workdir": options.workdir or config["workdir"],
        "init_path": "",
        "ulimits": config["ulimits"],
        "security": {**config["security"], "privileged": options.privileged or config["security"]["privileged"]},
    }
    surroundings = observed(engine, container.id, config)
    process = spec.process(asked, options.args, container.id, surroundings)
    spec.set_console_size(process, options.console_size)
    try:
        root = posix.open(f"/proc/{pid}/root", posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError):
        raise StateError(_NOT_RUNNING, code=255) from None  # it has ended since
    try:
        rootfs.set_user(process, _user(engine, config, options, root), asked)
    finally:
        posix.close(root)
    return process


def _user(engine: Engine, config: ContainerConfig, options: ExecOptions, root: int) -> users.User:
    wanted = options.user or config["user"]
    if not wanted and config["namespaces"]["user"].startswith("keep-id"):
        return plan.keep_id_user(engine, config)
    return users.resolve(root, wanted, config["group_add"] if not options.user else [])
