"""What systemd knows of services: their states; having it read its units again, or stop one. Over its bus.

Source: org.freedesktop.systemd1(5).
"""

from __future__ import annotations

from pod import systemd
from pod.errors import PodError
from runtime.cgroups.systemd import Manager
from runtime.dbus.errors import BusError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pod.config import Config

NOT_LOADED = "Not loaded"
# What ends a job is systemd's own patience (TimeoutStopSec=), not ours.
_JOB_SECONDS = 6 * 3600.0
_ENDED = ("done", "skipped")


class Systemd:
    """The systemd of the system, or the user's own; `with` it the connection ends."""

    def __init__(self, config: Config) -> None:
        self._manager = Manager(systemd.address(config), _JOB_SECONDS)

    def __enter__(self) -> Systemd:
        return self

    def __exit__(self, *error: object) -> None:
        self._manager.__exit__(*error)

    def check(self) -> None:
        """Raise PodError if systemd cannot be asked to reload its units."""
        try:
            self.states([])
        except BusError as error:
            raise PodError(
                f"connecting to systemd: {error}",
                hint="--reload-systemd=false does without; `systemctl daemon-reload` tells systemd of the change later",
            ) from error

    def reload(self) -> None:
        """Have systemd run its generators and read all units again."""
        try:
            self._manager.call("Reload")
        except BusError as error:
            raise PodError(f"reloading systemd: {error}", hint="run `systemctl daemon-reload`") from error

    def states(self, services: Sequence[str]) -> dict[str, str]:
        """Return the state of each service, as in `active/running`; BusError if systemd cannot be asked."""
        (found,) = self._manager.call("ListUnitsByNames", "as", list(services))
        return dict(_states(found))

    def running(self, services: Sequence[str]) -> list[str]:
        """Return those of the services that are active; none where there is no systemd."""
        try:
            return [name for name, state in self.states(services).items() if state.startswith("active/")]
        except BusError:
            return []

    def stop(self, service: str) -> None:
        """Stop a service and wait for its end."""
        try:
            result = self._manager.run_job(service, "StopUnit", "ss", service, "replace")
        except BusError as error:
            raise PodError(f"stopping {service}: {error}") from error
        if result not in _ENDED:
            raise PodError(f"unable to stop {service}: {result}")


def _states(found: list[tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    for name, _description, loaded, active, sub, *_ in found:
        yield name, f"{active}/{sub}" if loaded == "loaded" else NOT_LOADED
