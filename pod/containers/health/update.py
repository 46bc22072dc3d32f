"""Changing the health check of a container that is there: what is said anew, and of the rest what it has already."""

from __future__ import annotations

from pod.containers.health.checks import NONE
from pod.errors import PodError
from runtime import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pod.containers.health.checks import Check, HealthConfig

    Said = dict[str, Any]


def changed(health: HealthConfig | None, said: Said) -> HealthConfig | None:
    """Return the health check as it is to be. `said` has what the flags say, by their names; raises PodError."""
    from pod.containers.health import flags as health_flags

    given = {name: value for name, value in said.items() if value not in ("", None, False)}
    if given.get("no_healthcheck") or given.get("health_cmd") == "none":
        if len(given) > 1:
            raise PodError("cannot specify both --no-healthcheck and other HealthCheck flags")
        return health_flags.configure(given, {})
    known = _said(health)
    if not known and "health_cmd" not in given:
        raise PodError(
            "cannot change the health check: the container has none", hint="--health-cmd says what it is to be"
        )
    return health_flags.configure(known | given, {})


def _said(health: HealthConfig | None) -> Said:
    """Return the flags that a health check would come from; empty for none."""
    if health is None or health["check"]["test"] == NONE:
        return {}
    check, startup = health["check"], health["startup"]
    said = {
        "health_cmd": jsontext.dumps(check["test"]),
        "health_interval": _interval(check),
        "health_timeout": f"{check['timeout']}ns",
        "health_retries": check["retries"],
        "health_start_period": f"{health['start_period']}ns",
        "health_on_failure": health["on_failure"],
        "health_log_destination": health["log_destination"],
        "health_max_log_count": health["max_log_count"],
        "health_max_log_size": health["max_log_size"],
    }
    if startup is None:
        return said
    return said | {
        "health_startup_cmd": jsontext.dumps(startup["test"]),
        "health_startup_interval": _interval(startup),
        "health_startup_timeout": f"{startup['timeout']}ns",
        "health_startup_retries": startup["retries"],
        "health_startup_success": health["startup_success"],
    }


def _interval(check: Check) -> str:
    return f"{check['interval']}ns" if check["interval"] else "disable"
