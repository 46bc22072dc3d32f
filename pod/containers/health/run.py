"""One check at once, by the container's monitor: `healthcheck run`."""

from __future__ import annotations

import time

from pod.containers import attach, status
from pod.containers.health import checks as health
from pod.errors import PodError, StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.engine import Engine
    from pod.state import Container

_PATIENCE = 10.0  # beyond what the check may take
_LOOK_SECONDS = 0.01


def run(engine: Engine, container: Container) -> str:
    """Have the container checked; return "healthy" or "unhealthy", which is this check's result alone.

    Raises PodError if it has no check, StateError if it does not run.
    """
    seen = status.observe(engine.config, container.id)
    if not health.is_checked(container.config):
        raise PodError(f"container {container.id} has no defined healthcheck")
    if seen.state != "running":
        raise StateError(f"container {container.id} is not running")
    before = health.observe(engine.config, container)
    attach.tell(engine.config.monitor_dir(container.id), b"5 0 0\n")
    checks = container.config["health"]
    longest = max(check["timeout"] for check in (checks["check"], checks["startup"]) if check) / 1e9
    deadline = time.monotonic() + longest + _PATIENCE
    while health.observe(engine.config, container) == before:
        if time.monotonic() > deadline or not status.has_living_process(engine.config, container.id):
            raise StateError(f"container {container.id} was not checked: it is not running, or has no monitor")
        time.sleep(_LOOK_SECONDS)
    found = health.observe(engine.config, container) or {}
    log = found.get("Log") or [{"ExitCode": 1}]
    return "healthy" if log[-1]["ExitCode"] == 0 else "unhealthy"
