"""`create`: from a bundle to a process that has everything but its program, and waits for `start`.

The caller becomes the parent of the container's first process. Until `create` has written the state down, that process
dies with it; on any failure nothing is left: no process, no cgroup, no state directory.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import posix
import time

from runtime import (
    devices,
    hooks,
    idmap,
    init,
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
from runtime.clone import clone, clone_into, close_entrances
from runtime.errors import ContainerExistsError, OCIRuntimeError, SpecError
from runtime.kernel import CLONE_NEWCGROUP, CLONE_NEWTIME, CLONE_NEWUSER, CLONE_PARENT, PR_SET_DUMPABLE
from runtime.sync import Channel, describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from typing import Any

    from runtime.cgroups import Cgroup

    Document = dict[str, Any]

_SIGKILL = 9
_ALL_SIGNALS = frozenset(range(1, 65)) - {32, 33}


class Created:
    """A container that waits for `start`. `console` is the terminal's master unless a console socket got it."""

    __slots__ = ("cgroups", "console", "id", "pid", "start_time", "state_dir")

    def __init__(self, state_dir: str, status: states.Status, console: int | None) -> None:
        self.id = status.id
        self.pid = status.pid
        self.start_time = status.start_time
        self.console = console
        self.cgroups = status.cgroups
        self.state_dir = state_dir


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
) -> Created:
    """Create a container below the runtime's `root`; raise an OCIRuntimeError and leave nothing behind if it fails.

    With the address of a bus, `systemd_bus`, it is a unit of the systemd there, as `linux.cgroupsPath` says.
    """
    launch.check_preserved(preserve_fds)
    creation = _Creation(container_id, bundle, spec, root)
    try:
        creation.prepare(systemd_bus, use_cgroups)
        setup = creation.setup
        setup.stdio, setup.preserve_fds = (stdin, stdout, stderr), preserve_fds
        setup.no_pivot, setup.new_keyring = no_pivot, new_keyring
        creation.fork()
        creation.complete(pid_file, console_socket, pidfd_socket)
        return Created(creation.directory, creation.status, creation.console)
    except BaseException as error:
        creation.undo()
        if isinstance(error, OSError | ValueError):
            raise OCIRuntimeError(f"create container `{container_id}`: {describe(error)}") from error
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
        "listener",
        "made_directory",
        "pid",
        "root",
        "setup",
        "spec",
        "status",
        "twin",
        "uids",
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

    def prepare(self, systemd_bus: str, use_cgroups: bool) -> None:
        """Check everything that can be checked, then make directory, socket and cgroup."""
        linux = self._read_all()
        setup = self.setup
        self._open_sources()
        self._make_directory()
        cgroup_path = linux.get("cgroupsPath") or ""
        self.status = self._initial_status(cgroup_path if use_cgroups else "")
        if setup.namespaces.shares_mounts():
            self._mount_visibly()
        setup.state = self.status.state("creating")
        setup.seccomp = launch.read_filter(self.spec, self.root, self.status.state("created"))
        self.listener = launch.listen(self.directory, states.LISTENER)
        setup.listener = self.listener
        if use_cgroups and systemd_bus:
            self._plan_unit(cgroup_path, systemd_bus)
        elif cgroup_path and use_cgroups:
            self._make_cgroup(cgroup_path)
        elif use_cgroups and launch.asks_for_limits(self._resources()):
            raise SpecError("linux.resources has limits, but linux.cgroupsPath is missing")

    def _read_all(self) -> Document:
        try:
            specification.validate(self.spec)
            linux: Document = self.spec.get("linux") or {}
            self._read(linux)
        except specification.WRONG_KIND as error:
            raise specification.wrong_kind(error) from error
        return linux

    def _read(self, linux: Document) -> None:
        setup, document = self.setup, self.spec
        setup.root = setup.proc = -1
        setup.mounts = []
        setup.process = specification.Process(document["process"]) if document.get("process") else None
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
        self.uids = idmap.read_mappings(linux.get("uidMappings"), "linux.uidMappings")
        self.gids = idmap.read_mappings(linux.get("gidMappings"), "linux.gidMappings")
        setup.namespaces = namespaces.NamespacePlan(linux)
        setup.sysctls = sysctl.check(linux.get("sysctl") or {}, setup.namespaces)
        if setup.namespaces.new & CLONE_NEWUSER and not (self.uids and self.gids):
            raise SpecError("a new user namespace needs linux.uidMappings and linux.gidMappings")
        if setup.namespaces.new & CLONE_NEWUSER and setup.namespaces.shares_mounts():
            raise SpecError("a new user namespace needs a mount namespace: it may not mount in the host's")

    def _open_sources(self) -> None:
        """Open with the rights of the host what the container's root may not even reach, and map IDs of mounts."""
        process = self.setup.process
        if self.setup.sysctls or self.setup.namespaces.time_offsets or (process and process.apparmor_profile):
            self.setup.proc = procfs.open_root()
        new_user = bool(self.setup.namespaces.new & CLONE_NEWUSER) and not posix.geteuid()
        if new_user:
            self.setup.root = rootfs.clone_tree(self.setup.rootfs)
        for mount in self.setup.mounts:
            if not mount.options.bind or not (new_user or mount.options.idmap):
                continue
            try:
                mount.tree = mounts.clone_tree(mount)
                if mount.options.idmap:
                    mounts.map_ids(mount, (self.uids, self.gids))
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
        try:
            if self.setup.namespaces.needs_second_fork() or self.setup.seccomp.listener:
                self._fork_twice()
            else:
                self._fork_once()
        finally:
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
        assert self.channel is not None
        middle = clone_into(self.cgroup, 0, self.setup.entrances)
        if middle == 0:
            _middle(self.setup)
        try:
            kind, pid, _fds = self.channel.receive()
        except BaseException:
            posix.waitpid(middle, 0)
            raise
        if self.setup.seccomp.listener and kind == "pid":
            self.twin = middle
        else:
            posix.waitpid(middle, 0)
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
        self.channel.send("go")
        if self.cgroup is not None:
            self.cgroup.apply(self._resources())
        launch.write(f"{self.directory}/{states.CONFIG}", document)
        self._follow()
        if self.console is not None and console_socket:
            sync.send_fd(console_socket, self.console, "/dev/ptmx")
            posix.close(self.console)
            self.console = None
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
            kind, _payload, fds = self.channel.receive()
            if kind == "ready":
                return
            if kind == "terminal":
                self.console = fds[0]
            elif kind == "mounted":
                state = self.status.state("created")
                hooks.run("prestart", self.setup.hooks.get("prestart", []), state)
                hooks.run("createRuntime", self.setup.hooks.get("createRuntime", []), state)
                self.channel.send("hooked")
            else:
                raise OCIRuntimeError(self._early_end())

    def _early_end(self) -> str:
        ended = posix.waitpid(self.pid, 0)[1]
        self.pid = 0
        code = posix.waitstatus_to_exitcode(ended)
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit status {code}"
        memory = " (is the memory limit too small?)" if code == -_SIGKILL else ""
        return f"the container's first process {how} while it was set up{memory}"

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


def _middle(setup: init.Setup) -> None:
    """Enter the namespaces that hold only children, fork the container's first process into them, and end."""
    try:
        plan = setup.namespaces
        if not plan.new & CLONE_NEWUSER:
            # What waits in a joined pid namespace may be hostile (CVE-2016-9962). A new user namespace needs its maps
            # first, which are written to files that would no longer be ours.
            if setup.process is not None:
                launch.set_oom_score("self", setup.process)
            syscalls.prctl(PR_SET_DUMPABLE, 0)
        if plan.needs_second_fork():
            namespaces.join_all(plan.joins)
        flags = plan.new & ~CLONE_NEWCGROUP
        if plan.time_offsets:
            syscalls.unshare(CLONE_NEWTIME)
            namespaces.write_time_offsets(setup.proc, plan.time_offsets)
            flags &= ~CLONE_NEWTIME
        listener = setup.seccomp.listener
        pid = listener.clone(flags | CLONE_PARENT, 0) if listener else clone(flags | CLONE_PARENT, 0)
        if pid == 0:
            init.run(setup)
        setup.channel.send("pid", pid)
        if listener:
            listener.serve(pid, Channel(setup.listener))
    except BaseException as error:  # the parent reports it
        setup.channel.send_error(error, "enter the container's namespaces")
    finally:
        posix._exit(0)
