"""`pod network exists`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument


def main(
    network: Annotated[str, Argument(metavar="NETWORK", help="Name or ID")],
) -> int:
    """Check if network exists."""
    from pod.engine import open_engine
    from pod.networks import listing, rows

    try:
        listing.find(open_engine(write=False), network)
    except rows.NoSuchNetworkError:
        return 1
    return 0
