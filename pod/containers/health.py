"""Health checks: what a container is created with, what its monitor is told, and how healthy it is.

The monitor does the checks (runtime.monitor.health); it keeps the outcome in `<graphroot>/containers/<id>/health`, or
in the directory that --health-log-destination names. Sources: podman-run(1), podman-healthcheck-run(1).
"""

from __future__ import annotations

import os

from runtime import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypedDict

    from pod.config import Config
    from pod.engine import Engine
    from pod.state import Container

    class Check(TypedDict):
        """One command, and when it is run; times are nanoseconds, as images and podman have them."""

        test: list[str]  # ["CMD", …], ["CMD-SHELL", text], or ["NONE"]
        interval: int  # 0: not by itself
        timeout: int
        retries: int

    class HealthConfig(TypedDict):
        """What the flags and the image come to."""

        check: Check
        start_period: int
        startup: Check | None
        startup_success: int
        on_failure: str  # none, kill, restart, stop
        log_destination: str  # local, events_logger, or a directory
        max_log_count: int  # 0 is no limit
        max_log_size: int


NONE = ["NONE"]
_SECOND = 1_000_000_000
_TRIES = 5
_NEVER = float(1 << 40)


def arguments(test: list[str]) -> list[str]:
    """Return the command line of a test."""
    if test[0] == "CMD-SHELL":
        return ["/bin/sh", "-c", *test[1:]]
    return test[1:] if test[0] == "CMD" else test


def is_checked(config: dict[str, Any]) -> bool:
    """Tell whether a container has a health check."""
    health = config["health"]
    return bool(health) and health["check"]["test"] != NONE


def path(config: Config, container: Container) -> str:
    """Return the file that holds the outcome of the checks."""
    health = container.config["health"]
    destination = health["log_destination"] if health else "local"
    if destination in ("", "local", "events_logger"):
        return f"{config.container_dir(container.id)}/health"
    return f"{destination}/{container.id}-healthcheck.log"


def observe(config: Config, container: Container) -> dict[str, Any] | None:
    """Return Status, FailingStreak and Log as podman has them; None for a container without a health check."""
    if not is_checked(container.config):
        return None
    for _ in range(_TRIES):
        try:
            found: dict[str, Any] = jsontext.loads(read(config, container))
        except ValueError:
            continue  # it is just being written
        return found
    return {"Status": "starting", "FailingStreak": 0, "Log": None}


def read(config: Config, container: Container) -> str:
    """Return what the monitor has written; nothing if it has not yet."""
    try:
        with open(path(config, container), encoding="ascii") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def status(config: Config, container: Container) -> str:
    """Return starting, healthy, unhealthy, or nothing for a container without a health check."""
    found = observe(config, container)
    return found["Status"] if found else ""


def described(config: dict[str, Any]) -> dict[str, Any]:
    """Return the keys of `Config` that `inspect` has for health checks."""
    health = config["health"]
    if not health:
        return {"HealthcheckOnFailureAction": "none"}
    told: dict[str, Any] = {"Healthcheck": _told(health["check"])}
    if health["start_period"]:
        told["Healthcheck"]["StartPeriod"] = health["start_period"]
    if health["startup"]:
        told["StartupHealthCheck"] = _told(health["startup"]) | {"Successes": health["startup_success"]}
    return told | {
        "HealthcheckOnFailureAction": health["on_failure"],
        "HealthLogDestination": health["log_destination"],
        "HealthMaxLogCount": health["max_log_count"],
        "HealthMaxLogSize": health["max_log_size"],
    }


def _told(check: Check) -> dict[str, Any]:
    if check["test"] == NONE:
        return {"Test": NONE}
    return {
        "Test": check["test"],
        "Interval": check["interval"],
        "Timeout": check["timeout"],
        "Retries": check["retries"],
    }


def settings(engine: Engine, container: Container, pid: int) -> dict[str, Any] | None:
    """Return what the monitor of a running container is told of its health checks, as plain values; None without any.

    `pid` is the container's first process.
    """
    if not is_checked(container.config):
        return None
    health: HealthConfig = container.config["health"]
    startup = None
    if health["startup"]:
        startup = _check(engine, container, health["startup"]) | {"success": health["startup_success"]}
    return {
        "pid": pid,
        "file": os.fsencode(path(engine.config, container)),
        "normal": _check(engine, container, health["check"]),
        "startup": startup,
        "start_period": health["start_period"] / _SECOND,
        "on_failure": health["on_failure"],
        "max_count": health["max_log_count"],
        "max_size": health["max_log_size"],
        "log_events": health["log_destination"] == "events_logger",
        "stop_signal": container.config["stop_signal"],
        "stop_timeout": container.config["stop_timeout"],
    }


def _check(engine: Engine, container: Container, check: Check) -> dict[str, Any]:
    return {
        "interval": check["interval"] / _SECOND or _NEVER,
        "timeout": check["timeout"] / _SECOND,
        "retries": check["retries"],
        "image": probe_program(engine, container, arguments(check["test"])),
    }


def probe_program(engine: Engine, container: Container, words: list[str]) -> bytes:
    """Return the program that runs a command in a running container again and again (see runtime.probe)."""
    from pod.containers import runtimes
    from runtime import probe

    command = runtimes.exec_command(engine.config, container)
    if command is None:
        program = probe.prepare(engine.config.runtime_root, container.id, words)
        if program is not None:
            return program
        from pod.containers.plan import engine_command

        command = [*engine_command(engine), "exec", container.id]
    return probe.prepare_command([*command, *words], runtimes.environment())
