"""Starting a container's unit: see systemd.py for what a unit is once it runs."""

from __future__ import annotations

from time import monotonic, sleep

from runtime.cgroups import plan, systemd_properties
from runtime.cgroups.errors import CgroupError
from runtime.cgroups.systemd import START_SIGNATURE, SUBGROUP, SystemdCgroup, is_rootless
from runtime.cgroups.v1 import CgroupV1
from runtime.dbus.errors import CallError
from runtime.errors import ContainerExistsError, SpecError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.cgroups.systemd_properties import Property

_NAME_SECONDS = 0.5  # for the name of a unit that is no more
_EXISTS = "org.freedesktop.systemd1.UnitExists"


class NewSystemdCgroup(SystemdCgroup):
    """A container's cgroup whose unit starts with the container's first process, which waits for that."""

    def __init__(self, bus: str, cgroups_path: str, container_id: str, spec: dict[str, Any]) -> None:
        default = "user.slice" if is_rootless() else "system.slice"
        self._slice, unit = systemd_properties.place(cgroups_path, container_id, default)
        super().__init__(bus, unit)
        annotations = spec.get("annotations") or {}
        self._container_id = container_id
        self._resources: dict[str, Any] = (spec.get("linux") or {}).get("resources") or {}
        self._started = False
        self._annotated = systemd_properties.annotated(annotations)
        self._subgroup = annotations.get(SUBGROUP) or ""
        if "/" in self._subgroup or self._subgroup in (".", ".."):
            raise SpecError(f"annotation {SUBGROUP}: {self._subgroup!r} is not the name of a directory")

    def create(self, *, entered: bool = False) -> None:
        """Find out where the cgroup will be, and that systemd is there to make it."""
        above = self._manager.property("ControlGroup").rstrip("/")
        self.path = above + systemd_properties.unit_path(self._slice, self.unit)
        if self._subgroup:
            self.path += f"/{self._subgroup}"
        self._inner = plan(self.path)

    def clone_fd(self) -> int:
        """Say that nothing can be cloned into what is not there yet."""
        return -1

    def entrances(self, *, unified: bool) -> list[int]:
        """Open nothing: the first process is moved when it runs."""
        return []

    def adopt(self, pid: int) -> None:
        """Start the unit with its first process, under its limits from the first moment."""
        inner = self._files()
        with self._manager:
            properties = [
                *systemd_properties.start_properties(self._container_id, self._slice, self.unit, pid),
                *self.limits(self._resources),
                *self._annotated,
            ]
            self._start(properties)
        if isinstance(inner, CgroupV1) or self._subgroup or self.unit.endswith(".slice"):
            inner.create(entered=True)
            inner.enter(pid)
        if self._subgroup:
            # Only now is nobody in the unit's own cgroup, so that controllers can be switched on below it.
            inner.create(entered=True)

    def _start(self, properties: list[Property]) -> None:
        arguments: tuple[Any, ...] = (self.unit, "replace", properties, [])
        deadline = monotonic() + _NAME_SECONDS
        while True:
            self._started = True
            try:
                result = self._manager.run_job(self.unit, "StartTransientUnit", START_SIGNATURE, *arguments)
                break
            except CallError as error:
                self._started = False
                if error.name != _EXISTS:
                    raise CgroupError(f"start unit {self.unit}: {error}") from error
                if monotonic() > deadline:
                    raise ContainerExistsError(f"start unit {self.unit}: it exists already") from error
                # One that has failed keeps the name; one that has just ended will be forgotten in a moment.
                self._forget_failed()
                sleep(0.01)
        if result != "done":
            raise CgroupError(f"start unit {self.unit}: systemd's job ended as `{result}`")

    def _forget_failed(self) -> None:
        """Free the name that a unit holds because it has failed."""
        try:
            self._manager.call("ResetFailedUnit", "s", self.unit)
        except CallError:
            pass

    def remove(self, *, kill: bool = False) -> None:
        """Stop the unit, if it is ours: one that was there before has only the same name."""
        with self._manager:
            if self._started:
                super().remove(kill=kill)

    def apply(self, resources: dict[str, Any]) -> None:
        """Write the limits to the files as well: exactly, and those that systemd has no property for."""
        self._files().apply(resources)
