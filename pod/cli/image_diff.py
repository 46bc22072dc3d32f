"""`pod image diff`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    names: Annotated[list[str] | None, Argument(metavar="IMAGE", help="An image, and one to compare it with")] = None,
    format: Annotated[str, Option("--format", metavar="string", help="Change the output format (json)")] = "",
) -> None:
    """Display the changes to the image's file system."""
    from pod.cli import diff

    diff.show(names or [], format=format, latest=False, kind="image")
