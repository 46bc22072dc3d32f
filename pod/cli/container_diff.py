"""`pod container diff`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    names: Annotated[list[str] | None, Argument(metavar="CONTAINER", help="Names or IDs")] = None,
    format: Annotated[str, Option("--format", metavar="string", help="Change the output format (json)")] = "",
    latest: Annotated[bool, Option("--latest", "-l", help="Act on the latest container pod is aware of")] = False,
) -> None:
    """Display the changes to the container's file system."""
    from pod.cli import diff

    diff.show(names or [], format=format, latest=latest, kind="container")
