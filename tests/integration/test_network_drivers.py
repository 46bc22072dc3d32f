"""Options of networks, and what the kernel has of each, on a host of the tests' own."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from tests.fixtures.nethost import WORLD, OnHost, TestHost, ruleset

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.parametrize("mode", ["root"], indirect=True),
]
LAN = ("--subnet", "198.51.100.0/24", "--gateway", WORLD)  # the test host's own


def device(net: OnHost, container: str, name: str = "eth0") -> dict[str, Any]:
    """Return what ip(8) tells of a container's device."""
    pid = net.run("inspect", "-f", "{{.State.Pid}}", container).out
    told = net.execute(["nsenter", f"--net=/proc/{pid}/ns/net", "ip", "-d", "-j", "address", "show", name]).out
    found: dict[str, Any] = json.loads(told)[0]
    return found


def routes(net: OnHost, container: str) -> list[str]:
    return [" ".join(line.split()) for line in net.run("exec", container, "ip", "route").out.splitlines()]


def supports(host: TestHost, *link: str) -> bool:
    """Tell whether the kernel has a kind of device."""
    try:
        host.run("ip", "link", "add", "try0", *link)
    except AssertionError:
        return False
    host.run("ip", "link", "delete", "try0")
    return True


@pytest.mark.parametrize(
    ("driver", "kind"),
    [
        ("macvlan", ""),
        *(("macvlan", kind) for kind in ("bridge", "private", "vepa", "passthru")),
        *(("ipvlan", kind) for kind in ("l2", "l3", "l3s")),
    ],
)
def test_sublinks_of_the_hosts_interface(net: OnHost, host: TestHost, busybox: str, driver: str, kind: str) -> None:
    if not supports(host, "link", "up0", "type", driver):
        pytest.skip(f"the kernel has no {driver}")
    host.run("sysctl", "-w", "net.ipv4.ip_forward=0")
    host.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth1")  # as most hosts have them
    parent = ("--opt", "parent=up0") if kind == "private" else ("--interface-name", "up0") if kind == "vepa" else ()
    mode = ("--opt", f"mode={kind}") if kind else ()
    net.run("network", "create", "-d", driver, *LAN, "--ip-range", "198.51.100.64/26", *parent, *mode, "lan")
    net.run("run", "-d", "--name", "box", "--network", "lan", "-p", "8080:80", busybox, "sleep", "100")
    link = device(net, "box")
    assert link["linkinfo"]["info_kind"] == driver
    assert link["linkinfo"]["info_data"]["mode"] == (kind or "bridge")
    assert "elements" not in ruleset(host)
    assert routes(net, "box")[0] == f"default via {WORLD} dev eth0 metric 99"
    ping = ("ping", "-c", "1", "-W", "2", WORLD)
    if kind in ("", "bridge", "private"):
        assert host.run("cat", "/proc/sys/net/ipv4/ip_forward").strip() == "0"
        net.run("exec", "--privileged", "box", *ping)
    net.run("network", "disconnect", "lan", "box")
    assert "eth0" not in net.run("exec", "box", "ip", "link").out
    net.run("network", "connect", "--ip", "198.51.100.99", "lan", "box")
    assert device(net, "box")["addr_info"][0]["local"] == "198.51.100.99"
    net.run("rm", "-f", "-t", "0", "box")
    net.run("network", "rm", "lan")
    host.run("ip", "link", "delete", "eth0")


def test_options_of_macvlan(net: OnHost, busybox: str) -> None:
    options = ("mtu=1400", "metric=42", "no_default_route=false", "bclim=7")
    words = [word for option in options for word in ("--opt", option)]
    net.run("network", "create", "-d", "macvlan", *LAN, *words, "lan")
    net.run("network", "create", "-d", "macvlan", *LAN, "--opt", "no_default_route=1", "still")
    net.run("network", "create", "-d", "macvlan", *LAN, "--internal", "inner")
    net.run("network", "create", "-d", "macvlan", "--ipam-driver", "none", "bare")
    mac = "02:00:00:00:00:07"
    net.run("run", "-d", "--name", "box", "--network", f"lan:mac={mac}", busybox, "sleep", "100")
    link = device(net, "box")
    assert (link["mtu"], link["address"], link["linkinfo"]["info_data"].get("bccutoff", 7)) == (1400, mac, 7)
    assert routes(net, "box")[0] == f"default via {WORLD} dev eth0 metric 42"
    for network in ("still", "inner", "bare"):
        net.run("run", "-d", "--name", network, "--network", network, busybox, "sleep", "100")
        assert not any("default" in route for route in routes(net, network))
    assert [one["family"] for one in device(net, "bare")["addr_info"]] == ["inet6"]  # of the link alone
    net.run("rm", "-f", "-t", "0", "box", "still", "inner", "bare")
    net.run("network", "rm", "lan", "still", "inner", "bare")


def test_sublinks_that_cannot_be(net: OnHost, host: TestHost, busybox: str) -> None:
    for words, message in (
        (("-d", "macvlan"), "macvlan driver needs at least one subnet specified, DHCP is not supported"),
        (("-d", "ipvlan"), "ipam driver dhcp is not supported with ipvlan"),
        (
            ("-d", "macvlan", "--ipam-driver", "host-local"),
            "macvlan driver needs at least one subnet specified when the host-local ipam driver is set",
        ),
        (("-d", "macvlan", *LAN, "--opt", "parent=no0"), "parent interface no0 does not exist"),
        (("-d", "macvlan", *LAN, "--opt", "mode=l2"), 'unknown macvlan mode "l2"'),
        (("-d", "ipvlan", *LAN, "--opt", "bclim=1"), 'cannot set option "bclim" with driver "ipvlan"'),
        (
            (
                "--opt",
                "bclim=1",
            ),
            'cannot set option "bclim" with driver "bridge"',
        ),
        (("--opt", "com.docker.network.bridge.default_bridge=true"), "unsupported bridge network option com.docker"),
    ):
        failed = net.run("network", "create", *words, "lan", check=False)
        assert failed.code == 125, words
        assert f"Error: {message}" in failed.stderr
    net.run("network", "create", "-d", "macvlan", *LAN, "lan")
    host.run("ip", "route", "delete", "default")
    host.run("ip", "-6", "route", "delete", "default")
    failed = net.run("run", "--rm", "--network", "lan", busybox, "true", check=False)
    assert "failed to get default route interface" in failed.stderr
    net.run("network", "rm", "lan")


def test_options_of_bridges(net: OnHost, host: TestHost, busybox: str) -> None:
    host.run("ip", "link", "set", "up0", "mtu", "1450")
    options = ("--opt", "com.docker.network.driver.mtu=1300", "--opt", "com.docker.network.bridge.name=mybr0")
    net.run(
        "network",
        "create",
        "--opt",
        "metric=42",
        "--route",
        "203.0.113.0/24,10.99.0.9,7",
        "--subnet",
        "10.99.0.0/24",
        *options,
        "one",
    )
    net.run("network", "create", "--opt", "no_default_route=true", "--interface-name", "mybr1", "two")
    net.run("run", "-d", "--name", "box", "--network", "one", "--network", "two", busybox, "sleep", "100")
    assert (device(net, "box")["mtu"], device(net, "box", "eth1")["mtu"]) == (1300, 1450)
    found = routes(net, "box")
    assert [route for route in found if "default" in route] == ["default via 10.99.0.1 dev eth0 metric 42"]
    assert "203.0.113.0/24 via 10.99.0.9 dev eth0 metric 7" in found
    assert {"mybr0", "mybr1"} < host.links()
    net.run("network", "create", "--opt", "vrf=no0", "four")
    failed = net.run("run", "--rm", "--network", "four", busybox, "true", check=False)
    assert "vrf no0 does not exist" in failed.stderr
    failed = net.run("network", "create", "--interface-name", "mybr0", "three", check=False)
    assert "bridge name mybr0 already in use" in failed.stderr
    net.run("rm", "-f", "-t", "0", "box")
    net.run("network", "rm", "one", "two", "four")


def test_a_bridge_of_somebody_elses(net: OnHost, host: TestHost, busybox: str) -> None:
    net.run(
        "network", "create", "--opt", "mode=unmanaged", "--interface-name", "theirs", "--subnet", "10.99.0.0/24", "one"
    )
    failed = net.run("run", "--rm", "--network", "one", busybox, "true", check=False)
    assert "in unmanaged mode, the bridge must already exist on the host" in failed.stderr
    host.run("ip", "link", "add", "theirs", "type", "bridge")
    host.run("ip", "address", "add", "10.99.0.1/24", "dev", "theirs")
    host.run("ip", "link", "set", "theirs", "up")
    net.run(
        "run", "--rm", "--network", "one", "-p", "8080:80", "--cap-add", "NET_RAW", busybox, "ping", "-c1", "10.99.0.1"
    )
    assert "theirs" in host.links()
    assert "theirs" not in ruleset(host)
    host.run("ip", "link", "delete", "theirs")
    net.run("network", "rm", "one")


def test_vlans_of_a_bridge(net: OnHost, host: TestHost, busybox: str) -> None:
    vlans = (("ten", "10", "10.99.10.0/24"), ("twenty", "20", "10.99.20.0/24"))
    for name, number, subnet in vlans:
        net.run("network", "create", "--opt", f"vlan={number}", "--interface-name", "br7", "--subnet", subnet, name)
    if not supports(host, "type", "bridge", "vlan_filtering", "1"):
        failed = net.run("run", "--rm", "--network", "ten", busybox, "true", check=False)
        assert failed.code == 126
        assert "operation not supported" in failed.stderr
    else:
        for name, number, _ in vlans:
            net.run("run", "-d", "--name", name, "--network", name, busybox, "sleep", "100")
            port = host.run("bridge", "-j", "vlan")
            assert any(one.get("vlan") == int(number) for each in json.loads(port) for one in each["vlans"])
        net.run("rm", "-f", "-t", "0", "ten", "twenty")
    net.run("network", "rm", "ten", "twenty")
