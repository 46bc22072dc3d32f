"""What `network create` makes of its flags: a document, checked against the host and the other networks.

Source: podman-network-create(1), whose words the messages are.
"""

from __future__ import annotations

import posix
import time

from pod import events
from pod.errors import PodError
from pod.networks import leases, rows, settings, subnets
from pod.networks.network import Network
from runtime import jsontext
from storage import database

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pod.engine import Engine

DRIVERS = ("bridge", "macvlan", "ipvlan")
_MODES = {
    "bridge": ("managed", "unmanaged"),
    "macvlan": ("bridge", "private", "vepa", "passthru"),
    "ipvlan": ("l2", "l3", "l3s"),
}
_OPTIONS = {
    "bridge": ("mtu", "vlan", "isolate", "metric", "mode", "no_default_route", "vrf"),
    "macvlan": ("parent", "mtu", "metric", "mode", "no_default_route", "bclim"),
    "ipvlan": ("parent", "mtu", "metric", "mode", "no_default_route"),
}
_DOCKER = {"com.docker.network.driver.mtu": "mtu"}
_DOCKER_BRIDGE = "com.docker.network.bridge.name"
_RESERVED = ("bridge", "container", "default", "host", "none", "ns", "pasta", "private", "slirp4netns")
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")


class NetworkFlags:
    """What the command line asks for."""

    def __init__(self, name: str) -> None:
        self.name = name  # empty for one of our choice
        self.driver = "bridge"
        self.subnets: list[str] = []
        self.gateways: list[str] = []
        self.ranges: list[str] = []
        self.routes: list[str] = []
        self.ipv6 = False
        self.internal = False
        self.disable_dns = False
        self.dns: list[str] = []
        self.labels: dict[str, str] = {}
        self.options: dict[str, str] = {}
        self.interface = ""
        self.ipam_driver = ""


def create(engine: Engine, asked: NetworkFlags, *, ignore: bool = False) -> str:
    """Make a network and return its name; with `ignore`, one that is there already will do.

    Raises PodError for what makes no sense, NetworkExistsError.
    """
    _check_name(asked.name)
    document = _document(asked)
    with database.transaction(engine.connection):
        taken = {network.name for network in rows.everything(engine.connection)} | {leases.default_name(engine)}
        if asked.name in taken:
            if ignore:
                return asked.name
            raise rows.NetworkExistsError(asked.name)
        name = asked.name or next(one for number in range(1, len(taken) + 2) if (one := f"podman{number}") not in taken)
        _settle_interface(engine, asked, document)
        _settle_subnets(engine, asked, document)
        network = Network((name, posix.urandom(32).hex(), time.time(), jsontext.dumps(document)))
        rows.insert(engine.connection, network)
    tell(engine, network, "create")
    return name


def tell(engine: Engine, network: Network, status: str) -> None:
    """Record that something has happened to a network."""
    attributes = {"driver": network.driver}
    events.record(
        engine.config, "network", status, id=network.id, fields={"Network": network.name}, attributes=attributes
    )


def _check_name(name: str) -> None:
    if name in _RESERVED:
        raise PodError(f'cannot create network with name "{name}" because it conflicts with a valid network mode')
    if name and (name[0] in "_.-" or not _NAME.issuperset(name) or len(name) > 255):
        raise PodError(f"network name {name} invalid: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument")


def _document(asked: NetworkFlags) -> dict[str, Any]:
    if asked.driver not in DRIVERS:
        raise PodError(f"unsupported driver {asked.driver}: invalid argument", hint="known are " + ", ".join(DRIVERS))
    document: dict[str, Any] = {"driver": asked.driver, "network_interface": "", "subnets": []}
    if asked.routes:
        document["routes"] = [_route(text) for text in asked.routes]
    # What is below a macvlan or ipvlan has servers of its own.
    names = not asked.disable_dns and asked.ipam_driver != "none" and asked.driver == "bridge"
    if asked.dns and not names:
        raise PodError("cannot set NetworkDNSServers if DNS is not enabled for the network: invalid argument")
    document |= {"ipv6_enabled": asked.ipv6, "internal": asked.internal, "dns_enabled": names}
    if asked.dns:
        document["network_dns_servers"] = [address(text) for text in asked.dns]
    if asked.labels:
        document["labels"] = asked.labels
    said = dict(asked.options)
    if asked.driver == "bridge" and _DOCKER_BRIDGE in said:
        asked.interface = said.pop(_DOCKER_BRIDGE)
    options = _options(asked.driver, said)
    if options:
        document["options"] = options
    return document | {"ipam_options": {"driver": _ipam(asked)}}


def address(text: str) -> str:
    """Return an address as usually written. Raises PodError."""
    try:
        return subnets.normal(text)
    except ValueError:
        raise PodError(f'invalid IP address: "{text}"') from None


def _ipam(asked: NetworkFlags) -> str:
    driver = asked.ipam_driver or "host-local"
    if driver == "none":
        if asked.subnets:
            raise PodError("none ipam driver is set but subnets are given")
        return driver
    if asked.driver == "ipvlan" and (driver == "dhcp" or not (asked.ipam_driver or asked.subnets)):
        raise PodError("ipam driver dhcp is not supported with ipvlan", hint="say --subnet, or --ipam-driver none")
    if asked.driver != "bridge" and asked.ipam_driver == "host-local" and not asked.subnets:
        raise PodError(
            f"{asked.driver} driver needs at least one subnet specified when the host-local ipam driver is set"
        )
    if driver == "dhcp" or (asked.driver != "bridge" and not asked.subnets):
        if driver == "dhcp" and asked.driver == "bridge":
            raise PodError("ipam driver dhcp is not supported: invalid argument", hint="choose host-local or none")
        raise PodError(
            f"{asked.driver} driver needs at least one subnet specified, DHCP is not supported",
            hint="say --subnet with addresses of that network that are free, or --ipam-driver none",
        )
    if driver != "host-local":
        raise PodError(f"unsupported ipam driver {driver}: invalid argument", hint="choose host-local or none")
    return driver


def _options(driver: str, said: dict[str, str]) -> dict[str, str]:
    found = {}
    for key, value in said.items():
        name = _DOCKER.get(key, key)
        if name not in _OPTIONS[driver]:
            everywhere = {one for names in _OPTIONS.values() for one in names}
            if name in everywhere:
                raise PodError(f'cannot set option "{name}" with driver "{driver}"')
            raise PodError(
                f"unsupported {driver} network option {key}", hint="known are " + ", ".join(_OPTIONS[driver])
            )
        found[name] = _option(driver, name, value)
    return found


def _option(driver: str, name: str, value: str) -> str:
    if name in ("mtu", "vlan", "metric", "bclim"):
        text = value.removeprefix("-") if name == "bclim" else value
        if not (text.isascii() and text.isdecimal()):
            raise PodError(f'parsing {name} option: strconv.ParseUint: parsing "{value}": invalid syntax')
        largest = {"vlan": 4094, "mtu": 65535}.get(name, 2**32 - 1)
        if int(text) > largest:
            shown = "vlan ID" if name == "vlan" else name
            raise PodError(f"{shown} {value} must be between 0 and {largest}")
    elif name in ("isolate", "no_default_route"):
        lower = value.lower()
        if not (name == "isolate" and lower == "strict"):
            if lower not in ("1", "t", "true", "0", "f", "false"):
                raise PodError(f'failed to parse {name} option: strconv.ParseBool: parsing "{value}": invalid syntax')
            return "true" if lower in ("1", "t", "true") else "false"
        return lower
    elif name == "mode" and value not in _MODES[driver]:
        raise PodError(f'unknown {driver} mode "{value}"', hint="known are " + ", ".join(_MODES[driver]))
    return value


def _route(text: str) -> dict[str, Any]:
    """Return the route of DESTINATION,GATEWAY[,METRIC]."""
    parts = text.split(",")
    try:
        if len(parts) not in (2, 3):
            raise ValueError(text)
        found: dict[str, Any] = {"destination": str(subnets.parse(parts[0])), "gateway": subnets.normal(parts[1])}
        if (":" in found["destination"]) != (":" in found["gateway"]):
            raise ValueError(text)
        if len(parts) == 3:
            if not (parts[2].isascii() and parts[2].isdecimal() and int(parts[2]) < 2**32):
                raise ValueError(text)
            found["metric"] = int(parts[2])
    except ValueError:
        raise PodError(
            f"invalid route: {text}",
            hint="a route is written DESTINATION/PREFIX,GATEWAY[,METRIC], as in 10.21.0.0/24,10.19.12.250,100",
        ) from None
    return found


def _settle_interface(engine: Engine, asked: NetworkFlags, document: dict[str, Any]) -> None:
    host = subnets.interfaces()
    if asked.driver != "bridge":
        parent = document.get("options", {}).pop("parent", "")
        name = asked.interface or parent
        if name and name not in host:
            raise PodError(f"parent interface {name} does not exist")
        document["network_interface"] = name
        if not document.get("options", True):
            del document["options"]
        return
    if asked.interface:
        from pod.networks.flags import interface

        used = {network.interface for network in rows.everything(engine.connection)}
        if not _shares_bridge(document) and asked.interface in used | host:
            raise PodError(f"bridge name {asked.interface} already in use")
        document["network_interface"] = interface(asked.interface)
        return
    document["network_interface"] = leases.free_interface(engine.connection, first=1)


def _shares_bridge(document: dict[str, Any]) -> bool:
    """Tell whether the bridge, and its subnets, may be those of others: it is not ours, or divided into VLANs."""
    options = document.get("options", {})
    return options.get("mode") == "unmanaged" or "vlan" in options


def _settle_subnets(engine: Engine, asked: NetworkFlags, document: dict[str, Any]) -> None:
    if not asked.subnets and (asked.gateways or asked.ranges):
        raise PodError("cannot set gateway or range without subnet")
    for what, values in (("gateways", asked.gateways), ("ranges", asked.ranges)):
        if len(values) > len(asked.subnets):
            raise PodError(f"cannot set more {what} than subnets")
    if document["ipam_options"]["driver"] == "none":
        del document["subnets"]
        return
    taken = leases.taken_ranges(engine.connection)
    found: list[subnets.Range] = []
    for index, text in enumerate(asked.subnets):
        try:
            whole = subnets.parse(text)
        except ValueError:
            raise PodError(f"invalid CIDR address: {text}") from None
        # What is below a macvlan or ipvlan is the host's own network.
        others = [*found, *(taken if asked.driver == "bridge" and not _shares_bridge(document) else ())]
        if any(whole.overlaps(other) for other in others):
            raise PodError(f"subnet {whole} is already used on the host or by another config")
        found.append(whole)
        gateway = asked.gateways[index] if index < len(asked.gateways) else ""
        limits = asked.ranges[index] if index < len(asked.ranges) else ""
        document["subnets"].append(_subnet(whole, gateway, limits))
    # With --ipv6 a network has both kinds.
    if not found or (asked.ipv6 and all(one.width == 128 for one in found)):
        chosen = subnets.free(taken, settings.pools(engine.config.network))
        if chosen is None:
            raise PodError("could not find free subnet from subnet pools", hint="say one with --subnet")
        found.append(chosen)
        document["subnets"].append(_subnet(chosen, "", ""))
    if asked.ipv6 and all(one.width == 32 for one in found):
        found.append(subnets.unique_local())
        document["subnets"].append(_subnet(found[-1], "", ""))
    document["ipv6_enabled"] = any(one.width == 128 for one in found)


def _subnet(whole: subnets.Range, gateway: str, limits: str) -> dict[str, Any]:
    if whole.width - whole.prefix < 2:
        raise PodError(f"subnet {whole} has no room for containers", hint="choose a shorter prefix")
    chosen = address(gateway) if gateway else subnets.written(whole.width, whole.first + 1)
    if not whole.contains(subnets.address(chosen)):
        raise PodError(f"gateway {chosen} not in subnet {whole}")
    found: dict[str, Any] = {"subnet": str(whole), "gateway": chosen}
    if limits:
        start, end = _limits(limits)
        for what, text in (("start", start), ("end", end)):
            if not whole.contains(subnets.address(text)):
                raise PodError(f"lease range {what} ip {text} not in subnet {whole}")
        if subnets.address(end) < subnets.address(start):
            raise PodError(f"lease range end ip {end} is lower than start ip {start}")
        found["lease_range"] = {"start_ip": start, "end_ip": end}
    return found


def _limits(text: str) -> tuple[str, str]:
    """Return the first and the last address of ADDRESS/PREFIX or FIRST-LAST."""
    first, dash, last = text.partition("-")
    if dash:
        return address(first), address(last)
    try:
        whole = subnets.parse(text)
    except ValueError:
        raise PodError(f"invalid CIDR address: {text}") from None
    return subnets.written(whole.width, whole.first + 1), subnets.written(whole.width, whole.last)
