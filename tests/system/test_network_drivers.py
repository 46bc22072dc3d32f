"""Devices of networks that kernels of small machines lack, on Debian's kernel, whose host has an eth0 of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fixtures.nethost import eventually_equal
from tests.system.machine import Machine
from tests.system.project import IMAGE

LAN = ("--subnet", "10.7.0.0/24")


@pytest.fixture(autouse=True)
def _nothing_is_left(machine: Machine) -> Iterator[None]:
    machine.shell("root", "modprobe -a ipvlan macvlan bridge veth vrf nf_tables")
    before = links(machine)
    yield
    assert eventually_equal(lambda: links(machine), before) == before
    assert "elements" not in machine.run("root", "nft", "list", "ruleset").stdout


def links(machine: Machine) -> set[str]:
    """Return the names of the host's interfaces."""
    return {one["ifname"] for one in json.loads(machine.run("root", "ip", "-j", "link").stdout)}


def pod(machine: Machine, *words: str) -> str:
    return machine.run("root", "pod", *words, timeout=120).stdout.strip()


def run(machine: Machine, name: str, *words: str) -> None:
    pod(machine, "run", "-d", "--name", name, *words, IMAGE, "sleep", "1000")


def end(machine: Machine, containers: tuple[str, ...], networks: tuple[str, ...]) -> None:
    pod(machine, "rm", "-f", "-t", "0", *containers)
    pod(machine, "network", "rm", *networks)


def device(machine: Machine, container: str) -> dict[str, Any]:
    """Return what the kernel tells of a container's eth0."""
    pid = pod(machine, "inspect", "-f", "{{.State.Pid}}", container)
    command = ("nsenter", f"--net=/proc/{pid}/ns/net", "ip", "-d", "-j", "link", "show", "eth0")
    found: dict[str, Any] = json.loads(machine.run("root", *command).stdout)[0]["linkinfo"]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["l2", "l3", "l3s"])
def test_ipvlan(machine: Machine, mode: str) -> None:
    pod(machine, "network", "create", "-d", "ipvlan", "--opt", f"mode={mode}", *LAN, "lan")
    run(machine, "box", "--network", "lan")
    pod(machine, "network", "disconnect", "lan", "box")
    pod(machine, "network", "connect", "lan", "box")
    found = device(machine, "box")
    assert (found["info_kind"], found["info_data"]["mode"]) == ("ipvlan", mode)
    end(machine, ("box",), ("lan",))


@pytest.mark.slow
def test_macvlan_beside_the_hosts_eth0(machine: Machine) -> None:
    pod(machine, "network", "create", "-d", "macvlan", "--opt", "mode=private", *LAN, "lan")
    run(machine, "box", "--network", "lan")
    found = device(machine, "box")
    assert (found["info_kind"], found["info_data"]["mode"]) == ("macvlan", "private")
    end(machine, ("box",), ("lan",))


@pytest.mark.slow
def test_a_bridge_in_a_vrf(machine: Machine) -> None:
    machine.shell("root", "ip link add vrf7 type vrf table 7; ip link set vrf7 up")
    pod(machine, "network", "create", "--opt", "vrf=vrf7", "--interface-name", "br7", "routed")
    run(machine, "box", "--network", "routed")
    assert "br7" in machine.run("root", "ip", "link", "show", "master", "vrf7").stdout
    end(machine, ("box",), ("routed",))
    machine.shell("root", "ip link delete vrf7")


@pytest.mark.slow
def test_vlans_of_one_bridge_are_apart(machine: Machine) -> None:
    for number in ("10", "20"):
        pod(machine, "network", "create", "--opt", f"vlan={number}", "--interface-name", "br7", *LAN, f"vlan{number}")
    for name, network in (
        ("one", "vlan10:ip=10.7.0.5"),
        ("two", "vlan10:ip=10.7.0.6"),
        ("three", "vlan20:ip=10.7.0.7"),
    ):
        run(machine, name, "--network", network)
    ping = ("pod", "exec", "--privileged", "one", "ping", "-c", "1", "-W", "2")
    assert machine.run("root", *ping, "10.7.0.6", check=False).returncode == 0
    assert machine.run("root", *ping, "10.7.0.7", check=False).returncode != 0
    end(machine, ("one", "two", "three"), ("vlan10", "vlan20"))
