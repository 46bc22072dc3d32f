"""`.network`: a service that creates a network. Source: podman-network.unit(5)."""

from __future__ import annotations

from pod.quadlet import options, services
from pod.quadlet.command import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.quadlet.units import Unit


def resource_name(unit: Unit) -> str:
    """Return the name of the network, which may hold specifiers."""
    return services.resource_name(unit, "NetworkName")


def convert(unit: Unit) -> None:
    """Let the service create the network unless it is there, and remove it at its end if that is asked for."""
    name = resource_name(unit)
    if unit.boolean("NetworkDeleteOnStop"):
        removal = Command(unit)
        removal.add("network", "rm", name)
        removal.into("ExecStopPost")
    command = Command(unit)
    command.add("network", "create", "--ignore")
    command.add_booleans({"DisableDNS": "--disable-dns", "Internal": "--internal", "IPv6": "--ipv6"})
    command.add_strings({"Driver": "--driver", "IPAMDriver": "--ipam-driver", "InterfaceName": "--interface-name"})
    command.add_all_strings({"DNS": "--dns"})
    _add_subnets(unit, command)
    command.add_pairs({"Options": "--opt", "Label": "--label"})
    options.add_podman_args(unit, command)
    command.add(name)
    command.into("ExecStart")
    services.oneshot(unit, remain=True)


def _add_subnets(unit: Unit, command: Command) -> None:
    """Add each subnet with the gateway and the range that are in the same place of their lists."""
    subnets, gateways, ranges = unit.strings("Subnet"), unit.strings("Gateway"), unit.strings("IPRange")
    if not subnets and (gateways or ranges):
        key = "Gateway" if gateways else "IPRange"
        unit.error("cannot set gateway or range without subnet", key=key, hint="Subnet= comes with it")
    elif len(gateways) > len(subnets):
        unit.error("cannot set more gateways than subnets", key="Gateway")
    elif len(ranges) > len(subnets):
        unit.error("cannot set more ranges than subnets", key="IPRange")
    for number, subnet in enumerate(subnets):
        command.add("--subnet", subnet)
        for flag, values in (("--gateway", gateways), ("--ip-range", ranges)):
            if number < len(values):
                command.add(flag, values[number])
