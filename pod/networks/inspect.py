"""Networks as `network inspect` tells them, and what `inspect` and `ps` tell of a container's networks and ports.

The names are podman's: podman-network-inspect(1), podman-inspect(1).
"""

from __future__ import annotations

from pod import state
from pod.containers.inspect import fields as inspect_fields
from pod.networks import rows, subnets
from pod.networks.settings import default_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from typing import Any

    from pod.engine import Engine
    from pod.networks.network import Attachment, Network
    from pod.state import Container

_ORDER = (
    *("driver", "network_interface", "created", "subnets", "routes", "ipv6_enabled", "internal", "dns_enabled"),
    *("network_dns_servers", "labels", "options", "ipam_options"),
)


def document(network: Network) -> dict[str, Any]:
    """Return a network as lists show it."""
    from pod.containers.inspect.document import moment

    known = {**network.document, "created": moment(network.created)}
    shown = {key: known[key] for key in _ORDER if known.get(key) or isinstance(known.get(key), bool)}
    return {"name": network.name, "id": network.id, **shown}


def inspect_network(engine: Engine, network: Network) -> dict[str, Any]:
    """Return all that is known of a network, the containers on it that run included."""
    from pod.containers.status import observe

    containers = {}
    for one in rows.attachments(engine.connection, network=network.name):
        if observe(engine.config, one.container).is_running:
            held = [_held(one, address) for address in one.addresses]
            interface = {"subnets": held, "mac_address": _mac(one)}
            name = state.find_container(engine.connection, one.container).name
            containers[one.container] = {"name": name, "interfaces": {one.place["interface"]: interface}}
    return {**document(network), "containers": containers}


def for_template(told: dict[str, Any]) -> dict[str, Any]:
    """Return what is told of a network with the fields that its JSON leaves out where they are empty."""
    empty: dict[str, Any] = {
        "routes": [],
        "subnets": [],
        "network_dns_servers": [],
        "labels": {},
        "options": {},
        "ipam_options": {},
    }
    return empty | told


def _mac(one: Attachment) -> str:
    return one.mac.hex(":") if one.mac else ""


def _held(one: Attachment, address: str) -> dict[str, str]:
    whole, gateway = subnet_of(one, address)
    found = {"ipnet": f"{address}/{whole.prefix}"}
    return {**found, "gateway": gateway} if gateway else found


def subnet_of(one: Attachment, address: str) -> tuple[subnets.Range, str]:
    """Return the range of an address of a container, and the gateway there."""
    for subnet in one.network.subnets:
        whole = subnets.parse(subnet["subnet"])
        if whole.contains(subnets.address(address)):
            return whole, subnet.get("gateway", "")
    width = subnets.address(address)[0]
    return subnets.Range(width, subnets.address(address)[1], width), ""


def endpoint(one: Attachment, *, running: bool) -> dict[str, Any]:
    """Return an entry of NetworkSettings.Networks; the addresses are those of a container that runs."""
    found = inspect_fields.endpoint(one.network.name)
    found |= {"MacAddress": _mac(one) if running else "", "Aliases": [*one.place["aliases"], one.container[:12]]}
    for address in one.addresses if running else ():
        whole, gateway = subnet_of(one, address)
        v6 = whole.width == 128
        names = (
            ("GlobalIPv6Address", "GlobalIPv6PrefixLen", "IPv6Gateway")
            if v6
            else (("IPAddress", "IPPrefixLen", "Gateway"))
        )
        if not found[names[0]]:
            found |= {names[0]: address, names[1]: whole.prefix, names[2]: "" if one.network.internal else gateway}
    return found


def settings(engine: Engine, container: Container, *, pid: int) -> dict[str, Any]:
    """Return what NetworkSettings has of a container beyond the fields that are the same for all.

    `pid` is that of its process, 0 if it does not run.
    """
    found: dict[str, Any] = {"Ports": exposed_ports(container)}
    mode: str = container.config["namespaces"]["network"]
    if pid and mode in ("bridge", "pasta"):
        found["SandboxKey"] = f"/proc/{pid}/ns/net"
    if mode != "bridge":
        return {**found, "Networks": {mode: inspect_fields.endpoint(mode)}}
    places = rows.attachments(engine.connection, container=container.id)
    networks = {one.network.name: endpoint(one, running=bool(pid)) for one in places}
    default = networks.get(default_name(engine.config.network))
    if default is not None and len(networks) == 1:
        # As Docker does for its one default network.
        names = ("EndpointID", "Gateway", "IPAddress", "IPPrefixLen", "IPv6Gateway", "GlobalIPv6Address")
        found |= {name: default[name] for name in (*names, "GlobalIPv6PrefixLen", "MacAddress")}
    return {**found, "Networks": networks}


def exposed_ports(container: Container) -> dict[str, Any]:
    """Return the ports of a container, each with where it is published, null if it is only exposed."""
    return dict.fromkeys(container.config["network"]["expose"]) | inspect_fields.bindings(container.config["ports"])


def names_by_container(connection: sqlite3.Connection) -> dict[str, list[str]]:
    """Return the names of the networks that each container is on, in their order; by its ID."""
    found: dict[str, list[str]] = {}
    for container, name in connection.execute("SELECT container, network FROM container_network ORDER BY network"):
        found.setdefault(container, []).append(name)
    return found
