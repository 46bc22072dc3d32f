"""Changing the name servers of a network. Source: podman-network-update(1)."""

from __future__ import annotations

from pod.errors import PodError
from pod.networks import create, leases
from pod.networks.network import Network
from runtime import jsontext
from storage import database

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.engine import Engine


def update(engine: Engine, name: str, *, add: list[str], drop: list[str]) -> Network:
    """Add name servers to a network, and take others away; what is there already, or is not, is no matter.

    Raises NoSuchNetworkError, PodError for what is no address or a network without names.
    """
    added, dropped = [create.address(text) for text in add], {create.address(text) for text in drop}
    with database.transaction(engine.connection):
        network = leases.named(engine, name)
        if not network.has_names:
            raise PodError("cannot set NetworkDNSServers if DNS is not enabled for the network: invalid argument")
        there = network.document.get("network_dns_servers") or []
        servers = [one for one in dict.fromkeys([*there, *added]) if one not in dropped]
        document = {**network.document, "network_dns_servers": servers}
        if not servers:
            del document["network_dns_servers"]
        text = jsontext.dumps(document)
        engine.connection.execute("UPDATE network SET document = ? WHERE name = ?", (text, network.name))
    return Network((network.name, network.id, network.created, text))
