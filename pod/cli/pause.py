"""`pod pause`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    containers: Annotated[list[str] | None, Argument(metavar="CONTAINER [CONTAINER...]", help="Names or IDs")] = None,
    all: Annotated[bool, Option("--all", "-a", help="Pause all running containers")] = False,
    cidfile: Annotated[
        list[str] | None, Option("--cidfile", metavar="stringArray", help="Read the container ID from the file")
    ] = None,
    filter: Annotated[
        list[str] | None, Option("--filter", "-f", metavar="strings", help="Filter output based on conditions given")
    ] = None,
    latest: Annotated[bool, Option("--latest", "-l", help="Act on the latest container")] = False,
) -> int:
    """Pause all the processes in one or more containers."""
    from pod.cli import pausing
    from pod.containers import pause

    return pausing.change(
        "pause",
        pause.pause,
        containers or [],
        all=all,
        state="running",
        latest=latest,
        filters=filter,
        cidfiles=cidfile,
    )
