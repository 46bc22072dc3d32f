"""`pod network connect`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    network: Annotated[str, Argument(metavar="NETWORK", help="Name or ID")],
    container: Annotated[str, Argument(metavar="CONTAINER", help="Name or ID")],
    alias: Annotated[
        list[str] | None, Option("--alias", metavar="strings", help="Network scoped alias for container")
    ] = None,
    ip: Annotated[str, Option("--ip", metavar="ip", help="Set a static ipv4 address for this container network")] = "",
    ip6: Annotated[
        str, Option("--ip6", metavar="ip", help="Set a static ipv6 address for this container network")
    ] = "",
    mac_address: Annotated[
        str, Option("--mac-address", metavar="string", help="Set a static mac address for this container network")
    ] = "",
) -> None:
    """Add container to a network."""
    from pod.cli import each
    from pod.engine import open_engine
    from pod.networks import flags, membership

    place = flags.place(aliases=alias or [], addresses={"--ip": ip, "--ip6": ip6}, mac_address=mac_address)
    engine = open_engine(write=True)
    membership.connect(engine, each.find(engine, container), network, place)
