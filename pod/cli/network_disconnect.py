"""`pod network disconnect`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    network: Annotated[str, Argument(metavar="NETWORK", help="Name or ID")],
    container: Annotated[str, Argument(metavar="CONTAINER", help="Name or ID")],
    force: Annotated[
        bool, Option("--force", "-f", help="Force removal of container from network (it is always removed)")
    ] = False,
) -> None:
    """Remove container from a network."""
    from pod.cli import each
    from pod.engine import open_engine
    from pod.networks import membership

    del force  # podman has no use for it either
    engine = open_engine(write=True)
    membership.disconnect(engine, each.find(engine, container), network, container)
