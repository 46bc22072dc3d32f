"""What the table [network] of containers.conf(5) says, checked.

Of network_backend nothing depends on here: there is one way to make networks, whichever of podman's is named. All else
that is not known, or makes no sense, is an error.
"""

from __future__ import annotations

from pod.errors import PodError
from pod.networks import subnets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_BACKENDS = ("", "netavark", "cni")


def check_backend(table: dict[str, Any]) -> None:
    """Refuse a network_backend that podman does not know either."""
    backend = table.get("network_backend", "")
    if backend not in _BACKENDS:
        raise PodError(f'unsupported network backend "{backend}", check network_backend in containers.conf')


def has_firewall(table: dict[str, Any]) -> bool:
    """Tell whether we are to write rules for the firewall. Raises PodError for a program that we do not drive."""
    driver = table.get("firewall_driver") or "nftables"
    if driver not in ("nftables", "none"):
        raise PodError(
            f'unsupported firewall driver "{driver}", check firewall_driver in containers.conf',
            hint="nftables works beside firewalld, iptables and others; with none no port is published",
        )
    return bool(driver == "nftables")


def bind_port(table: dict[str, Any]) -> int:
    """Return the port at which resolvers listen, beside 53; 0 for the usual one."""
    port = table.get("dns_bind_port") or 0
    if not isinstance(port, int) or not 0 <= port <= 0xFFFF:
        raise PodError(f"dns_bind_port {port} in containers.conf: it must be between 1 and 65535")
    return port


def check_rootless_command(table: dict[str, Any]) -> None:
    """Refuse a default_rootless_network_cmd that nobody knows; pasta takes the place of slirp4netns."""
    command = table.get("default_rootless_network_cmd") or "pasta"
    if command not in ("pasta", "slirp4netns"):
        raise PodError(
            f'invalid default_rootless_network_cmd option "{command}"', hint="write pasta, in containers.conf"
        )


def default_name(table: dict[str, Any]) -> str:
    """Return the name of the default network."""
    return str(table.get("default_network") or "podman")


def default_subnet(table: dict[str, Any]) -> subnets.Range:
    """Return the subnet of the default network."""
    text = str(table.get("default_subnet") or subnets.DEFAULT)
    try:
        return subnets.parse(text)
    except ValueError:
        raise PodError(f"failed to parse default subnet: invalid CIDR address: {text}") from None


def pools(table: dict[str, Any]) -> list[tuple[str, int]]:
    """Return where networks get their subnets from: a range, and the length of the prefixes."""
    found = []
    for one in table.get("default_subnet_pools") or ():
        try:
            base, size = subnets.parse(str(one["base"])), int(one["size"])
            if not base.prefix <= size <= base.width - 2:
                raise ValueError
        except (ValueError, KeyError, TypeError):
            raise PodError(
                f"invalid subnet pool in containers.conf: {one}",
                hint='write default_subnet_pools = [{"base" = "10.89.0.0/16", "size" = 24}]',
            ) from None
        found.append((str(base), size))
    return found or [*subnets.POOLS]
