"""Our own netlink messages in a network namespace of the test's own; pyroute2 and nft tell what came of them."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import threading
from collections import Counter
from typing import Any

import pytest

from runtime.netlink import namespace, nftables, route
from runtime.netlink.message import NETFILTER, ROUTE, Netlink
from tests.fixtures.namespaces import in_network_namespace

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

BRIDGE_ADDRESS = bytes.fromhex("6a700a580001")
PEER_ADDRESS = bytes.fromhex("6a700a580002")
TABLE = """
table inet t {
    set names { type ifname; }
    map ports { type inet_proto . inet_service : ipv4_addr . inet_service; }
    map ports_at { type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; }
}
"""


def new_namespace() -> int:
    """Return a descriptor of a new network namespace; this process stays where it is."""
    here = os.open("/proc/self/ns/net", os.O_RDONLY)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.unshare(0x40000000) == 0
    made = os.open("/proc/self/ns/net", os.O_RDONLY)
    namespace.leave(here)
    return made


def oracle() -> Any:
    from pyroute2 import IPRoute

    return IPRoute()


def test_veth_in_another_namespace_is_a_port() -> None:
    def check() -> dict[str, Any]:
        netlink = Netlink.open(ROUTE)
        inside = new_namespace()
        bridge = route.add_bridge(netlink, "pod0", BRIDGE_ADDRESS, mtu=1400)
        route.add_veth(netlink, bridge, inside, "eth0", PEER_ADDRESS, mtu=1400)
        with oracle() as ip:
            bridge_seen = ip.get_links(ifname="pod0")[0]
            [port] = ip.get_links(match=lambda link: link.get_attr("IFLA_MASTER") == bridge)
        here = namespace.enter(inside)
        there = Netlink.open(ROUTE)
        eth0 = route.find(there, "eth0")
        assert eth0 is not None
        errors = there.send(
            [
                route.address(eth0.index, bytes([10, 88, 0, 2]), 16, bytes([10, 88, 255, 255])),
                route.address(eth0.index, bytes.fromhex("fd000000000000000000000000000002"), 64),
                route.set_up(eth0.index),
                route.route(eth0.index, bytes([10, 88, 0, 1]), metric=100),
                route.route(eth0.index, bytes([10, 88, 0, 9]), bytes([192, 0, 2, 0]), 24),
                route.route(eth0.index, bytes.fromhex("fd000000000000000000000000000001")),
            ]
        )
        with oracle() as ip:
            seen = ip.get_links(ifname="eth0")[0]
            addresses = [
                (a.get_attr("IFA_ADDRESS"), a["prefixlen"], a.get_attr("IFA_BROADCAST"))
                for a in ip.get_addr(index=eth0.index)
                if a["scope"] == 0
            ]
            routes = [
                (r.get_attr("RTA_DST"), r["dst_len"], r.get_attr("RTA_GATEWAY"), r.get_attr("RTA_PRIORITY"))
                for family in (2, 10)
                for r in ip.get_routes(family=family, table=254)
                if r.get_attr("RTA_GATEWAY")
            ]
        namespace.leave(here)
        return {
            "errors": errors,
            "kind": bridge_seen.get_nested("IFLA_LINKINFO", "IFLA_INFO_KIND"),
            "mac": bridge_seen.get_attr("IFLA_ADDRESS"),
            "mtus": [x.get_attr("IFLA_MTU") for x in (bridge_seen, port, seen)],
            "up": [bool(x["flags"] & 1) for x in (bridge_seen, port, seen)],
            "eth0": seen.get_attr("IFLA_ADDRESS"),
            "peer": eth0.peer == port["index"],
            "addresses": sorted(addresses),
            "routes": routes,
        }

    assert in_network_namespace(check) == {
        "errors": {},
        "kind": "bridge",
        "mac": "6a:70:0a:58:00:01",
        "mtus": [1400, 1400, 1400],
        "up": [True, True, True],
        "eth0": "6a:70:0a:58:00:02",
        "peer": True,
        "addresses": [("10.88.0.2", 16, "10.88.255.255"), ("fd00::2", 64, None)],
        "routes": [
            (None, 0, "10.88.0.1", 100),
            ("192.0.2.0", 24, "10.88.0.9", None),
            (None, 0, "fd00::1", 1024),
        ],
    }


def test_ports_of_a_bridge_and_its_end() -> None:
    def check() -> list[Any]:
        netlink = Netlink.open(ROUTE)
        bridge = route.add_bridge(netlink, "pod0", BRIDGE_ADDRESS)
        other = route.add_bridge(netlink, "pod1", BRIDGE_ADDRESS)
        spaces = [new_namespace() for _ in range(3)]
        for number, space in enumerate(spaces):
            route.add_veth(netlink, other if number == 2 else bridge, space, "eth0", PEER_ADDRESS)
        first = min(link.index for link in route.ports(netlink, bridge))
        down = netlink.send([route.set_down(first)])
        states = [link.is_up for link in sorted(route.ports(netlink, bridge), key=lambda link: link.index)]
        renamed = netlink.send([route.set_down(bridge), route.rename(bridge, "gone")])
        names = (route.find(netlink, "pod0"), getattr(route.find(netlink, "gone"), "index", None) == bridge)
        deleted = netlink.send([route.delete(first), route.delete(bridge), route.delete(first)])
        left = sorted(link.kind for link in route.links(netlink) if link.kind in ("veth", "bridge"))
        return [down, states, renamed, names, [(k, e.errno) for k, e in deleted.items()], left]

    assert in_network_namespace(check) == [{}, [False, True], {}, (None, True), [(2, 19)], ["bridge", "veth", "veth"]]


def test_macvlan_of_a_parent() -> None:
    def check() -> tuple[str, str, str]:
        netlink = Netlink.open(ROUTE)
        inside = new_namespace()
        parent = route.add_bridge(netlink, "up0", BRIDGE_ADDRESS)
        route.add_sublink(netlink, "macvlan", "private", parent, inside, "eth0", PEER_ADDRESS)
        namespace.enter(inside)
        with oracle() as ip:
            seen = ip.get_links(ifname="eth0")[0]
        info = seen.get_attr("IFLA_LINKINFO")
        return (
            info.get_attr("IFLA_INFO_KIND"),
            info.get_attr("IFLA_INFO_DATA").get_attr("IFLA_MACVLAN_MODE"),
            seen.get_attr("IFLA_ADDRESS"),
        )

    assert in_network_namespace(check) == ("macvlan", "private", "6a:70:0a:58:00:02")
    with pytest.raises(ValueError, match="unsupported macvlan mode l2"):
        route.add_sublink(None, "macvlan", "l2", 1, 1, "eth0")  # type: ignore[arg-type]


def test_routes_of_the_host() -> None:
    def check() -> list[tuple[str, int]]:
        netlink = Netlink.open(ROUTE)
        bridge = route.add_bridge(netlink, "pod0", BRIDGE_ADDRESS)
        assert not netlink.send([route.address(bridge, bytes([192, 0, 2, 1]), 25)])
        with oracle() as ip:
            ip.route("add", dst="default", gateway="192.0.2.2")
        return [(address.hex(), prefix) for address, prefix in route.routes(netlink, route.AF_INET)]

    assert in_network_namespace(check) == [("c0000200", 25)]


def elements(set_name: str, kind: str = "set") -> Any:
    output = subprocess.run(["nft", "-j", "list", kind, "inet", "t", set_name], capture_output=True, check=True).stdout
    return json.loads(output)["nftables"][1][kind].get("elem", [])


PORT = nftables.field(b"\6") + nftables.field((8080).to_bytes(2, "big"))
TARGET = bytes([10, 88, 0, 2]) + nftables.field((80).to_bytes(2, "big"))
OTHER_TARGET = bytes([10, 88, 0, 3]) + nftables.field((80).to_bytes(2, "big"))


def test_elements_of_sets_and_maps() -> None:
    def check() -> Any:
        netlink = Netlink.open(NETFILTER)
        assert not nftables.has_table(netlink, "t")
        subprocess.run(["nft", "-f", "-"], input=TABLE.encode(), check=True)
        assert nftables.has_table(netlink, "t")
        v6 = bytes(15) + b"\1"
        wanted = [
            ("names", nftables.interface("pod0"), b""),
            ("ports", PORT, TARGET),
            ("ports_at", v6 + PORT, bytes(14) + b"\0\2" + TARGET[4:]),
        ]
        nftables.add(netlink, "t", wanted)
        nftables.add(netlink, "t", wanted)
        seen = [elements("names"), elements("ports", "map"), elements("ports_at", "map")]
        nftables.remove(netlink, "t", [("names", nftables.interface("pod9"), b""), *wanted])
        return [*seen, elements("names"), elements("ports", "map"), elements("ports_at", "map")]

    assert in_network_namespace(check) == [
        ["pod0"],
        [[{"concat": ["tcp", 8080]}, {"concat": ["10.88.0.2", 80]}]],
        [[{"concat": ["::1", "tcp", 8080]}, {"concat": ["::2", 80]}]],
        [],
        [],
        [],
    ]


def test_a_batch_that_fails_changes_nothing() -> None:
    def check() -> Any:
        netlink = Netlink.open(NETFILTER)
        numbers = []
        element = ("names", nftables.interface("pod0"), b"")
        for table in (False, True):
            if table:
                subprocess.run(["nft", "-f", "-"], input=TABLE.encode(), check=True)
            try:
                nftables.add(netlink, "t", [element, ("missing", nftables.interface("pod0"), b"")])
            except FileNotFoundError as error:
                numbers.append(error.errno)
        nftables.add(netlink, "t", [("ports", PORT, TARGET)])
        try:
            nftables.add(netlink, "t", [element, ("ports", PORT, OTHER_TARGET)])
        except OSError as error:
            numbers.append(error.errno)
        return numbers, elements("names"), elements("ports", "map")

    numbers, names, ports = in_network_namespace(check)
    assert numbers[:2] == [2, 2]
    assert numbers[2] in (16, 17)
    assert (names, ports) == ([], [[{"concat": ["tcp", 8080]}, {"concat": ["10.88.0.2", 80]}]])


def test_a_table_is_removed_when_nothing_is_in_it() -> None:
    def check() -> Any:
        netlink = Netlink.open(NETFILTER)
        seen = [nftables.remove_unused(netlink, "t")]
        subprocess.run(["nft", "-f", "-"], input=TABLE.encode(), check=True)
        for element in (("ports", PORT, TARGET), ("names", nftables.interface("pod0"), b"")):
            nftables.add(netlink, "t", [element])
            seen.append(nftables.remove_unused(netlink, "t"))
            nftables.remove(netlink, "t", [element])
        return [*seen, nftables.remove_unused(netlink, "t"), nftables.has_table(netlink, "t")]

    assert in_network_namespace(check) == [False, False, False, True, False]


def test_a_table_is_not_removed_under_who_adds_to_it() -> None:
    element = ("names", nftables.interface("pod0"), b"")

    def check() -> Counter[str]:
        outcomes: Counter[str] = Counter()
        mine, others = Netlink.open(NETFILTER), Netlink.open(NETFILTER)
        for _ in range(200):
            subprocess.run(
                ["nft", "-f", "-"], input=b"table inet t\ndelete table inet t\n" + TABLE.encode(), check=True
            )
            removed: list[bool] = []
            remover = threading.Thread(target=lambda found=removed: found.append(nftables.remove_unused(mine, "t")))
            remover.start()
            try:
                nftables.add(others, "t", [element])
                added = True
            except FileNotFoundError:
                added = False
            remover.join()
            outcomes[f"added {added}, removed {removed}, there {nftables.has_table(others, 't')}"] += 1
        return outcomes

    assert set(in_network_namespace(check)) <= {
        "added True, removed [False], there True",
        "added False, removed [True], there False",
    }


def test_very_many_elements_at_once() -> None:
    def check() -> tuple[int, int]:
        subprocess.run(["nft", "-f", "-"], input=TABLE.encode(), check=True)
        netlink = Netlink.open(NETFILTER)
        many = [("ports", nftables.field(b"\6") + nftables.field(n.to_bytes(2, "big")), TARGET) for n in range(5000)]
        nftables.add(netlink, "t", many)
        count = len(elements("ports", "map"))
        nftables.remove(netlink, "t", many)
        return count, len(elements("ports", "map"))

    assert in_network_namespace(check) == (5000, 0)
