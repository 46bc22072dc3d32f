"""`exec`: one more process in a running container.

A child enters all of the container's namespaces at once, by the pidfd of its first process, and forks the process
proper, which becomes a child of the caller (CLONE_PARENT): so the caller waits for it as for its own.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import posix

from runtime import (
    capabilities,
    command,
    init,
    keyring,
    kill,
    launch,
    namespaces,
    pause,
    procfs,
    schedule,
    schema,
    sync,
    syscalls,
)
from runtime import spec as specification
from runtime import status as states
from runtime import terminal as terminals
from runtime.clone import clone, clone_into
from runtime.errors import NotRunningError, OCIRuntimeError
from runtime.inherited import Inherited
from runtime.kernel import CLONE_NEWUSER, CLONE_PARENT, PR_SET_DUMPABLE, PR_SET_PDEATHSIG
from runtime.mounting import rootfs
from runtime.process import cgroups_of, is_alive, start_time
from runtime.sync import Channel, ChannelClosedError, describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from runtime.cgroups import Cgroup
    from runtime.identity import Filter

_ALL_SIGNALS = frozenset(range(1, 65)) - {32, 33}


class Executed:
    """A process that runs its program. `console` is the terminal's master unless a console socket got it."""

    __slots__ = ("console", "pid", "start_time", "warnings")

    def __init__(self, pid: int, started: int, console: int | None, warnings: list[str]) -> None:
        self.pid = pid
        self.start_time = started
        self.console = console
        self.warnings = warnings


class _Entry:
    """What the new process needs to know; the fields are ready before the fork."""

    __slots__ = (
        "capabilities",
        "cgroup",
        "channel",
        "entrances",
        "flags",
        "inherited",
        "keyring",
        "pidfd",
        "preserve_fds",
        "preserved",
        "process",
        "root",
        "seccomp",
        "stdio",
        "twin",
        "warnings",
    )

    capabilities: dict[str, Any]
    channel: Channel
    cgroup: Cgroup | None
    entrances: list[int]
    flags: int
    inherited: Inherited
    keyring: str
    pidfd: int
    root: int
    preserve_fds: int
    preserved: tuple[int, ...]
    process: specification.Process
    seccomp: Filter
    stdio: tuple[int, int, int]
    twin: int  # waits for the seccomp filter to be loaded
    warnings: list[str]


def exec_process(
    root: str,
    container_id: str,
    process: dict[str, Any],
    *,
    stdin: int = 0,
    stdout: int = 1,
    stderr: int = 2,
    preserve_fds: int = 0,
    preserve: tuple[int, ...] = (),
    pid_file: str | None = None,
    console_socket: str | None = None,
    pidfd_socket: str | None = None,
    cgroups: dict[str, str] | None = None,
    ignore_paused: bool = False,
) -> Executed:
    """Run a process in a running container; return once its program runs, raise if it could not be executed.

    `cgroups`: paths below the container's cgroup, by controller, for others under "". A paused container is refused
    unless the process shall wait for its end.
    """
    launch.check_preserved(preserve_fds, preserve)
    status = states.load(root, container_id)
    if not is_alive(status.pid, status.start_time):
        raise NotRunningError(f"cannot exec in container `{container_id}`: container not running")
    entry = _Entry()
    schema.check_process(process)
    entry.process = specification.Process(process)
    entry.process.keep_groups = specification.keeps_groups(status.annotations)
    document = specification.load(f"{status.directory}/{states.CONFIG}")
    entry.seccomp = launch.read_filter(document, root, status.state("running"))
    entry.inherited = Inherited(document.get("linux") or {})
    entry.keyring = keyring.name(status.id, status.created) if status.new_keyring else ""
    entry.capabilities = process.get("capabilities") or {}
    entry.stdio, entry.preserve_fds, entry.preserved = (stdin, stdout, stderr), preserve_fds, preserve
    entry.entrances = []
    entry.cgroup = None
    entry.pidfd = entry.root = -1
    try:
        _open(entry, status, cgroups, ignore_paused)
        executed = _launch(entry, pid_file, console_socket)
        if pidfd_socket:
            launch.send_pidfd(pidfd_socket, executed.pid)
        return executed
    except (OSError, ValueError) as error:
        raise OCIRuntimeError(f"exec in container `{container_id}`: {describe(error)}") from error
    finally:
        for fd in (entry.pidfd, entry.root, *entry.entrances):
            if fd >= 0:
                posix.close(fd)
        entry.seccomp.close()


def _open(entry: _Entry, status: states.Status, cgroups: dict[str, str] | None, ignore_paused: bool) -> None:
    """Open the ways into the container, and make sure that they are still this container's."""
    try:
        entry.pidfd = posix.pidfd_open(status.pid)
    except ProcessLookupError:
        raise NotRunningError(f"cannot exec in container `{status.id}`: container not running") from None
    entry.flags = different_namespaces(status.pid)
    if status.mount_id:
        # It shares a mount namespace with the host, and has nothing but its root for itself.
        entry.root = posix.open(f"/proc/{status.pid}/root", posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC)
    in_user_namespace = bool(entry.flags & CLONE_NEWUSER)
    entry.warnings = capabilities.warnings(entry.capabilities, in_user_namespace=in_user_namespace)
    if status.cgroup_path:
        found = cgroups_of(status.pid)
        if list(found) == [""] and not cgroups:
            # An init that made cgroups of its own (v2) sits in a leaf: beside it is the only place for a process.
            status.cgroup_path = found[""]
        cgroup = kill.cgroup_of(status)
        if not ignore_paused and pause.is_frozen(cgroup):
            raise NotRunningError(f"cannot exec in container `{status.id}`: it is paused")
        entry.cgroup = cgroup.below(cgroups) if cgroup is not None and cgroups else cgroup
    if not is_alive(status.pid, status.start_time):
        raise NotRunningError(f"cannot exec in container `{status.id}`: container not running")


def different_namespaces(pid: int) -> int:
    """Return the clone flags of the namespaces in which a process differs from this one."""
    flags = 0
    for flag, name in namespaces.KINDS.values():
        try:
            own, other = posix.stat(f"/proc/self/ns/{name}"), posix.stat(f"/proc/{pid}/ns/{name}")
        except FileNotFoundError:
            # A kernel without this kind of namespace.
            continue
        if own.st_ino != other.st_ino:
            flags |= flag
    return flags


def _launch(entry: _Entry, pid_file: str | None, console_socket: str | None) -> Executed:
    channel, entry.channel = sync.channel()
    pid = entry.twin = 0
    console: int | None = None
    try:
        pid = _fork(entry, channel)
        started = start_time(pid) or 0
        launch.adjust(pid, entry.process)
        if entry.cgroup is not None:
            entry.cgroup.adopt(pid)
        entry.process.schedule.apply(pid)
        channel.send("go")
        console = _follow(channel, entry)
        if console is not None and console_socket:
            sync.send_fd(console_socket, console, "/dev/ptmx")
            posix.close(console)
            console = None
        if pid_file:
            launch.write_pid_file(pid_file, pid)
        return Executed(pid, started, console, entry.warnings)
    except BaseException as error:
        cause = channel.last_error() if isinstance(error, OSError | ChannelClosedError) else None
        if pid:
            launch.kill_child(pid)
        if console is not None:
            posix.close(console)
        if cause is not None:
            raise cause from error
        raise
    finally:
        channel.close()
        if entry.twin:
            posix.waitpid(entry.twin, 0)


def _fork(entry: _Entry, channel: Channel) -> int:
    blocked = _signal.pthread_sigmask(_signal.SIG_BLOCK, _ALL_SIGNALS)
    try:
        if entry.process.schedule.initial_cpus and entry.cgroup is not None:
            # It must run there before it is in the cgroup.
            entry.entrances += entry.cgroup.entrances(unified=True)
            middle = clone(0)
        else:
            middle = clone_into(entry.cgroup, 0, entry.entrances)
        if middle == 0:
            _middle(entry)
    finally:
        _signal.pthread_sigmask(_signal.SIG_SETMASK, blocked)
    entry.channel.close()
    twin = entry.seccomp.listener is not None
    # What the agent waits for may be the end of its connection.
    entry.seccomp.close()
    try:
        kind, pid, _fds = channel.receive()
    except BaseException:
        posix.waitpid(middle, 0)
        raise
    if twin and kind == "pid":
        entry.twin = middle
    else:
        posix.waitpid(middle, 0)
    if kind != "pid":
        raise OCIRuntimeError("the container's namespaces could not be entered")
    return int(pid)


def _follow(channel: Channel, entry: _Entry) -> int | None:
    """Wait until the program runs, which closes the channel; return the terminal's master.

    The trampoline can be looked into by the container, and the channel be taken from it: nothing more is expected then.
    """
    process = entry.process
    console = None
    warned = False
    while True:
        kind, payload, fds = channel.receive()
        if kind == "terminal" and process.terminal and console is None and len(fds) == 1:
            console = fds[0]
            continue
        if kind == "warning" and isinstance(payload, str) and not fds and not warned:
            entry.warnings.append(payload)
            warned = True
            continue
        for fd in fds if console is None else (*fds, console):
            if kind:
                posix.close(fd)
        if kind == "errno":
            raise command.exec_failure(payload, process.arguments[0])
        if kind:
            raise OCIRuntimeError("the process sent what is no message")
        return console


def _middle(entry: _Entry) -> NoReturn:
    """Enter the container's namespaces, fork the process proper, and end."""
    try:
        own = (entry.channel.fileno(), entry.pidfd, entry.root, *entry.entrances, *entry.seccomp.fds())
        keep = [fd for fd in own if fd >= 0]
        init.release_from_host(entry.stdio, entry.preserve_fds, keep, entry.preserved)
        launch.set_oom_score("self", entry.process)
        proc = procfs.open_root() if entry.process.labels else -1
        # From the first moment in there a hostile container may look at us (CVE-2016-9962).
        syscalls.prctl(PR_SET_DUMPABLE, 0)
        schedule.restrict(entry.process.schedule.initial_cpus, "execCPUAffinity.initial")
        init.enter_cgroup(entry.entrances)
        schedule.restrict(entry.process.schedule.final_cpus, "execCPUAffinity.final")
        entry.inherited.apply()
        if entry.flags:
            syscalls.setns(entry.pidfd, entry.flags)
        if entry.root >= 0:
            rootfs.chroot(entry.root)
            posix.close(entry.root)
        posix.close(entry.pidfd)
        listener = entry.seccomp.listener
        pid = listener.clone(CLONE_PARENT, 0) if listener else clone(CLONE_PARENT, 0)
        if pid == 0:
            _run(entry, proc)
        entry.channel.send("pid", pid)
        if listener:
            listener.serve(pid, entry.channel)
    except BaseException as error:  # nothing may escape: a traceback would read files of the image
        entry.channel.send_error(error, "enter the container's namespaces")
    finally:
        posix._exit(0)


def _run(entry: _Entry, proc: int) -> NoReturn:
    """Become the program, in the container."""
    try:
        syscalls.prctl(PR_SET_PDEATHSIG, init.SIGKILL)
        entry.channel.expect("go")
        if entry.keyring:
            warning = keyring.join(entry.keyring, entry.process.labels, proc)
            if warning:
                entry.channel.send("warning", warning)
        posix.setsid()
        if entry.flags & CLONE_NEWUSER:
            init.become_root()
        process = entry.process
        if process.terminal:
            _take_terminal(entry)
        program = init.Program(process, entry.seccomp, entry.channel.fileno(), proc)
        # The trampoline makes it close-on-exec again, when there is nothing left to report but a failed execve.
        posix.set_inheritable(entry.channel.fileno(), True)
        syscalls.prctl(PR_SET_PDEATHSIG, 0)
        program.take_identity()
        program.execute()
    except BaseException as error:  # nothing may escape: a traceback would read files of the image
        entry.channel.send_error(error, "set up the process")
    finally:
        posix._exit(1)


def _take_terminal(entry: _Entry) -> None:
    root = syscalls.open_directory("/")
    master, slave = terminals.open_terminal(root, entry.process.console_size, entry.process.uid)
    entry.channel.send("terminal", None, (master,))
    posix.close(master)
    posix.close(root)
    terminals.take(slave)
