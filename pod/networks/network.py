"""A network as it was created, and the place of a container on one.

The documents have the names that `network inspect` shows (podman-network-inspect(1)).
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_pton

from runtime import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypedDict

    class Subnet(TypedDict, total=False):
        """A range of addresses of a network."""

        subnet: str  # as 10.88.0.0/16
        gateway: str
        lease_range: dict[str, str]  # start_ip, end_ip

    class Place(TypedDict):
        """What was asked for a container on one network (podman-run(1), --network)."""

        interface: str  # as eth0
        aliases: list[str]
        addresses: list[str]  # asked for; those that it has are its leases
        mac: str  # empty: the kernel chooses


class Network:
    """A network: immutable, but for what `network update` changes."""

    __slots__ = ("created", "document", "id", "name")

    def __init__(self, row: tuple[str, str, float, str]) -> None:
        self.name, self.id, self.created = row[:3]
        # driver, network_interface, subnets, routes, ipv6_enabled, internal, dns_enabled, network_dns_servers, labels,
        # options, ipam_options
        self.document: dict[str, Any] = jsontext.loads(row[3])

    @property
    def driver(self) -> str:
        """bridge, macvlan or ipvlan."""
        return str(self.document["driver"])

    @property
    def interface(self) -> str:
        """The name of the bridge, or of the host's interface below a macvlan or ipvlan."""
        return str(self.document["network_interface"])

    @property
    def is_managed(self) -> bool:
        """Whether it is a bridge of ours: made, given addresses, in the firewall, and removed when nobody is on it."""
        return self.driver == "bridge" and self.options.get("mode") != "unmanaged"

    @property
    def subnets(self) -> list[Subnet]:
        """The ranges of addresses."""
        found: list[Subnet] = self.document.get("subnets") or []
        return found

    @property
    def internal(self) -> bool:
        """Whether nothing leaves it."""
        return bool(self.document["internal"])

    @property
    def has_names(self) -> bool:
        """Whether its containers find each other by name."""
        return bool(self.document["dns_enabled"])

    @property
    def options(self) -> dict[str, str]:
        """What --opt said."""
        found: dict[str, str] = self.document.get("options") or {}
        return found


def mac_of(address: bytes) -> bytes:
    """Return a locally administered address of a packed IP address, always the same: no neighbour keeps a stale one."""
    return b"\x6a\x70" + address[-4:]


class Attachment:
    """A container on a network, with its addresses."""

    __slots__ = ("addresses", "container", "network", "place")

    def __init__(self, container: str, network: Network, place: Place, addresses: list[str]) -> None:
        self.container = container
        self.network = network
        self.place = place
        self.addresses = addresses  # one for each subnet, without prefix length

    @property
    def mac(self) -> bytes:
        """The address of its interface: what was asked for, else one that follows from its IP address; else empty.

        An ipvlan has that of the host's interface.
        """
        said = self.place["mac"].replace(":", "").replace("-", "")
        if said or not self.addresses or self.network.driver == "ipvlan":
            return bytes.fromhex(said)
        address = self.addresses[0]
        packed = inet_pton(AF_INET6 if ":" in address else AF_INET, address)
        if self.network.driver == "bridge":
            return mac_of(packed)
        # Other networks may have the same addresses on the same interface of the host. Imported by few.
        from binascii import crc32

        return mac_of(crc32(self.network.id.encode() + packed).to_bytes(4, "big"))
