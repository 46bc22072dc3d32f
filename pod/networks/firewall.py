"""The firewall: one table of nftables, `inet pod`, whose text never changes, and the elements of its sets and maps.

A network is an element of some sets, a published port one of a map. So what comes and goes is added and removed by one
message to the kernel each, and nft(8) runs only where the table is missing: at first, and after somebody flushed the
ruleset. No chain of another program is touched.
"""

from __future__ import annotations

import _socket

from runtime.errors import OCIRuntimeError
from runtime.netlink import nftables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from pod.networks.network import Network
    from runtime.netlink.message import Netlink
    from runtime.netlink.nftables import Element

TABLE = "pod"
# What is for the loopback address and does not come from there is nobody's: what is published there would pass it on,
# before the kernel finds fault with it. Pairs holds every bridge with itself: what passes between containers of one
# network. A container that uses a published port is marked, for the answers to come back this way: where it came in is
# not known any more at the end of the way, if the bridge itself passes the packet on.
TEXT = """
table inet pod {
    set bridges { type ifname; }
    set pairs { type ifname . ifname; }
    set internal { type ifname; }
    set isolated { type ifname; }
    set strict { type ifname; }
    set outward { type ifname; }
    map ports4 { type inet_proto . inet_service : ipv4_addr . inet_service; }
    map ports4_at { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }
    map ports6 { type inet_proto . inet_service : ipv6_addr . inet_service; }
    map ports6_at { type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; }

    chain guard {
        type filter hook prerouting priority raw; policy accept;
        iifname != "lo" ip daddr 127.0.0.0/8 drop
    }
    chain published {
        dnat ip to ip daddr . meta l4proto . th dport map @ports4_at
        dnat ip to meta l4proto . th dport map @ports4
        dnat ip6 to ip6 daddr . meta l4proto . th dport map @ports6_at
        dnat ip6 to meta l4proto . th dport map @ports6
    }
    chain prerouting {
        type nat hook prerouting priority dstnat; policy accept;
        fib daddr type local iifname @bridges meta mark set meta mark | 0x2000
        fib daddr type local jump published
    }
    chain output {
        type nat hook output priority -100; policy accept;
        fib daddr type local jump published
    }
    chain forward {
        type filter hook forward priority filter; policy accept;
        iifname . oifname @pairs accept
        iifname @internal drop
        oifname @internal drop
        iifname @isolated oifname @isolated drop
        iifname @strict oifname @bridges drop
        iifname @bridges oifname @strict drop
    }
    chain postrouting {
        type nat hook postrouting priority srcnat; policy accept;
        iifname @outward oifname != @bridges masquerade
        meta mark & 0x2000 == 0x2000 ct status dnat masquerade
        oifname @bridges ct status dnat ip saddr 127.0.0.0/8 masquerade
        oifname @bridges ct status dnat ip6 saddr ::1 masquerade
    }
}
"""
_PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}
_FALSE = ("", "0", "f", "false")


class NoFirewallError(OCIRuntimeError):
    """The table cannot be loaded."""


def load(elements: Iterable[Element] = (), more: str = "") -> None:
    """Load the table with these elements in one step, in place of one that is there. Raises NoFirewallError.

    `more` are further rules, as nft(8) reads them.
    """
    import os
    import shutil
    import subprocess

    program = shutil.which("nft", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if not program:
        raise NoFirewallError("network: nft is not installed", hint="install the package nftables")
    anew = f"table inet {TABLE}\ndelete table inet {TABLE}\n"  # the first makes it, so that the second finds one
    added = "".join(f"add element inet {TABLE} {text(element)}\n" for element in elements)
    script = anew + TEXT + added + _loopback() + more
    try:
        subprocess.run(
            [program, "-f", "-"], input=script.encode("utf-8", "surrogateescape"), capture_output=True, check=True
        )
    except subprocess.CalledProcessError as error:
        reason = error.stderr.decode("utf-8", "replace").strip().partition("\n")[0]
        raise NoFirewallError(f"network: nft: {reason}") from error


def _loopback() -> str:
    """Return a rule that has published ports refused at ::1 where answers from there would never come.

    With br_netfilter, addresses are translated before IPv6 sees a bridge's packet, and it takes none to ::1 from there.
    """
    try:
        with open("/proc/sys/net/bridge/bridge-nf-call-ip6tables", encoding="ascii") as file:
            is_deaf = file.read().strip() != "0"
    except FileNotFoundError:
        is_deaf = False
    return f"insert rule inet {TABLE} output ip6 daddr ::1 return\n" if is_deaf else ""


def text(element: Element) -> str:
    """Return an element as nft(8) writes it: its set and, in braces, its parts."""
    name, key, value = element
    if not value:
        names = (key[start : start + 16].rstrip(b"\0") for start in range(0, len(key), 16))
        return f"{name} {{ {' . '.join(chr(34) + one.decode('utf-8', 'surrogateescape') + chr(34) for one in names)} }}"
    size = 4 if "4" in name else 16
    parts = [key[:size], key[size:]] if name.endswith("_at") else [key]
    at = f"{_written(parts[0])} . " if len(parts) == 2 else ""
    protocol, port = parts[-1][0], int.from_bytes(parts[-1][4:6], "big")
    target = f"{_written(value[:size])} . {int.from_bytes(value[size : size + 2], 'big')}"
    return f"{name} {{ {at}{protocol} . {port} : {target} }}"


def _written(packed: bytes) -> str:
    return _socket.inet_ntop(_socket.AF_INET if len(packed) == 4 else _socket.AF_INET6, packed)


def of_network(network: Network) -> list[Element]:
    """Return the elements that a bridge network has."""
    name = nftables.interface(network.interface)
    sets = ["bridges"]
    isolate = network.options.get("isolate", "").lower()
    if network.internal:
        sets.append("internal")
    else:
        sets.append("outward")
    if isolate == "strict":
        sets.append("strict")
    if isolate not in _FALSE:
        sets.append("isolated")
    return [("pairs", name + name, b""), *((each, name, b"") for each in sets)]


def of_ports(mappings: Iterable[dict[str, Any]], addresses: Iterable[bytes]) -> list[Element]:
    """Return the elements that pass published ports (see pod.containers.ports) on to packed addresses of a container.

    Of each family the first address counts.
    """
    targets: dict[int, bytes] = {}
    for address in addresses:
        targets.setdefault(len(address), address)
    return [
        element
        for mapping in mappings
        for protocol in mapping["protocol"].split(",")
        for offset in range(mapping["range"])
        for element in _of_port(mapping, _PROTOCOLS[protocol], offset, targets)
    ]


def _of_port(mapping: dict[str, Any], protocol: int, offset: int, targets: dict[int, bytes]) -> list[Element]:
    host = _pack(mapping["host_ip"])
    key = nftables.field(bytes([protocol])) + _port(mapping["host_port"] + offset)
    found: list[Element] = []
    for size, name in ((4, "ports4"), (16, "ports6")):
        if size not in targets or (host and len(host) != size):
            continue
        value = targets[size] + _port(mapping["container_port"] + offset)
        found.append((f"{name}_at", host + key, value) if any(host) else (name, key, value))
    return found


def _port(number: int) -> bytes:
    return nftables.field(number.to_bytes(2, "big"))


def _pack(address: str) -> bytes:
    return pack(address) if address else b""


def pack(address: str) -> bytes:
    """Return an address as the kernel has it: 4 or 16 bytes."""
    return _socket.inet_pton(_socket.AF_INET6 if ":" in address else _socket.AF_INET, address)


def add(netlink: Netlink, elements: list[Element], standing: Callable[[], list[Element]]) -> None:
    """Add elements; if the table is missing, it is loaded first, with those that `standing` returns."""
    try:
        nftables.add(netlink, TABLE, elements)
    except FileNotFoundError:
        load(standing())
        nftables.add(netlink, TABLE, elements)
    _redirect(netlink, elements)


def remove_unused() -> None:
    """Remove the host's table unless a container of any store has elements in it: the next one would load it again."""
    from runtime.netlink.message import NETFILTER, Netlink

    try:
        netlink = Netlink.open(NETFILTER)
        try:
            nftables.remove_unused(netlink, TABLE)
        finally:
            netlink.close()
    except OSError:
        pass  # a kernel without nftables, or no right to change it: then there is nothing of ours


def _redirect(netlink: Netlink, elements: Iterable[Element]) -> None:
    """Have published UDP ports lead to their containers of now also for who has used them before."""
    for name, key, value in elements:
        size = 4 if "4" in name else 16
        address, rest = (key[:size], key[size:]) if name.endswith("_at") else (b"", key)
        if not value or rest[0] != _PROTOCOLS["udp"]:
            continue
        from runtime.netlink import conntrack

        family = _socket.AF_INET if size == 4 else _socket.AF_INET6
        target = value[:size], int.from_bytes(value[size : size + 2], "big")
        try:
            conntrack.redirect(netlink, family, rest[0], address, int.from_bytes(rest[4:6], "big"), target)
        except OSError:
            return  # a kernel that does not tell of connections
