"""Flags on the container's log."""

from __future__ import annotations

from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Option

    from pod.containers.create import CreateOptions

_LOG_DRIVERS = ("k8s-file", "none")


def declare(
    options: CreateOptions,
    *,
    log_driver: Annotated[
        str, Option("--log-driver", metavar="string", help="Logging driver for the container (k8s-file, none)")
    ] = "",
) -> None:
    """Note what is asked for. Raises PodError for what makes no sense."""
    options.log_driver = _log_driver(log_driver)


def _log_driver(name: str) -> str:
    if name in ("", "json-file"):
        return "k8s-file"
    if name not in _LOG_DRIVERS:
        raise PodError(f'invalid log driver "{name}"', hint="known are " + ", ".join(_LOG_DRIVERS))
    return name
