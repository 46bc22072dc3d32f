"""Cgroups that systemd makes: a container is a transient scope (or slice), asked for over D-Bus.

systemd makes the directory, moves the container's first process into it and delegates it to us; from then on the files
are ours as in any other cgroup (v1.py, v2.py), and only what systemd itself must know goes over the bus: new limits,
since it writes its own again whenever it reloads, and the end.
Source: org.freedesktop.systemd1(5); https://systemd.io/CONTROL_GROUP_INTERFACE and CGROUP_DELEGATION.
"""

from __future__ import annotations

import posix
from time import monotonic, sleep

from runtime.cgroups import files, systemd_properties
from runtime.cgroups.errors import CgroupError
from runtime.cgroups.v2 import CgroupV2
from runtime.dbus.connection import Connection
from runtime.dbus.errors import BusError, CallError
from runtime.dbus.wire import Variant
from runtime.process import cgroups_of, in_user_namespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.cgroups import Cgroup
    from runtime.cgroups.systemd_properties import Property
    from runtime.dbus.message import Message

START_SIGNATURE = "ssa(sv)a(sa(sv))"
SUBGROUP = "run.oci.systemd.subgroup"
_SYSTEMD, _PATH = "org.freedesktop.systemd1", "/org/freedesktop/systemd1"
_MANAGER = f"{_SYSTEMD}.Manager"
_PROPERTIES = "org.freedesktop.DBus.Properties"
_JOB_SECONDS = 30.0
_NO_UNIT = (f"{_SYSTEMD}.NoSuchUnit", f"{_SYSTEMD}.LoadFailed")


class Manager:
    """A systemd manager, reached over its bus when it is first needed; `with` it the connection ends."""

    __slots__ = ("_bus", "_connection", "_job_seconds")

    def __init__(self, bus: str, job_seconds: float | None = None) -> None:
        self._bus = bus
        self._job_seconds = _JOB_SECONDS if job_seconds is None else job_seconds
        self._connection: Connection | None = None

    def call(self, member: str, signature: str = "", *values: Any) -> tuple[Any, ...]:
        """Call a method of the manager."""
        return self._connect().call(_SYSTEMD, _PATH, _MANAGER, member, signature, *values)

    def property(self, name: str) -> str:
        """Return a property of the manager, one that is a text."""
        (value,) = self._connect().call(_SYSTEMD, _PATH, _PROPERTIES, "Get", "ss", _MANAGER, name)
        return str(value.value)

    def unit_property(self, unit: str, name: str) -> str:
        """Return a property of any unit, one that is a text; a unit that there is not has the defaults."""
        (path,) = self.call("LoadUnit", "s", unit)
        (value,) = self._connect().call(_SYSTEMD, path, _PROPERTIES, "Get", "ss", f"{_SYSTEMD}.Unit", name)
        return str(value.value)

    def run_job(self, unit: str, member: str, signature: str, *values: Any) -> str:
        """Call a method that returns a job, wait for its end and return how it ended: `done` is well."""
        connection = self._connect()
        (job,) = self.call(member, signature, *values)

        def is_ours(signal: Message) -> bool:
            return signal.member == "JobRemoved" and len(signal.body) == 4 and signal.body[1] == job

        ended = connection.wait(is_ours, self._job_seconds, f"the job {member} of unit {unit}")
        return str(ended.body[3])

    def __enter__(self) -> None:
        """Begin what needs the connection."""

    def __exit__(self, *_error: object) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> Connection:
        if self._connection is None:
            connection = Connection(self._bus)
            try:
                rule = f"type='signal',sender='{_SYSTEMD}',interface='{_MANAGER}',member='JobRemoved',path='{_PATH}'"
                connection.listen(rule)
                # Without a subscriber a manager sends signals only to who asked for the job, and old ones to nobody.
                connection.call(_SYSTEMD, _PATH, _MANAGER, "Subscribe")
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection


class SystemdCgroup:
    """A container's cgroup in a unit of systemd; `inner` is the cgroup by its files, once its path is known."""

    def __init__(self, bus: str, unit: str, inner: Cgroup | None = None, path: str = "") -> None:
        self.bus = bus
        self.unit = unit
        self.path = path  # of the cgroup in which the container is, from the mount point
        self._inner = inner
        self._manager = Manager(bus)
        self._version = 0
        self._moves = False  # a process must be moved by systemd: we may not, or cannot

    @property
    def paths(self) -> list[str]:
        """What the container's end leaves to be removed."""
        return self._inner.paths if self._inner is not None else []

    @property
    def denies_meanwhile(self) -> bool:
        """Tell whether `apply` denies every device for a moment."""
        return self._files().denies_meanwhile

    def create(self, *, entered: bool = False) -> None:
        """Make what is not systemd's: in v1, the directories of controllers that it does not know."""
        self._files().create(entered=entered)

    def entrances(self, *, unified: bool) -> list[int]:
        """Open the ways into what a process cannot be cloned into; in cgroup v2 systemd moves it: see `adopt`."""
        if self.is_v2():
            self._moves = self._moves or unified
            return []
        return self._files().entrances(unified=unified)

    def clone_fd(self) -> int:
        """Open the directory for clone3(CLONE_INTO_CGROUP)."""
        return self._files().clone_fd()

    def adopt(self, pid: int) -> None:
        """Let systemd move a process here that the kernel did not let us put here.

        An ordinary user who has logged in is outside of what his own systemd manages, from where the kernel lets him
        move nothing; but his systemd may ask that of the system's.
        """
        if self._moves:
            below = self.path.partition(f"/{self.unit}")[2]
            with self._manager:
                self._call("AttachProcessesToUnit", "ssau", self.unit, below, [pid])

    def apply(self, resources: dict[str, Any]) -> None:
        """Set limits and device rules, of the unit and in the files."""
        inner = self._files()
        if isinstance(inner, CgroupV2):
            inner.check(resources)
        with self._manager:
            properties = self.limits(resources)
            if properties:
                self._call("SetUnitProperties", "sba(sv)", self.unit, True, properties)
        inner.apply(resources)

    def limits(self, resources: dict[str, Any]) -> list[Property]:
        """Return what of `linux.resources` a unit can have as properties."""
        if not resources:
            return []
        version = self.version()
        if self.is_v2():
            from runtime.cgroups.v2_settings import settings
        else:
            from runtime.cgroups.v1_settings import settings
        found = systemd_properties.limits(settings(resources), unified=self.is_v2(), version=version)
        if resources.get("devices") and not is_rootless():
            found += systemd_properties.devices(resources["devices"], files.read("/proc/devices"))
        return found

    def version(self) -> int:
        """Return the manager's version, as a number: `257.5-1` is 257."""
        if not self._version:
            text = self._manager.property("Version").lstrip("v")
            digits = text[: next((at for at, letter in enumerate(text) if not letter.isdigit()), len(text))]
            self._version = int(digits or 0)
        return self._version

    def is_v2(self) -> bool:
        """Say whether all controllers are in the unified hierarchy."""
        return isinstance(self._files(), CgroupV2)

    def enter(self, pid: int) -> None:
        """Move a process with its threads."""
        self._files().enter(pid)

    def remove(self, *, kill: bool = False) -> None:
        """Stop the unit, with which its cgroup goes, and remove what is not systemd's; with `kill` what runs first."""
        if self._inner is not None:
            if kill:
                self._inner.kill()
            if not self._is_emptied():
                raise CgroupError(f"remove unit {self.unit}: processes {self._inner.pids()} are still running")
        try:
            with self._manager:
                self._stop()
        except BusError:
            # systemd is gone, or another instance of it: the files are still to be removed.
            pass
        if self._inner is not None:
            self._inner.remove()

    def _is_emptied(self) -> bool:
        """Wait for the last processes to go; what has just ended is listed for a moment."""
        assert self._inner is not None
        deadline = monotonic() + files.REMOVE_SECONDS
        while self._inner.pids():
            if monotonic() > deadline:
                return False
            sleep(0.002)
        return True

    def _stop(self) -> None:
        for member, signature, values in (("StopUnit", "ss", ("replace",)), ("ResetFailedUnit", "s", ())):
            try:
                if member == "StopUnit":
                    self._manager.run_job(self.unit, member, signature, self.unit, *values)
                else:
                    self._manager.call(member, signature, self.unit, *values)
            except CallError as error:
                if error.name not in _NO_UNIT:
                    raise

    def kill(self) -> None:
        """Send SIGKILL to all processes."""
        self._files().kill()

    def freeze(self, on: bool) -> None:
        """Stop all processes, or let them go on."""
        self._files().freeze(on)

    def directories(self) -> dict[str, str]:
        """Return where the files of each controller are, those of cgroup v2 under ""."""
        return self._files().directories()

    def below(self, places: dict[str, str]) -> SystemdCgroup:
        """Return cgroups that exist below this one's; `places`: a path for each controller, "" for all others."""
        path = "/".join((self.path, *(name for name in places.get("", "").split("/") if name)))
        return SystemdCgroup(self.bus, self.unit, self._files().below(places), path)

    def pids(self) -> list[int]:
        """Return all processes."""
        return self._files().pids()

    def oom_count(self) -> int:
        """Return how many processes the kernel has killed here for lack of memory."""
        return self._files().oom_count()

    def delegate(self, uid: int, gid: int) -> None:
        """Give the cgroup to the root of a user namespace, limits excepted."""
        self._files().delegate(uid, gid)

    def _files(self) -> Cgroup:
        if self._inner is None:
            raise CgroupError(f"unit {self.unit}: it was not started")
        return self._inner

    def _call(self, member: str, signature: str, *values: Any) -> None:
        try:
            self._manager.call(member, signature, *values)
        except CallError as error:
            raise CgroupError(f"unit {self.unit}: {error}") from error


def leave_session(bus: str) -> None:
    """Move this process below a user's own systemd, into a scope that lives as long as it does, if it is elsewhere.

    From a login session the kernel lets a user move no process into what his systemd manages, nor start one there.
    """
    if "/user@" in cgroups_of().get("", ""):
        return
    unit = f"pod-exec-{posix.getpid()}.scope"
    properties = [
        ("Description", Variant("s", "a process that enters a container")),
        ("Slice", Variant("s", "user.slice")),
        ("PIDs", Variant("au", [posix.getpid()])),
        ("CollectMode", Variant("s", "inactive-or-failed")),
    ]
    manager = Manager(bus)
    with manager:
        result = manager.run_job(unit, "StartTransientUnit", START_SIGNATURE, unit, "replace", properties, [])
    if result != "done":
        raise CgroupError(f"start unit {unit}: systemd's job ended as `{result}`")


def is_rootless() -> bool:
    """Say whether we have not the rights of the host's root."""
    return bool(posix.geteuid()) or in_user_namespace()
