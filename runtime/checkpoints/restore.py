"""`restore`: a container that runs again from the images of a checkpoint, by CRIU."""

from __future__ import annotations

import fcntl
import posix
import time

from runtime import hooks, kill, launch, process, spec, sync, syscalls
from runtime import status as states
from runtime.checkpoints import criu, images
from runtime.checkpoints.images import Directories, Settings
from runtime.errors import ContainerExistsError, OCIRuntimeError
from runtime.kernel import CLONE_NEWNS, MS_BIND, MS_PRIVATE, MS_REC
from runtime.moments import rfc3339

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.cgroups import Cgroup
    from runtime.checkpoints.criu import Field

    Document = dict[str, Any]

_LOG = "restore.log"
# Where copies of standard streams go, out of the way of the numbers that CRIU uses.
_HIGH = 100


class Restored:
    """A container that runs again. `console` is the terminal's master unless a console socket got it."""

    __slots__ = ("console", "pid")

    def __init__(self, pid: int, console: int | None) -> None:
        self.pid = pid
        self.console = console


def restore(
    root: str,
    container_id: str,
    bundle: str,
    document: Document,
    settings: Settings,
    *,
    pid_file: str | None = None,
    console_socket: str | None = None,
    tcp_close: bool = False,
    lsm_profile: str = "",
    lsm_mount_context: str = "",
    systemd_bus: str = "",
    use_cgroups: bool = True,
) -> Restored:
    """Restore a container, whose first process becomes a child of the caller; leave nothing behind if it fails.

    With the address of a bus, `systemd_bus`, it is a unit of the systemd there.
    """
    if posix.geteuid():
        raise OCIRuntimeError(f"cannot restore container `{container_id}`: criu needs the rights of root")
    spec.validate(document)
    restoration = _Restoration(root, container_id, bundle, document, settings)
    more: list[Field] = [(criu.TCP_CLOSE, tcp_close)]
    more += [(criu.LSM_PROFILE, lsm_profile)] if lsm_profile else []
    more += [(criu.LSM_MOUNT_CONTEXT, lsm_mount_context)] if lsm_mount_context else []
    try:
        restoration.prepare(systemd_bus, use_cgroups)
        restoration.run(more)
        restoration.complete(pid_file, console_socket)
        return Restored(restoration.status.pid, restoration.console)
    except BaseException:
        restoration.undo()
        raise
    finally:
        restoration.close()


class _Restoration:
    """One call of `restore`, and what it has made so far."""

    def __init__(self, root: str, container_id: str, bundle: str, document: Document, settings: Settings) -> None:
        self.root = root
        self.document = document
        self.settings = settings
        self.console: int | None = None
        self.cgroup: Cgroup | None = None
        self.made_directory = False
        self.directories: Directories | None = None
        self.inherited: list[tuple[str, int]] = []
        self.cgroup_path: str = (document.get("linux") or {}).get("cgroupsPath") or ""
        kept: Document = {
            "id": container_id,
            "pid": 0,
            "startTime": 0,
            "bundle": bundle,
            "rootfs": spec.bundle_path(bundle, document["root"]["path"]),
            "created": rfc3339(time.time_ns()),
            "annotations": document.get("annotations") or {},
            "cgroups": [],
            "cgroupPath": "",
            "systemdUnit": "",
            "systemdBus": "",
            "owner": "",
        }
        self.status = states.Status(states.state_directory(root, container_id), kept)

    def prepare(self, systemd_bus: str, use_cgroups: bool) -> None:
        """Make what the container's processes will find: its state, its cgroup, and what it has from outside."""
        self.directories = Directories(self.settings, make=False)
        launch.make_directories(self.root)
        try:
            posix.mkdir(self.status.directory, 0o700)
        except FileExistsError:
            raise ContainerExistsError(f"container with ID `{self.status.id}` exists already") from None
        self.made_directory = True
        self.status.save()
        launch.write(f"{self.status.directory}/{states.CONFIG}", self.document)
        if use_cgroups and (systemd_bus or self.cgroup_path):
            self._make_cgroup(systemd_bus)
        for number, name in enumerate(images.read_descriptors(self.settings.image_path)[:3]):
            if name.startswith("pipe:"):
                self.inherited.append((name, fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, _HIGH)))
        for kind, path in images.joined_namespaces(self.document).items():
            fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
            self.inherited.append((images.EXTERNAL_NAMESPACES[kind][1], fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _HIGH)))
            posix.close(fd)

    def _make_cgroup(self, systemd_bus: str) -> None:
        from runtime import cgroups

        status = self.status
        if systemd_bus:
            self.cgroup = unit = cgroups.plan_unit(systemd_bus, self.cgroup_path, status.id, self.document)
            unit.create()
            status.cgroup_path, status.systemd_unit, status.systemd_bus = unit.path, unit.unit, systemd_bus
        else:
            self.cgroup = cgroups.plan(self.cgroup_path)
            status.cgroup_path = self.cgroup_path
            self.cgroup.create()
            status.cgroups = list(self.cgroup.paths)
            self.cgroup.apply(self._resources())
        # If we are killed from here on, `delete` knows what to remove.
        status.save()

    def _resources(self) -> Document:
        return (self.document.get("linux") or {}).get("resources") or {}

    def run(self, more: list[Field]) -> None:
        """Let CRIU restore the processes."""
        assert self.directories is not None
        asked = images.options(self.settings, self.directories, _LOG, self.status.rootfs)
        asked += [(criu.RESTORE_SIBLING, True), *more]
        # CRIU takes from these what the images name: of the masks those that are files.
        masked = images.masked_paths(self.document)
        mounts = images.external_mounts(self.document, self.status.bundle, masked)
        asked += [(criu.EXTERNAL_MOUNT, criu.encode(((1, key), (2, value)))) for key, value in mounts.items()]
        asked += [(criu.INHERIT_FD, criu.encode(((1, key), (2, fd)))) for key, fd in self.inherited]
        log = f"{self.settings.work_path}/{_LOG}"
        self.status.pid = criu.run(self.settings.program, criu.RESTORE, asked, log, self._notify, self._enter)
        self.status.start_time = process.start_time(self.status.pid) or 0

    def _enter(self) -> None:
        """Put the process that becomes CRIU where the container shall be: in its cgroup, and beside its root."""
        if self.cgroup is not None and self.status.systemd_unit:
            self.cgroup.adopt(posix.getpid())
        elif self.cgroup is not None:
            self.cgroup.enter(posix.getpid())
        # CRIU wants the root to be a mount; in a namespace of its own none is left when it ends.
        syscalls.unshare(CLONE_NEWNS)
        syscalls.mount(None, "/", None, MS_PRIVATE | MS_REC)
        syscalls.mount(self.status.rootfs, self.status.rootfs, None, MS_BIND | MS_REC)
        for _key, fd in self.inherited:
            posix.set_inheritable(fd, True)

    def _notify(self, script: str, pid: int, fds: list[int]) -> None:
        if script == "orphan-pts-master" and fds:
            self.console = fds.pop(0)
        elif script == "setup-namespaces":
            self.status.pid = pid
            stages = hooks.read_hooks(self.document)
            for stage in ("prestart", "createRuntime"):
                hooks.run(stage, stages.get(stage, []), self.status.state("created"))
        for fd in fds:
            posix.close(fd)

    def complete(self, pid_file: str | None, console_socket: str | None) -> None:
        """Write down that it runs, and hand on its terminal."""
        if self.console is not None and console_socket:
            sync.send_fd(console_socket, self.console, "/dev/ptmx")
            posix.close(self.console)
            self.console = None
        if self.cgroup is not None and self.status.systemd_unit:
            self.cgroup.apply(self._resources())
        self.status.save()
        if pid_file:
            launch.write_pid_file(pid_file, self.status.pid)
        stage = hooks.read_hooks(self.document).get("poststart", [])
        hooks.run("poststart", stage, self.status.state("running"))

    def undo(self) -> None:
        """Leave nothing behind."""
        if self.status.pid:
            launch.kill_child(self.status.pid)
        if self.console is not None:
            posix.close(self.console)
        try:
            # What this process knows of a unit is not all: its start was asked for by the one that became CRIU.
            cgroup = kill.cgroup_of(self.status)
            if cgroup is not None:
                cgroup.remove(kill=True)
        except (OSError, OCIRuntimeError):
            pass
        if self.made_directory:
            states.remove_directory(self.status.directory)

    def close(self) -> None:
        """Close the parent's files."""
        if self.directories is not None:
            self.directories.close()
        for _key, fd in self.inherited:
            posix.close(fd)
