"""Flags of `pod create` and `pod clone` on the infra container itself."""

from __future__ import annotations

from runtime import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Option

    from pod.cli.pod_creating import PodRequest


def declare(
    request: PodRequest,
    *,
    infra_command: Annotated[
        str, Option("--infra-command", metavar="string", help="The program of the infra container")
    ] = "",
    infra_conmon_pidfile: Annotated[
        str,
        Option(
            "--infra-conmon-pidfile", metavar="string", help="Path to the file that will receive the PID of the monitor"
        ),
    ] = "",
    infra_name: Annotated[
        str, Option("--infra-name", metavar="string", help="Assign a name to the infra container")
    ] = "",
) -> None:
    """Note what is asked for."""
    infra = request.infra
    infra.name = infra_name
    infra.entrypoint = infra_command.split() or None
    if infra_conmon_pidfile:
        infra.identity["conmon_pidfile"] = paths.absolute(infra_conmon_pidfile)
