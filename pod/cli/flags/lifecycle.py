"""Flags on how the container ends."""

from __future__ import annotations

from pod import values
from pod.containers import restart as policies
from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Option

    from pod.containers.create import CreateOptions


_SDNOTIFY = ("container", "conmon", "healthy", "ignore")
_SYSTEMD = ("true", "false", "always")


def declare(
    options: CreateOptions,
    *,
    restart: Annotated[
        str,
        Option(
            "--restart",
            metavar="string",
            help='Restart policy for when it exits ("always"|"no"|"never"|"on-failure[:n]"|"unless-stopped")',
        ),
    ] = "",
    sdnotify: Annotated[
        str,
        Option(
            "--sdnotify",
            metavar="string",
            help='Control sd-notify behavior ("container"|"conmon"|"healthy"|"ignore")',
        ),
    ] = "container",
    stop_signal: Annotated[
        str, Option("--stop-signal", metavar="string", help="Signal to stop a container. Default is SIGTERM")
    ] = "",
    stop_timeout: Annotated[
        int | None,
        Option("--stop-timeout", metavar="uint", min=0, help="Seconds to wait on stop before the container is killed"),
    ] = None,
    systemd: Annotated[
        str,
        Option("--systemd", metavar="string", help='Run container in systemd mode ("true"|"false"|"always")'),
    ] = "true",
    timeout: Annotated[
        int,
        Option("--timeout", metavar="uint", min=0, help="Maximum seconds a container may run (0 is no limit)"),
    ] = 0,
) -> None:
    """Note what is asked for. Raises PodError for what makes no sense."""
    options.timeout = min(timeout, values.LONGEST_TIMEOUT)
    if sdnotify not in _SDNOTIFY:
        raise PodError(
            f'invalid config provided: invalid argument: invalid sdnotify value "{sdnotify}": '
            "must be container, conmon, healthy or ignore"
        )
    options.sdnotify = sdnotify
    options.systemd = systemd.lower() or "true"
    if options.systemd not in _SYSTEMD:
        raise PodError(
            'invalid config provided: --systemd values must be one of "true, false, always": invalid configuration'
        )
    options.restart = policies.parse(restart)
    if options.auto_remove and options.restart["policy"] != "no":
        raise PodError('the --rm option conflicts with --restart, when the restartPolicy is not "" and "no"')
    options.stop_signal = values.parse_signal(stop_signal) if stop_signal else None
    if stop_timeout is not None:
        options.stop_timeout = min(stop_timeout, values.LONGEST_TIMEOUT)
