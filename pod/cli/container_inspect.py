"""`pod container inspect`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    containers: Annotated[list[str], Argument(metavar="CONTAINER [CONTAINER...]", help="Names or IDs")],
    format: Annotated[
        str, Option("--format", "-f", metavar="string", help="Format the output to a Go template or json")
    ] = "",
    size: Annotated[bool, Option("--size", "-s", help="Display total file size")] = False,
) -> int:
    """Display the configuration of a container."""
    from pod.cli.inspect import show

    return show(containers, kind="container", format=format, size=size)
