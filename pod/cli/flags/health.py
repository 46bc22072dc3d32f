"""Flags on health checks."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any, Protocol

    from typer import Option

    class Checked(Protocol):
        """Whatever has a health check: a container to be, or the changes to one."""

        health: dict[str, Any]


def declare(
    options: Checked,
    *,
    health_cmd: Annotated[
        str,
        Option(
            "--health-cmd",
            "--healthcheck-command",
            "--healthcheck-cmd",
            metavar="string",
            help="Set a healthcheck command for the container ('none' disables the existing healthcheck)",
        ),
    ] = "",
    health_interval: Annotated[
        str,
        Option(
            "--health-interval",
            "--healthcheck-interval",
            metavar="string",
            help="Set an interval for the healthcheck (30s; 'disable' for no automatic checks)",
        ),
    ] = "",
    health_log_destination: Annotated[
        str,
        Option(
            "--health-log-destination",
            metavar="string",
            help="Set the destination of the HealthCheck log (local, events_logger, or a directory)",
        ),
    ] = "",
    health_max_log_count: Annotated[
        int | None,
        Option(
            "--health-max-log-count",
            metavar="uint",
            min=0,
            help="Set maximum number of attempts in the HealthCheck log file (0 is infinite)",
        ),
    ] = None,
    health_max_log_size: Annotated[
        int | None,
        Option(
            "--health-max-log-size",
            metavar="uint",
            min=0,
            help="Set maximum length in characters of stored HealthCheck log (0 is infinite)",
        ),
    ] = None,
    health_on_failure: Annotated[
        str,
        Option(
            "--health-on-failure",
            metavar="string",
            help='Action to take once the container turns unhealthy ("none"|"kill"|"restart"|"stop")',
        ),
    ] = "",
    health_retries: Annotated[
        int | None,
        Option(
            "--health-retries",
            "--healthcheck-retries",
            metavar="uint",
            min=0,
            help="The number of retries allowed before a healthcheck is considered to be unhealthy",
        ),
    ] = None,
    health_start_period: Annotated[
        str,
        Option(
            "--health-start-period",
            "--healthcheck-start-period",
            metavar="string",
            help="The initialization time needed for a container to bootstrap",
        ),
    ] = "",
    health_startup_cmd: Annotated[
        str,
        Option("--health-startup-cmd", metavar="string", help="Set a startup healthcheck command for the container"),
    ] = "",
    health_startup_interval: Annotated[
        str, Option("--health-startup-interval", metavar="string", help="Set an interval for the startup healthcheck")
    ] = "",
    health_startup_retries: Annotated[
        int | None,
        Option(
            "--health-startup-retries",
            metavar="uint",
            min=0,
            help="Set the maximum number of retries before the startup healthcheck will restart the container",
        ),
    ] = None,
    health_startup_success: Annotated[
        int | None,
        Option(
            "--health-startup-success",
            metavar="uint",
            min=0,
            help="Set the number of consecutive successes before the startup healthcheck is marked as successful",
        ),
    ] = None,
    health_startup_timeout: Annotated[
        str,
        Option(
            "--health-startup-timeout",
            metavar="string",
            help="Set the maximum amount of time that the startup healthcheck may take",
        ),
    ] = "",
    health_timeout: Annotated[
        str,
        Option(
            "--health-timeout",
            "--healthcheck-timeout",
            metavar="string",
            help="The maximum time allowed to complete the healthcheck before an interval is considered failed",
        ),
    ] = "",
    no_healthcheck: Annotated[bool, Option("--no-healthcheck", help="Disable healthchecks on container")] = False,
) -> None:
    """Note what is asked for; it makes sense or not only together with the image."""
    options.health = {
        "health_cmd": health_cmd,
        "health_interval": health_interval,
        "health_log_destination": health_log_destination,
        "health_max_log_count": health_max_log_count,
        "health_max_log_size": health_max_log_size,
        "health_on_failure": health_on_failure,
        "health_retries": health_retries,
        "health_start_period": health_start_period,
        "health_startup_cmd": health_startup_cmd,
        "health_startup_interval": health_startup_interval,
        "health_startup_retries": health_startup_retries,
        "health_startup_success": health_startup_success,
        "health_startup_timeout": health_startup_timeout,
        "health_timeout": health_timeout,
        "no_healthcheck": no_healthcheck,
    }
