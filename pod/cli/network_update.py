"""`pod network update`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    network: Annotated[str, Argument(metavar="NETWORK", help="Name or ID")],
    dns_add: Annotated[
        list[str] | None, Option("--dns-add", metavar="strings", help="Add network level nameservers")
    ] = None,
    dns_drop: Annotated[
        list[str] | None, Option("--dns-drop", metavar="strings", help="Remove network level nameservers")
    ] = None,
) -> None:
    """Update an existing network."""
    from pod.engine import open_engine
    from pod.networks.update import update

    add, drop = ([one for item in said or [] for one in item.split(",") if one] for said in (dns_add, dns_drop))
    print(update(open_engine(write=True), network, add=add, drop=drop).name)
