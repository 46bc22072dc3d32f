"""The units of systemd in which containers run: starting them anew, and how they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pod import systemd
from runtime.cgroups.systemd import Manager
from runtime.dbus.errors import CallError

if TYPE_CHECKING:
    from pod.config import Config

# What ends a job is systemd's own patience with the unit (TimeoutStartSec=, TimeoutStopSec=), not ours.
_JOB_SECONDS = 6 * 3600.0


class Units:
    """The units of the user's systemd, reached over its bus when they are first asked for; `with` it that ends."""

    def __init__(self, config: Config) -> None:
        self._manager = Manager(systemd.address(config), _JOB_SECONDS)

    def __enter__(self) -> Units:
        self._manager.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._manager.__exit__(*error)

    def bring_up(self, unit: str, *, anew: bool) -> str:
        """Start a unit, or with `anew` restart it, and wait; return what went wrong, empty if it is up.

        Starting a unit that is about to start waits for that start.
        """
        try:
            result = self._manager.run_job(unit, "RestartUnit" if anew else "StartUnit", "ss", unit, "replace")
        except CallError as error:
            return str(error)
        if result != "done":
            return f'expected "done" but received "{result}"'
        # A service that tells nothing of its readiness may have failed by now.
        state = self.state(unit)
        return f"the unit is {state}" if state in ("failed", "activating") else ""

    def forgive(self, unit: str) -> None:
        """Let a unit that failed often start once more, whatever StartLimitBurst= says."""
        try:
            self._manager.call("ResetFailedUnit", "s", unit)
        except CallError:
            return  # it has not failed, or is gone

    def state(self, unit: str) -> str:
        """Return the unit's ActiveState; that of a unit that there is not is `inactive`."""
        return self._manager.unit_property(unit, "ActiveState")
