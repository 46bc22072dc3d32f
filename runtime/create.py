"""`create`: from a bundle to a process that has everything but its program, and waits for `start`.

The caller becomes the parent of the container's first process. Until `create` has written the state down, that process
dies with it; on any failure nothing is left: no process, no cgroup, no state directory.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import posix

from runtime import hooks, idmap, init, launch, process, sync, syscalls
from runtime import status as states
from runtime.clone import clone_into, hide_forks
from runtime.errors import HookError, OCIRuntimeError
from runtime.kernel import CLONE_NEWCGROUP, CLONE_NEWUSER, PR_SET_DUMPABLE
from runtime.preparation import Preparation
from runtime.sync import Channel, ChannelClosedError, describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Document = dict[str, Any]

_SIGKILL = 9
_ALL_SIGNALS = frozenset(range(1, 65)) - {32, 33}


class Created:
    """A container that waits for `start`. `console` is the terminal's master unless a console socket got it.

    `warnings` are what the configuration asks for and the container does without, as the specification has it.
    `network` is a descriptor of its network namespace, if that is new and was asked for.
    """

    __slots__ = ("cgroups", "console", "id", "network", "pid", "start_time", "state_dir", "warnings")

    def __init__(
        self, state_dir: str, status: states.Status, console: int | None, warnings: list[str], network: int | None
    ) -> None:
        self.id = status.id
        self.pid = status.pid
        self.start_time = status.start_time
        self.console = console
        self.network = network
        self.cgroups = status.cgroups
        self.state_dir = state_dir
        self.warnings = warnings


def create(
    container_id: str,
    bundle: str,
    spec: Document,
    *,
    root: str,
    stdin: int = 0,
    stdout: int = 1,
    stderr: int = 2,
    preserve_fds: int = 0,
    preserve: tuple[int, ...] = (),
    pid_file: str | None = None,
    no_pivot: bool = False,
    new_keyring: bool = True,
    console_socket: str | None = None,
    pidfd_socket: str | None = None,
    systemd_bus: str = "",
    use_cgroups: bool = True,
    listen_fds: int = 0,
    notify_socket: bool = False,
    keep_network: bool = False,
    unwritten: dict[str, str] | None = None,
) -> Created:
    """Create a container below the runtime's `root`; raise an OCIRuntimeError and leave nothing behind if it fails.

    With the address of a bus, `systemd_bus`, it is a unit of the systemd there, as `linux.cgroupsPath` says.
    `preserve` are files of the caller that the process gets under the same numbers, beside 3 to 2 + `preserve_fds`.
    `listen_fds`: how many of the caller's files from 3 on are for sd_listen_fds(3), before those to preserve.
    `notify_socket`: let the container notify whoever will start it (runtime.notify). `keep_network`: return a
    descriptor of its new network namespace, which cannot be opened by the process's number before it is started.
    `unwritten` are variables that the process has and no file, not even the copy of its configuration.
    """
    launch.check_preserved(preserve_fds + listen_fds, preserve)
    prepared = Preparation(container_id, bundle, spec, root)
    prepared.listen_fds, prepared.notify, prepared.new_keyring = listen_fds, notify_socket, new_keyring
    setup = prepared.setup
    setup.stdio, setup.preserve_fds = (stdin, stdout, stderr), preserve_fds + listen_fds
    setup.preserved = preserve
    setup.no_pivot = no_pivot
    setup.tells_network = keep_network
    first = _FirstProcess(prepared)
    try:
        prepared.prepare(systemd_bus, use_cgroups)
        if unwritten and setup.process is not None:
            setup.process.environment |= unwritten
        first.fork()
        first.complete(pid_file, console_socket, pidfd_socket)
        return Created(prepared.directory, prepared.status, first.console, prepared.warnings, first.network)
    except BaseException as error:
        cause = first.cause(error)
        first.undo()
        prepared.undo()
        if isinstance(cause, HookError):
            # Runtime-spec, lifecycle: where a hook fails the life goes on with step 12, which is done, and 13.
            hooks.run_poststop(spec, prepared.status.state("stopped"))
        if isinstance(cause, OSError | ValueError):
            raise OCIRuntimeError(f"create container `{container_id}`: {describe(cause)}") from error
        if cause is not error:
            raise cause from error
        raise
    finally:
        first.close()
        prepared.close()


class _FirstProcess:
    """The container's first process, as its parent follows it from the fork until it waits for `start`."""

    __slots__ = ("channel", "console", "network", "pid", "prepared", "setup", "twin")

    def __init__(self, prepared: Preparation) -> None:
        self.prepared = prepared
        self.setup = prepared.setup
        self.channel: Channel | None = None
        self.console: int | None = None
        self.network: int | None = None
        self.pid = 0
        self.twin = 0  # waits for the seccomp filter to be loaded, at the container's start

    def fork(self) -> None:
        """Start the container's first process; it enters its cgroup by itself, which is the fast way."""
        self.setup.entrances = []
        self.channel, self.setup.channel = sync.channel()
        blocked = _signal.pthread_sigmask(_signal.SIG_BLOCK, _ALL_SIGNALS)
        hidden = hide_forks(self.setup.namespaces.new)
        try:
            if self.setup.namespaces.needs_second_fork() or self.setup.seccomp.listener:
                self._fork_twice()
            else:
                self._fork_once()
        finally:
            if hidden:
                syscalls.prctl(PR_SET_DUMPABLE, 1)
            _signal.pthread_sigmask(_signal.SIG_SETMASK, blocked)
        self.setup.channel.close()
        # What the agent waits for may be the end of its connection.
        self.setup.seccomp.close()

    def _fork_once(self) -> None:
        flags = self.setup.namespaces.new & ~CLONE_NEWCGROUP
        self.pid = clone_into(self.prepared.cgroup, flags, self.setup.entrances)
        if self.pid == 0:
            init.run(self.setup)

    def _fork_twice(self) -> None:
        """Let a child enter the namespaces that only children get; its own child becomes ours by CLONE_PARENT."""
        from runtime import middle

        assert self.channel is not None
        between = clone_into(self.prepared.cgroup, 0, self.setup.entrances)
        if between == 0:
            middle.run(self.setup)
        try:
            kind, pid, _fds = self.channel.receive()
        except BaseException:
            posix.waitpid(between, 0)
            raise
        if self.setup.seccomp.listener and kind == "pid":
            self.twin = between
        else:
            posix.waitpid(between, 0)
        if kind != "pid":
            raise OCIRuntimeError("the container's namespaces could not be entered")
        self.pid = pid

    def complete(self, pid_file: str | None, console_socket: str | None, pidfd_socket: str | None) -> None:
        """Give the new process what only the parent can, and wait until it is ready."""
        assert self.channel is not None
        document, setup = self.prepared.spec, self.setup
        status = self.prepared.status
        status.pid = self.pid
        status.start_time = process.start_time(self.pid) or 0
        if setup.namespaces.new & CLONE_NEWUSER:
            idmap.write(self.pid, self.prepared.uids, self.prepared.gids)
        if setup.process is not None:
            launch.adjust(self.pid, setup.process)
        if self.prepared.cgroup is not None:
            self.prepared.cgroup.adopt(self.pid)
            status.cgroups = list(self.prepared.cgroup.paths)
            if self.prepared.cgroup.denies_meanwhile:
                self.prepared.cgroup.apply(self.prepared.resources())  # the process, which waits, opens devices soon
        moved = (document.get("linux") or {}).get("netDevices")
        if moved:
            from runtime import netdevices

            netdevices.move(moved, setup.namespaces, self.pid)
        self.channel.send("go")
        if self.prepared.cgroup is not None and not self.prepared.cgroup.denies_meanwhile:
            self.prepared.cgroup.apply(self.prepared.resources())
        launch.write(f"{self.prepared.directory}/{states.CONFIG}", document)
        self._follow()
        self._delegate()
        if setup.process is not None:
            # Now that it is in its cgroup, and has nothing left to fork.
            setup.process.schedule.apply(self.pid)
        if self.console is not None and console_socket:
            sync.send_fd(console_socket, self.console, "/dev/ptmx")
            posix.close(self.console)
            self.console = None
        pidfd_socket = pidfd_socket or status.annotations.get("run.oci.pidfd_receiver")
        if pidfd_socket:
            launch.send_pidfd(pidfd_socket, self.pid)
        status.save()
        if pid_file:
            launch.write_pid_file(pid_file, self.pid)
        self.channel.send("release")
        self.channel.receive()

    def _follow(self) -> None:
        """Follow the new process until it is ready."""
        assert self.channel is not None
        while True:
            kind, payload, fds = self.channel.receive()
            if kind == "ready":
                return
            if kind == "terminal":
                self.console = fds[0]
            elif kind == "network":
                self.network = fds[0]
            elif kind == "warning":
                self.prepared.warnings.append(payload)
            elif kind == "mounted":
                state = self.prepared.status.state("created")
                hooks.run("prestart", self.setup.hooks.get("prestart", []), state)
                hooks.run("createRuntime", self.setup.hooks.get("createRuntime", []), state)
                self.channel.send("hooked")
            else:
                raise OCIRuntimeError(self._early_end())

    def _delegate(self) -> None:
        """Give its cgroup, or a part of it, to a container that sees it as a root of its own."""
        if self.prepared.cgroup is not None and self.setup.namespaces.new & CLONE_NEWCGROUP:
            from runtime.cgroups import delegation

            delegation.delegate(self.prepared.cgroup, self.prepared.status.cgroup_path, self.prepared.spec, self.pid)

    def _early_end(self) -> str:
        ended = posix.waitpid(self.pid, 0)[1]
        self.pid = 0
        code = posix.waitstatus_to_exitcode(ended)
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit status {code}"
        memory = " (is the memory limit too small?)" if code == -_SIGKILL else ""
        return f"the container's first process {how} while it was set up{memory}"

    def cause(self, error: BaseException) -> BaseException:
        """Return why the first process ended, if that is what made our own work with it fail; else the error itself."""
        if self.channel is None or not isinstance(error, OSError | ChannelClosedError):
            return error
        return self.channel.last_error() or error

    def undo(self) -> None:
        """Leave no process behind."""
        if self.pid:
            launch.kill_child(self.pid)
        if self.twin:
            launch.kill_child(self.twin)
        for fd in (self.console, self.network):
            if fd is not None:
                posix.close(fd)

    def close(self) -> None:
        """Close our end of the channel."""
        if self.channel is not None:
            self.channel.close()
