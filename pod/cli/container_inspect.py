"""`pod container inspect`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    containers: Annotated[list[str] | None, Argument(metavar="CONTAINER [CONTAINER...]", help="Names or IDs")] = None,
    format: Annotated[
        str, Option("--format", "-f", metavar="string", help="Format the output to a Go template or json")
    ] = "",
    latest: Annotated[bool, Option("--latest", "-l", help="Act on the latest container")] = False,
    size: Annotated[bool, Option("--size", "-s", help="Display total file size")] = False,
) -> int:
    """Display the configuration of a container."""
    from pod.cli import inspect

    return inspect.main(containers, format=format, latest=latest, size=size, type="container")
