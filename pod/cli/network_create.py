"""`pod network create`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    name: Annotated[str, Argument(metavar="[NAME]", help="The name, made up if not given")] = "",
    disable_dns: Annotated[bool, Option("--disable-dns", help="Disable the resolution of names")] = False,
    dns: Annotated[
        list[str] | None, Option("--dns", metavar="strings", help="DNS servers this network will use")
    ] = None,
    driver: Annotated[
        str, Option("--driver", "-d", metavar="string", help="Driver to manage the network (bridge, macvlan, ipvlan)")
    ] = "bridge",
    gateway: Annotated[
        list[str] | None, Option("--gateway", metavar="ipSlice", help="IPv4 or IPv6 gateway for the subnet")
    ] = None,
    ignore: Annotated[bool, Option("--ignore", help="Don't fail if network already exists")] = False,
    interface_name: Annotated[
        str, Option("--interface-name", metavar="string", help="Interface name which is used by the driver")
    ] = "",
    internal: Annotated[bool, Option("--internal", help="Restrict external access from this network")] = False,
    ip_range: Annotated[
        list[str] | None,
        Option("--ip-range", metavar="stringArray", help="Allocate container IP from range (CIDR, or FIRST-LAST)"),
    ] = None,
    ipam_driver: Annotated[
        str, Option("--ipam-driver", metavar="string", help="IP address management driver (host-local, none)")
    ] = "",
    ipv6: Annotated[bool, Option("--ipv6", help="Enable IPv6 networking")] = False,
    label: Annotated[
        list[str] | None, Option("--label", metavar="stringArray", help="Set metadata on a network")
    ] = None,
    opt: Annotated[
        list[str] | None,
        Option(
            "--opt",
            "-o",
            metavar="stringArray",
            help="Set driver specific options (mtu, vlan, isolate, metric, mode, no_default_route; parent)",
        ),
    ] = None,
    route: Annotated[
        list[str] | None, Option("--route", metavar="stringArray", help="Static route (DESTINATION,GATEWAY[,METRIC])")
    ] = None,
    subnet: Annotated[
        list[str] | None, Option("--subnet", metavar="stringArray", help="Subnets in CIDR format")
    ] = None,
) -> None:
    """Create networks for containers and pods."""
    from pod.containers.inside.identities import is_address
    from pod.engine import open_engine
    from pod.errors import UsageError
    from pod.networks import create
    from pod.values import parse_pair

    for text in gateway or []:
        if not is_address(text):
            raise UsageError(
                f'invalid argument "{text}" for "--gateway" flag: invalid string being converted to IP address: {text}',
                command="pod network create",
            )
    asked = create.NetworkFlags(name)
    asked.driver, asked.interface, asked.ipam_driver = driver, interface_name, ipam_driver
    asked.subnets, asked.gateways, asked.ranges = subnet or [], gateway or [], ip_range or []
    asked.routes, asked.ipv6, asked.internal, asked.disable_dns = route or [], ipv6, internal, disable_dns
    asked.dns = [one for item in dns or [] for one in item.split(",") if one]
    asked.labels = dict(parse_pair(item, "label") for item in label or [])
    asked.options = dict(parse_pair(one, "network option") for item in opt or [] for one in item.split(","))
    print(create.create(open_engine(write=True), asked, ignore=ignore))
