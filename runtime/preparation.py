"""All that precedes the fork in `create`: the configuration read and checked, its sources opened, and what is made.

Made are the state directory, the socket by which `start` comes, the cgroup; each is noted where `delete` finds it, in
case that we are killed.
"""

from __future__ import annotations

import posix
import time

from runtime import capabilities, devices, hooks, idmap, inherited, init, keyring, launch, namespaces, procfs, sysctl
from runtime import spec as specification
from runtime import status as states
from runtime.clone import close_entrances
from runtime.errors import ContainerExistsError, OCIRuntimeError, SpecError
from runtime.kernel import CLONE_NEWUSER
from runtime.moments import rfc3339
from runtime.mounting import mounts, rootfs
from runtime.sync import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from typing import Any

    from runtime.cgroups import Cgroup

    Document = dict[str, Any]


class Preparation:
    """What one call of `create` has prepared so far; `setup` is what its first process gets to know."""

    __slots__ = (
        "bundle",
        "cgroup",
        "directory",
        "gids",
        "listen_fds",
        "listener",
        "made_directory",
        "new_keyring",
        "notify",
        "root",
        "setup",
        "spec",
        "status",
        "uids",
        "warnings",
    )

    status: states.Status

    def __init__(self, container_id: str, bundle: str, document: Document, root: str) -> None:
        self.directory = states.state_directory(root, container_id)
        self.root = root
        self.spec = document
        self.bundle = bundle if bundle.startswith("/") else f"{posix.getcwd()}/{bundle}"
        self.setup = init.Setup()
        self.setup.container_id = container_id
        self.made_directory = False
        self.cgroup: Cgroup | None = None
        self.listener: _socket.socket | None = None
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
        elif use_cgroups and launch.asks_for_limits(self.resources()):
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
        # Where our own mounts are not ours to copy, inside of another's user namespace, the first process does it.
        other_user = bool(plan.new & CLONE_NEWUSER) or joined >= 0
        other_user &= not posix.geteuid() and namespaces.owns_mounts()
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
        from runtime.mounting import shared as shared_mounts

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
                "created": rfc3339(time.time_ns()),
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
            if launch.asks_for_limits(self.resources()):
                raise
            self.status.cgroup_path = ""
            return
        self.cgroup = cgroup
        self.status.cgroups = list(cgroup.paths)

    def resources(self) -> Document:
        """Return `linux.resources`."""
        return (self.spec.get("linux") or {}).get("resources") or {}

    def undo(self) -> None:
        """Remove what was made; of processes nothing is left."""
        if self.cgroup is not None:
            try:
                self.cgroup.remove()
            except (OSError, OCIRuntimeError):
                pass
        status = getattr(self, "status", None)
        if status is not None and status.mount_id:
            from runtime.mounting import shared as shared_mounts

            shared_mounts.detach(status.rootfs, status.mount_id)
        if self.made_directory:
            states.remove_directory(self.directory)

    def close(self) -> None:
        """Close what was opened for the first process, which has copies."""
        if self.listener is not None:
            self.listener.close()
        setup = self.setup
        if hasattr(setup, "seccomp"):
            setup.seccomp.close()
        if getattr(setup, "entrances", None):
            close_entrances(setup.entrances)
        plan = getattr(setup, "namespaces", None)
        if plan is not None:
            plan.close()
        own = (getattr(setup, "root", -1), getattr(setup, "proc", -1))
        for fd in (*own, *(mount.tree for mount in getattr(setup, "mounts", ()))):
            if fd >= 0:
                posix.close(fd)
