"""What the flags and an image's HEALTHCHECK come to, with podman's words for what makes no sense."""

from __future__ import annotations

from pod.containers.health.checks import NONE
from pod.errors import PodError
from runtime import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pod.containers.health.checks import Check, HealthConfig

ACTIONS = ("none", "kill", "restart", "stop")
_SECOND = 1_000_000_000
_INTERVAL = _TIMEOUT = 30 * _SECOND
_RETRIES = 3


def configure(said: dict[str, Any], image_config: dict[str, Any]) -> HealthConfig | None:
    """Return what a container is created with. `said` has what the flags say, by their names; raises PodError."""
    command = said.get("health_cmd") or ""
    if said.get("no_healthcheck"):
        if command:
            raise PodError("cannot specify both --no-healthcheck and --health-cmd")
        command = "none"
    check = _check(said, command, image_config.get("Healthcheck") or {})
    action = said.get("health_on_failure") or "none"
    if action not in ACTIONS:
        raise PodError(
            f'invalid on-failure action "{action}" for health check: supported actions are {",".join(ACTIONS)}'
        )
    checked = check is not None and check["test"] != NONE
    if action != "none" and not checked:
        raise PodError(f"cannot set on-failure action to {action} without a health check")
    startup = _startup(said)
    if startup is not None and not checked:
        raise PodError("cannot set a startup healthcheck when there is no regular healthcheck: invalid argument")
    if check is None:
        return None
    image = image_config.get("Healthcheck") or {}
    return {
        "check": check,
        "start_period": _duration(said, "start-period") or (image.get("StartPeriod") or 0 if not command else 0),
        "startup": startup,
        "startup_success": _number(said.get("health_startup_success"), 0),
        "on_failure": action,
        "log_destination": _destination(said.get("health_log_destination") or "local"),
        "max_log_count": _number(said.get("health_max_log_count"), 5),
        "max_log_size": _number(said.get("health_max_log_size"), 500),
    }


def _check(said: dict[str, Any], command: str, image: dict[str, Any]) -> Check | None:
    test = _test(command) if command else list(image.get("Test") or [])
    if test and test[0] == "NONE":
        return {"test": list(NONE), "interval": 0, "timeout": 0, "retries": 0}
    retries = said.get("health_retries")
    if retries is not None and retries < 1:
        raise PodError("healthcheck-retries must be greater than 0")
    interval, timeout = _interval(said.get("health_interval"), "interval"), _duration(said, "timeout")
    if timeout is not None and timeout < _SECOND:
        raise PodError("healthcheck-timeout must be at least 1 second")
    _duration(said, "start-period")
    if not test:
        return None
    image = {} if command else image
    return {
        "test": test,
        "interval": interval if interval is not None else image.get("Interval") or _INTERVAL,
        "timeout": timeout or image.get("Timeout") or _TIMEOUT,
        "retries": retries or image.get("Retries") or _RETRIES,
    }


def _startup(said: dict[str, Any]) -> Check | None:
    command = said.get("health_startup_cmd") or ""
    if not command:
        return None
    if said.get("no_healthcheck"):
        raise PodError("cannot specify both --no-healthcheck and --health-startup-cmd")
    timeout = _duration(said, "startup-timeout")
    if timeout is not None and timeout < _SECOND:
        raise PodError("healthcheck-timeout must be at least 1 second")
    interval = _interval(said.get("health_startup_interval"), "interval")
    return {
        "test": _test(command),
        "interval": _INTERVAL if interval is None else interval,
        "timeout": timeout or _TIMEOUT,
        "retries": _number(said.get("health_startup_retries"), 0),
    }


def _test(command: str) -> list[str]:
    """Return the test of a command: JSON for a list of words, `none`, or else text for a shell."""
    if command == "none":
        return list(NONE)
    from runtime import jsontext

    try:
        words = jsontext.loads(command) if command.lstrip().startswith("[") else None
    except ValueError:
        words = None
    if not (isinstance(words, list) and words and all(isinstance(word, str) for word in words)):
        return ["CMD-SHELL", command]
    return words if words[0] in ("CMD", "CMD-SHELL", "NONE") else ["CMD", *words]


def _interval(text: str | None, name: str) -> int | None:
    if not text:
        return None
    if text == "disable":
        return 0
    nanoseconds = _parse(text, name)
    if nanoseconds < 0:
        raise PodError(f"healthcheck-{name} must be 0 seconds or greater")
    return nanoseconds


def _duration(said: dict[str, Any], name: str) -> int | None:
    text = said.get(f"health_{name.replace('-', '_')}")
    if not text:
        return None
    nanoseconds = _parse(text, name)
    if nanoseconds < 0:
        raise PodError(f"healthcheck-{name} must be 0 seconds or greater")
    return nanoseconds


def _parse(text: str, name: str) -> int:
    from pod.times import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise PodError(f"invalid healthcheck-{name}: {error}") from None


def _number(value: int | None, default: int) -> int:
    return default if value is None else value


def _destination(text: str) -> str:
    if text in ("local", "events_logger"):
        return text
    directory = paths.absolute(text)
    if not paths.is_directory(directory):
        raise PodError(f"HealthCheck Log '{text}' destination error: stat {text}: no such file or directory")
    return directory
