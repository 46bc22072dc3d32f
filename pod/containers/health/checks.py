"""Health checks: what a container is created with, and how healthy it is.

The monitor does the checks (runtime.monitor.health); it keeps the outcome in `<graphroot>/containers/<id>/health`, or
in the directory that --health-log-destination names. Into the former it writes good news by the dozen: what is newer is
in the page of the program that probes (runtime.answers). Sources: podman-run(1), podman-healthcheck-run(1).
"""

from __future__ import annotations

from runtime import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypedDict

    from pod.config import Config
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
LOCAL = ("", "local")  # the log's destination is the file that only we read
_TRIES = 5


def is_checked(config: dict[str, Any]) -> bool:
    """Tell whether a container has a health check."""
    health = config["health"]
    return bool(health) and health["check"]["test"] != NONE


def path(config: Config, container: Container) -> str:
    """Return the file that holds the outcome of the checks."""
    health = container.config["health"]
    destination = health["log_destination"] if health else "local"
    if destination in (*LOCAL, "events_logger"):
        return f"{config.container_dir(container.id)}/health"
    return f"{destination}/{container.id}-healthcheck.log"


def observe(config: Config, container: Container) -> dict[str, Any] | None:
    """Return Status, FailingStreak and Log as podman has them; None for a container without a health check."""
    if not is_checked(container.config):
        return None
    for _ in range(_TRIES):
        try:
            found: dict[str, Any] = jsontext.loads(_read(config, container))
        except ValueError:
            continue  # it is just being written
        if container.config["health"]["log_destination"] in LOCAL and found["Log"]:
            found["Log"] += _newer(config.monitor_dir(container.id), found["Log"][-1])
            found["Log"] = found["Log"][-container.config["health"]["max_log_count"] :]
        return found
    return {"Status": "starting", "FailingStreak": 0, "Log": None}


def _newer(directory: str, last: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the checks that went well and said nothing after the last one that the monitor has written down."""
    from runtime import answers
    from runtime.moments import rfc3339

    found: list[dict[str, Any]] = []
    for began, ended, status in reversed(answers.unheard(f"{directory}/answers")):
        start, end = rfc3339(began), rfc3339(ended)
        if (start, end) == (last["Start"], last["End"]):
            found.reverse()
            return found
        if status:
            found.clear()  # of which the monitor is told at once
        else:
            found.append({"Start": start, "End": end, "ExitCode": 0, "Output": ""})
    return []


def _read(config: Config, container: Container) -> str:
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
