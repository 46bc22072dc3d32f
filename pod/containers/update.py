"""Changing a container that is there: limits and health checks at once, restart policy and variables.

The order is what makes it all or nothing: everything is checked, the kernel takes the limits, one transaction changes
the row, and the monitor is told. Source: podman-update(1).
"""

from __future__ import annotations

from pod import events, state
from pod.containers import monitor_settings, restart, runtimes, status
from pod.containers.resources import cgroup_place, limits
from pod.errors import ContainerNotFoundError, PodError
from pod.lock import ContainerLock
from runtime.errors import OCIRuntimeError
from storage import database

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pod.containers.restart import RestartPolicy
    from pod.engine import Engine
    from pod.state import Container

    Resources = dict[str, Any]


class Changes:
    """What is to be different; all that is not said stays as it is."""

    def __init__(self) -> None:
        self.resources: Resources = {}  # parts of linux.resources
        self.pids_limit: int | None = None  # not above 0 for no limit
        self.restart: RestartPolicy | None = None
        self.health: dict[str, Any] = {}  # what the flags on health checks say, by their names
        self.env: dict[str, str] = {}
        self.unsetenv: list[str] = []
        self.warnings: list[str] = []


def update(engine: Engine, container: Container, changes: Changes) -> Container:
    """Change a container, running or not, and return it; nothing is changed if any of it cannot be.

    Environment variables hold for the next start, and for exec at once.

    Raises ContainerNotFoundError if it has gone meanwhile, and as the runtime does.
    """
    with ContainerLock(engine.config, container.id):
        if not state.has_container(engine.connection, container.id):
            raise ContainerNotFoundError(container.id)  # another command has removed it meanwhile
        container = state.find_container(engine.connection, container.id)
        resources = _wanted(engine, container, changes)
        config = _changed(container, changes, resources)
        seen = status.observe(engine.config, container.id)
        try:
            if resources and seen.pid:
                runtimes.update(engine.config, container, resources)
            with database.transaction(engine.connection):
                state.replace_config(engine.connection, container.id, config)
        except BaseException:
            if resources and seen.pid:
                _restore(engine, container, resources)
            raise
        container = state.find_container(engine.connection, container.id)
        monitor_settings.tell(engine, container)
    events.of_container(engine.config, container, "update")
    return container


def _wanted(engine: Engine, container: Container, changes: Changes) -> Resources:
    """Return the limits to be changed, completed and found right together with those that the container has."""
    asked = changes.resources
    unified = limits.is_unified()
    changes.warnings += limits.discard_unsupported(asked, unified=unified)
    memory = asked.get("memory") or {}
    if memory.get("limit") and "swap" not in memory:
        unlimited = (container.config["resources"].get("memory") or {}).get("swap") == -1
        memory["swap"] = -1 if unlimited else memory["limit"] * 2
    limits.check(merged(container.config["resources"], asked), unified=unified)
    if changes.pids_limit is not None:
        asked["pids"] = {"limit": changes.pids_limit if changes.pids_limit > 0 else -1}
    if asked:
        config: Any = {**container.config, "resources": asked}
        if config["cgroups"] == "disabled":
            raise PodError("cannot set resource limits when cgroups are disabled", hint="it has no cgroup of its own")
        cgroup_place.cgroups_path(engine, container.id, config)
    return asked


def _changed(container: Container, changes: Changes, resources: Resources) -> dict[str, Any]:
    """Return the configuration as it is to be."""
    config = dict(container.config)
    stored = {name: section for name, section in resources.items() if name != "pids"}
    config["resources"] = merged(config["resources"], stored)
    if changes.pids_limit is not None:
        config["pids_limit"] = max(changes.pids_limit, 0)
        if "pids" in config["resources"]:  # a user's, who has asked for it
            config["resources"]["pids"] = {"limit": config["pids_limit"] or -1}
    if changes.restart is not None:
        if container.auto_remove and changes.restart["policy"] != "no":
            raise PodError('the --rm option conflicts with --restart, when the restartPolicy is not "" and "no"')
        config["restart"] = restart.of_init(changes.restart) if config["pod"]["init"] else changes.restart
    if any(value not in ("", None, False) for value in changes.health.values()):
        from pod.containers.health import update as update_health

        config["health"] = update_health.changed(config["health"], changes.health)
    if changes.env or changes.unsetenv:
        kept = {key: value for key, value in config["env"].items() if key not in changes.unsetenv}
        config["env"] = kept | changes.env
    return config


def merged(old: Resources, new: Resources) -> Resources:
    """Return the resources with the changes; lists of devices by device (pure)."""
    result = {name: dict(section) for name, section in old.items()}
    for name, section in new.items():
        into = result.setdefault(name, {})
        for key, value in section.items():
            into[key] = _by_device(into.get(key) or [], value) if isinstance(value, list) else value
    return result


def _by_device(old: list[Resources], new: list[Resources]) -> list[Resources]:
    numbers = {(entry["major"], entry["minor"]) for entry in new}
    return [*(entry for entry in old if (entry["major"], entry["minor"]) not in numbers), *new]


def _restore(engine: Engine, container: Container, tried: Resources) -> None:
    """Put what held before back into force, the kernel's default where nothing had been asked for; best effort."""
    former = {
        name: _former(name, section, container.config["resources"].get(name) or {}) for name, section in tried.items()
    }
    if "pids" in tried:
        former["pids"] = {"limit": container.config["pids_limit"] or -1}
    for name, section in former.items():
        try:
            runtimes.update(engine.config, container, {name: section})
        except (OCIRuntimeError, OSError):
            continue  # it may be a value that this kernel does not know, or that nobody could change


def _former(name: str, tried: Resources, stored: Resources) -> Resources:
    all_defaults: dict[str, Resources] = {
        "memory": {"limit": -1, "swap": -1, "reservation": -1},
        "cpu": {
            "shares": 1024,
            "quota": -1,
            "period": 100_000,
            "cpus": limits.online("cpus"),
            "mems": limits.online("mems"),
        },
        "blockIO": {"weight": 100},
    }
    known = {**all_defaults.get(name, {}), **stored}
    return {key: known[key] for key in tried if key in known}
