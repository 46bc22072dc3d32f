"""What a container's monitor is told of its health checks, and the program that it has probe."""

from __future__ import annotations

from pod.containers.health.checks import LOCAL, is_checked, path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pod.containers.health.checks import Check, HealthConfig
    from pod.engine import Engine
    from pod.state import Container

_SECOND = 1_000_000_000
_NEVER = (1 << 40) * _SECOND


def arguments(test: list[str]) -> list[str]:
    """Return the command line of a test."""
    if test[0] == "CMD-SHELL":
        return ["/bin/sh", "-c", *test[1:]]
    return test[1:] if test[0] == "CMD" else test


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
        "file": path(engine.config, container).encode("utf-8", "surrogateescape"),
        "normal": _check(engine, container, health["check"]),
        "startup": startup,
        "start_period": health["start_period"] / _SECOND,
        "on_failure": health["on_failure"],
        "max_count": health["max_log_count"],
        "max_size": health["max_log_size"],
        "is_own_file": health["log_destination"] in LOCAL,
        "log_events": health["log_destination"] == "events_logger",
        "stop_signal": container.config["stop_signal"],
        "stop_timeout": container.config["stop_timeout"],
    }


def _check(engine: Engine, container: Container, check: Check) -> dict[str, Any]:
    interval = check["interval"] or _NEVER
    return {
        "interval": interval / _SECOND,
        "timeout": check["timeout"] / _SECOND,
        "retries": check["retries"],
        "image": probe_program(engine, container, arguments(check["test"]), interval),
    }


def probe_program(engine: Engine, container: Container, words: list[str], interval: int) -> bytes:
    """Return the program that runs a command in a running container, every `interval` nanoseconds (runtime.probe)."""
    from pod.containers import runtimes
    from runtime import probe

    command = runtimes.exec_command(engine.config, container)
    if command is None:
        program = probe.prepare(engine.config.runtime_root, container.id, words, interval)
        if program is not None:
            return program
        from pod.containers.plan import engine_command

        command = [*engine_command(engine), "exec", container.id]
    return probe.prepare_command([*command, *words], runtimes.environment(), interval)
