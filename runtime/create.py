"""`create`: from a bundle to a process that has everything but its program, and waits for `start`.

The caller becomes the parent of the container's first process. Until `create` has written the state down, that process
dies with it; on any failure nothing is left: no process, no cgroup, no state directory.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import posix
import time

from runtime import (
    capabilities,
    devices,
    hooks,
    idmap,
    inherited,
    init,
    keyring,
    launch,
    mounts,
    namespaces,
    process,
    procfs,
    rootfs,
    sync,
    syscalls,
    sysctl,
)
from runtime import spec as specification
from runtime import status as states
from runtime.clone import clone_into, close_entrances, hide_forks
from runtime.errors import ContainerExistsError, HookError, OCIRuntimeError, SpecError
from runtime.kernel import CLONE_NEWCGROUP, CLONE_NEWUSER, PR_SET_DUMPABLE
from runtime.sync import Channel, ChannelClosedError, describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from typing import Any

    from runtime.cgroups import Cgroup

    Document = dict[str, Any]

_SIGKILL = 9
_ALL_SIGNALS = frozenset(range(1, 65)) - {32, 33}


class Created:
    """A container that waits for `start`. `console` is the terminal's master unless a console socket got it.

    `warnings` are what the configuration asks for and the container does without, as the specification has it.
    """

    __slots__ = ("cgroups", "console", "id", "pid", "start_time", "state_dir", "warnings")

    def __init__(self, state_dir: str, status: states.Status, console: int | None, warnings: list[str]) -> None:
        self.id = status.id
        self.pid = status.pid
        self.start_time = status.start_time
        self.console = console
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
    pid_file: str | None = None,
    no_pivot: bool = False,
    new_keyring: bool = True,
    console_socket: str | None = None,
    pidfd_socket: str | None = None,
    systemd_bus: str = "",
    use_cgroups: bool = True,
    listen_fds: int = 0,
    notify_socket: bool = False,
) -> Created:
    """Create a container below the runtime's `root`; raise an OCIRuntimeError and leave nothing behind if it fails.

    With the address of a bus, `systemd_bus`, it is a unit of the systemd there, as `linux.cgroupsPath` says.
    `listen_fds`: how many of the caller's files from 3 on are for sd_listen_fds(3), before those to preserve.
    `notify_socket`: let the container notify whoever will start it (runtime.notify).
    """
    launch.check_preserved(preserve_fds + listen_fds)
    creation = _Creation(container_id, bundle, spec, root)
    setup = creation.setup
    setup.stdio, setup.preserve_fds = (stdin, stdout, stderr), preserve_fds + listen_fds
    setup.no_pivot = no_pivot
    creation.listen_fds, creation.notify, creation.new_keyring = listen_fds, notify_socket, new_keyring
    try:
        creation.prepare(systemd_bus, use_cgroups)
        creation.fork()
        creation.complete(pid_file, console_socket, pidfd_socket)
        return Created(creation.directory, creation.status, creation.console, creation.warnings)
    except BaseException as error:
        cause = creation.cause(error)
        creation.undo()
        if isinstance(cause, HookError):
            # Runtime-spec, lifecycle: where a hook fails the life goes on with step 12, which is done, and 13.
            hooks.run_poststop(spec, creation.status.state("stopped"))
        if isinstance(cause, OSError | ValueError):
            raise OCIRuntimeError(f"create container `{container_id}`: {describe(cause)}") from error
        if cause is not error:
            raise cause from error
        raise
    finally:
        creation.close()


class _Creation:
    """One call of `create`, and what it has made so far."""

    __slots__ = (
        "bundle",
        "cgroup",
        "channel",
        "console",
        "directory",
        "gids",
        "listen_fds",
        "listener",
        "made_directory",
        "new_keyring",
        "notify",
        "pid",
        "root",
        "setup",
        "spec",
        "status",
        "twin",
        "uids",
        "warnings",
    )

    def __init__(self, container_id: str, bundle: str, document: Document, root: str) -> None:
        self.directory = states.state_directory(root, container_id)
        self.root = root
        self.spec = document
        self.bundle = bundle if bundle.startswith("/") else f"{posix.getcwd()}/{bundle}"
        self.setup = init.Setup()
        self.setup.container_id = container_id
        self.made_directory = False
        self.cgroup: Cgroup | None = None
        self.channel: Channel | None = None
        self.listener: _socket.socket | None = None
        self.console: int | None = None
        self.pid = 0
        self.twin = 0  # waits for the seccomp filter to be loaded, at the container's start
        self.uids: list[idmap.Mapping] = []
        self.gids: list[idmap.Mapping] = []
        self.warnings: list[str] = []
        self.listen_fds = 0
        self.notify = False
        self.new_keyring = True

    def prepare(self, systemd_bus: str, use_cgroups: bool) -> None:
        """Check everything that can be checked, then make directory, socket and cgroup."""
        specification.validate(self.spec)
        linux: Document = self.spec.get("linux") or {}
        self._read(linux)
        setup = self.setup
        self._make_directory()
        self._open_sources()
        cgroup_path = linux.get("cgroupsPath") or ""
        self.status = self._initial_status(cgroup_path if use_cgroups else "")
        if setup.namespaces.shares_mounts():
            self._mount_visibly()
        setup.keyring = keyring.name(self.status.id, self.status.created) if self.new_keyring else ""
        setup.state = self.status.state("created")
        setup.seccomp = launch.read_filter(self.spec, self.root, self.status.state("created"))
        self.listener = launch.listen(self.directory, states.LISTENER)
        setup.listener = self.listener
        if use_cgroups and systemd_bus:
            self._plan_unit(cgroup_path, systemd_bus)
        elif cgroup_path and use_cgroups:
            self._make_cgroup(cgroup_path)
        elif use_cgroups and launch.asks_for_limits(self._resources()):
            raise SpecError("linux.resources has limits, but linux.cgroupsPath is missing")

    def _read(self, linux: Document) -> None:
        setup, document = self.setup, self.spec
        setup.root = setup.proc = -1
        setup.mounts = []
        setup.process = None
        if document.get("process"):
            self._read_process(document["process"])
        setup.rootfs = specification.bundle_path(self.bundle, document["root"]["path"])
        setup.readonly_root = bool(document["root"].get("readonly"))
        setup.mounts = mounts.read_mounts(document, self.bundle)
        setup.propagation = rootfs.read_propagation(linux)
        setup.devices = devices.read_devices(linux)
        setup.masked = linux.get("maskedPaths") or []
        setup.readonly = linux.get("readonlyPaths") or []
        setup.hostname = document.get("hostname") or ""
        setup.domainname = document.get("domainname") or ""
        setup.hooks = hooks.read_hooks(document)
        setup.inherited = inherited.Inherited(linux)
        if linux.get("netDevices"):
            from runtime import netdevices

            netdevices.read_names(linux["netDevices"])
        self.uids = idmap.read_mappings(linux.get("uidMappings"), "linux.uidMappings")
        self.gids = idmap.read_mappings(linux.get("gidMappings"), "linux.gidMappings")
        setup.namespaces = namespaces.NamespacePlan(linux)
        setup.sysctls = sysctl.check(linux.get("sysctl") or {}, setup.namespaces)
        if setup.namespaces.new & CLONE_NEWUSER and not (self.uids and self.gids):
            raise SpecError("a new user namespace needs linux.uidMappings and linux.gidMappings")
        if setup.namespaces.new & CLONE_NEWUSER and setup.namespaces.shares_mounts():
            raise SpecError("a new user namespace needs a mount namespace: it may not mount in the host's")

    def _read_process(self, document: Document) -> None:
        found = self.setup.process = specification.Process(document)
        found.keep_groups = specification.keeps_groups(self.spec.get("annotations") or {})
        found.listen_fds = self.listen_fds
        # A configuration that has a socket already has made other arrangements.
        self.notify &= "NOTIFY_SOCKET" not in found.environment
        kinds = [namespace["type"] for namespace in (self.spec.get("linux") or {}).get("namespaces") or ()]
        asked = document.get("capabilities") or {}
        self.warnings += capabilities.warnings(asked, in_user_namespace="user" in kinds)

    def _open_sources(self) -> None:
        """Open with the rights of the host what the container's root may not even reach, and map IDs of mounts."""
        process = self.setup.process
        if self.setup.sysctls or self.setup.namespaces.time_offsets or (process and process.labels):
            self.setup.proc = procfs.open_root()
        plan = self.setup.namespaces
        joined = next((fd for flag, fd, _path in plan.joins if flag == CLONE_NEWUSER), -1)
        other_user = (bool(plan.new & CLONE_NEWUSER) or joined >= 0) and not posix.geteuid()
        if other_user:
            self.setup.root = rootfs.clone_tree(self.setup.rootfs)
        for mount in self.setup.mounts:
            options = mount.options
            if not options.bind or options.remount or options.copy_symlink or not (other_user or options.idmap):
                continue
            try:
                mount.tree = mounts.clone_tree(mount)
                if options.idmap:
                    mounts.map_ids(mount, (self.uids, self.gids), joined)
            except OSError as error:
                raise OCIRuntimeError(f"{mount}: {describe(error)}") from error

    def _mount_visibly(self) -> None:
        """Mount the root file system for a container that has no mount namespace to do that in."""
        from runtime import shared_mounts

        self.setup.root = rootfs.clone_tree(self.setup.rootfs)
        # If we are killed from here on, `delete` knows what to unmount.
        self.status.mount_id = shared_mounts.mount_id(self.setup.root)
        self.status.save()
        shared_mounts.attach(self.setup.rootfs, self.setup.root)

    def _make_directory(self) -> None:
        launch.make_directories(self.root)
        try:
            posix.mkdir(self.directory, 0o700)
        except FileExistsError:
            raise ContainerExistsError(f"container with ID `{self.setup.container_id}` exists already") from None
        self.made_directory = True
        if self.notify and self.setup.process is not None:
            from runtime import notify

            self.setup.mounts.append(mounts.Mount(notify.prepare(self.directory), self.bundle))
            self.setup.process.environment["NOTIFY_SOCKET"] = notify.SOCKET

    def _initial_status(self, cgroup_path: str) -> states.Status:
        return states.Status(
            self.directory,
            {
                "id": self.setup.container_id,
                "pid": 0,
                "startTime": 0,
                "bundle": self.bundle,
                "rootfs": self.setup.rootfs,
                "created": _now(),
                "annotations": self.spec.get("annotations") or {},
                "cgroups": [],
                "cgroupPath": cgroup_path,
                "systemdUnit": "",
                "systemdBus": "",
                "owner": "",
                "newKeyring": self.new_keyring,
            },
        )

    def _plan_unit(self, path: str, bus: str) -> None:
        from runtime import cgroups

        self.cgroup = cgroup = cgroups.plan_unit(bus, path, self.setup.container_id, self.spec)
        cgroup.create()
        status = self.status
        status.cgroup_path, status.systemd_unit, status.systemd_bus = cgroup.path, cgroup.unit, bus
        # If we are killed from here on, `delete` knows what to stop.
        status.save()

    def _make_cgroup(self, path: str) -> None:
        from runtime import cgroups

        cgroup = cgroups.plan(path)
        # If we are killed from here on, `delete` knows what to remove.
        self.status.save()
        try:
            cgroup.create()
        except cgroups.CgroupUnavailableError:
            if launch.asks_for_limits(self._resources()):
                raise
            self.status.cgroup_path = ""
            return
        self.cgroup = cgroup
        self.status.cgroups = list(cgroup.paths)

    def _resources(self) -> Document:
        return (self.spec.get("linux") or {}).get("resources") or {}

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
        self.pid = clone_into(self.cgroup, flags, self.setup.entrances)
        if self.pid == 0:
            init.run(self.setup)

    def _fork_twice(self) -> None:
        """Let a child enter the namespaces that only children get; its own child becomes ours by CLONE_PARENT."""
        from runtime import middle

        assert self.channel is not None
        between = clone_into(self.cgroup, 0, self.setup.entrances)
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
        document, setup = self.spec, self.setup
        status = self.status
        status.pid = self.pid
        status.start_time = process.start_time(self.pid) or 0
        if setup.namespaces.new & CLONE_NEWUSER:
            idmap.write(self.pid, self.uids, self.gids)
        if setup.process is not None:
            launch.adjust(self.pid, setup.process)
        if self.cgroup is not None:
            self.cgroup.adopt(self.pid)
            status.cgroups = list(self.cgroup.paths)
        moved = (document.get("linux") or {}).get("netDevices")
        if moved:
            from runtime import netdevices

            netdevices.move(moved, setup.namespaces, self.pid)
        self.channel.send("go")
        if self.cgroup is not None:
            self.cgroup.apply(self._resources())
        launch.write(f"{self.directory}/{states.CONFIG}", document)
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
            elif kind == "warning":
                self.warnings.append(payload)
            elif kind == "mounted":
                state = self.status.state("created")
                hooks.run("prestart", self.setup.hooks.get("prestart", []), state)
                hooks.run("createRuntime", self.setup.hooks.get("createRuntime", []), state)
                self.channel.send("hooked")
            else:
                raise OCIRuntimeError(self._early_end())

    def _delegate(self) -> None:
        """Give its cgroup, or a part of it, to a container that sees it as a root of its own."""
        if self.cgroup is not None and self.setup.namespaces.new & CLONE_NEWCGROUP:
            from runtime.cgroups import delegation

            delegation.delegate(self.cgroup, self.status.cgroup_path, self.spec, self.pid)

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
        """Leave nothing behind."""
        if self.pid:
            launch.kill_child(self.pid)
        if self.twin:
            launch.kill_child(self.twin)
        if self.console is not None:
            posix.close(self.console)
        if self.cgroup is not None:
            try:
                self.cgroup.remove()
            except (OSError, OCIRuntimeError):
                pass
        status = getattr(self, "status", None)
        if status is not None and status.mount_id:
            from runtime import shared_mounts

            shared_mounts.detach(status.rootfs, status.mount_id)
        if self.made_directory:
            states.remove_directory(self.directory)

    def close(self) -> None:
        """Close the parent's files."""
        for end in (self.channel, self.listener):
            if end is not None:
                end.close()
        setup = self.setup
        if hasattr(setup, "seccomp"):
            setup.seccomp.close()
        if getattr(setup, "entrances", None):
            close_entrances(self.setup.entrances)
        plan = getattr(setup, "namespaces", None)
        if plan is not None:
            plan.close()
        own = (getattr(setup, "root", -1), getattr(setup, "proc", -1))
        for fd in (*own, *(mount.tree for mount in getattr(setup, "mounts", ()))):
            if fd >= 0:
                posix.close(fd)


def _now() -> str:
    """Return the time as RFC 3339 with nanoseconds, in UTC."""
    now = time.time_ns()
    second = time.gmtime(now // 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', second)}.{now % 1_000_000_000:09d}Z"
