"""`pod network inspect`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    networks: Annotated[list[str], Argument(metavar="NETWORK [NETWORK...]", help="Names or IDs")],
    format: Annotated[
        str, Option("--format", "-f", metavar="string", help="Pretty-print network to JSON or using a Go template")
    ] = "",
) -> int:
    """Inspect networks."""
    from pod.cli.inspect import show

    return show(networks, kind="network", format=format, size=False)
