"""Slices of systemd's that are ours: the cgroup of a pod, below which its containers' scopes are.

A slice is started before the first scope in it, for its limits to hold from the first moment; with the last scope it
does not go, but is stopped when it is not wanted any more.
"""

from __future__ import annotations

from runtime.cgroups import plan, systemd_properties
from runtime.cgroups.errors import CgroupError
from runtime.cgroups.systemd import START_SIGNATURE, SystemdCgroup
from runtime.dbus.errors import CallError
from runtime.dbus.wire import Variant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_EXISTS = "org.freedesktop.systemd1.UnitExists"


class Slice(SystemdCgroup):
    """A slice by its name, whether it has been started or not."""

    def __init__(self, bus: str, name: str) -> None:
        super().__init__(bus, name)
        with self._manager:
            self.path = self._manager.property("ControlGroup").rstrip("/") + systemd_properties.expand(name)
        self._inner = plan(self.path)

    def start(self, resources: dict[str, Any]) -> None:
        """Start it under its limits, or set the limits of one that runs. Idempotent."""
        with self._manager:
            properties = [("Description", Variant("s", "a pod")), *self.limits(resources)]
            try:
                result = self._manager.run_job(
                    self.unit, "StartTransientUnit", START_SIGNATURE, self.unit, "replace", properties, []
                )
            except CallError as error:
                if error.name != _EXISTS:
                    raise CgroupError(f"start unit {self.unit}: {error}") from error
                result = "done"
                self._call("SetUnitProperties", "sba(sv)", self.unit, True, properties[1:])
        if result != "done":
            raise CgroupError(f"start unit {self.unit}: systemd's job ended as `{result}`")
        self._files().apply(resources)
