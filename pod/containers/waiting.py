"""Waiting until containers are in a state: by their processes for an end, else by looking again and again."""

from __future__ import annotations

import time

from pod import state
from pod.containers import status, stop
from pod.errors import ContainerNotFoundError, PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.engine import Engine
    from pod.state import Container

ENDS = ("stopped", "exited")
HEALTH = ("healthy", "unhealthy")
# What podman calls a state that is another's name, or none that a container of ours is ever in for longer.
_SAME = {"configured": "created"}
_STATES = ("unknown", "created", "initialized", "running", "paused", "removing", "stopping", "restarting")


def check(conditions: list[str]) -> None:
    """Raise PodError for a condition that there is not."""
    for condition in conditions:
        if _SAME.get(condition, condition) not in (*ENDS, *HEALTH, *_STATES):
            raise PodError(
                f"unknown container state: {condition}: invalid argument",
                hint=f"known are {', '.join(sorted((*ENDS, *HEALTH, *_STATES, *_SAME)))}",
            )


def wait(engine: Engine, container: Container, conditions: list[str], interval: float) -> int | None:
    """Wait until a container meets one of the conditions; return its exit code for an end, else -1."""
    if all(condition in ENDS for condition in conditions):
        return stop.wait(engine, container)
    _check_health(engine, container, conditions)
    while True:
        met = look(engine, container, conditions)
        if met is not None:
            return met
        time.sleep(interval)


def first(engine: Engine, containers: list[Container], conditions: list[str], interval: float) -> int:
    """Wait until one of several containers meets one of the conditions, and return what `wait` does for it."""
    for container in containers:
        _check_health(engine, container, conditions)
    while True:
        for container in containers:
            met = look(engine, container, conditions)
            if met is not None:
                return met
        time.sleep(interval)


def look(engine: Engine, container: Container, conditions: list[str]) -> int | None:
    """Return what `wait` returns if a container meets one of the conditions now, else None.

    Raises ContainerNotFoundError if it is gone, unless that is what is waited for.
    """
    if not state.has_container(engine.connection, container.id):
        kept = state.kept_exit_code(engine.connection, container.id)
        if any(condition in ENDS for condition in conditions) and kept is not None:
            return kept
        if "removing" in conditions:
            return -1 if kept is None else kept
        raise ContainerNotFoundError(container.id)
    seen = status.observe(engine.config, container.id)
    wanted = {_SAME.get(condition, condition) for condition in conditions}
    if seen.state == "exited" and wanted.intersection(ENDS):
        return seen.exit_code
    if seen.state in wanted:
        return -1
    if wanted.intersection(HEALTH):
        return _healthy(engine, container, wanted, seen)
    return None


def _check_health(engine: Engine, container: Container, conditions: list[str]) -> None:
    from pod.containers.health import checks as health

    for condition in conditions:
        if condition in HEALTH and not health.is_checked(container.config):
            raise PodError(f'cannot use condition "{condition}": container {container.id} has no healthcheck')


def _healthy(engine: Engine, container: Container, wanted: set[str], seen: status.Status) -> int | None:
    from pod.containers.health import checks as health

    if health.status(engine.config, container) in wanted:
        return -1
    if seen.state == "exited":
        raise PodError("container is stopped")
    return None
