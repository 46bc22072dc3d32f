"""`pod image scp`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    source: Annotated[str, Argument(metavar="IMAGE")],
    target: Annotated[str, Argument(metavar="[HOST::]")] = "",
    quiet: Annotated[bool, Option("--quiet", "-q", help="Suppress the output")] = False,
) -> None:
    """Securely copy an image from one host to another, or from one user's store to another's."""
    from pod.images import scp

    scp.copy(*scp.places(source, target), quiet=quiet)
