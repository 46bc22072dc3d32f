"""The commands of `pod network`: documents, refusals with podman's words, filters, removal. Nothing here is started."""

from __future__ import annotations

import json
import os
import socket
from typing import Any

import pytest

from tests.fixtures.command import Pod


def inspect(pod: Pod, name: str) -> dict[str, Any]:
    [found] = json.loads(pod.run("network", "inspect", name).out)
    assert isinstance(found, dict)
    return found


def failure(pod: Pod, *arguments: str) -> str:
    failed = pod.run(*arguments, check=False)
    assert failed.code == 125, failed
    assert failed.stdout == ""
    return failed.stderr.splitlines()[0].removeprefix("Error: ")


def test_create_with_all_flags(pod: Pod) -> None:
    made = pod.run(
        *("network", "create", "--driver", "bridge", "--subnet", "10.222.1.5/24", "--gateway", "10.222.1.9"),
        *("--ip-range", "10.222.1.128/25", "--ipv6", "--internal", "--dns", "1.1.1.1", "--label", "a=b"),
        *("--opt", "mtu=1400,isolate=1", "-o", "metric=5", "--route", "10.223.0.0/16,10.222.1.7,100"),
        *("--interface-name", "podtest7", "--ipam-driver", "host-local", "web"),
    )
    assert made.out == "web"
    found = inspect(pod, "web")
    assert list(found)[:5] == ["name", "id", "driver", "network_interface", "created"]
    assert (found["name"], found["driver"], found["network_interface"]) == ("web", "bridge", "podtest7")
    limits = {"start_ip": "10.222.1.129", "end_ip": "10.222.1.255"}
    assert found["subnets"][0] == {"subnet": "10.222.1.0/24", "gateway": "10.222.1.9", "lease_range": limits}
    assert found["subnets"][1]["subnet"].startswith("fd")
    assert (found["ipv6_enabled"], found["internal"], found["dns_enabled"]) == (True, True, True)
    assert found["network_dns_servers"] == ["1.1.1.1"]
    assert found["labels"] == {"a": "b"}
    assert found["options"] == {"mtu": "1400", "isolate": "true", "metric": "5"}
    assert found["routes"] == [{"destination": "10.223.0.0/16", "gateway": "10.222.1.7", "metric": 100}]
    assert found["ipam_options"] == {"driver": "host-local"}
    assert found["containers"] == {}
    assert pod.run("network", "create", "--ignore", "web").out == "web"
    assert failure(pod, "network", "create", "web") == "network name web already used: network already exists"
    assert pod.run("network", "inspect", "--format", "{{.Name}} {{range .Subnets}}{{.Gateway}} {{end}}", "web").out[
        :14
    ] == ("web 10.222.1.9")


def test_names_and_subnets_of_our_choice(pod: Pod) -> None:
    names = [pod.run("network", "create", *options).out for options in ([], ["--disable-dns"])]
    assert names == ["podman1", "podman2"]
    first, second = (inspect(pod, name) for name in names)
    assert first["subnets"][0]["subnet"] != second["subnets"][0]["subnet"]
    assert first["network_interface"] != second["network_interface"]
    assert (first["dns_enabled"], second["dns_enabled"]) == (True, False)
    assert inspect(pod, first["id"][:12])["name"] == "podman1"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--subnet", "x", "n"], "invalid CIDR address: x"),
        (["--gateway", "10.1.1.1", "n"], "cannot set gateway or range without subnet"),
        (["--subnet", "10.222.0.0/24", "--gateway", "10.1.1.1", "n"], "gateway 10.1.1.1 not in subnet 10.222.0.0/24"),
        (
            ["--subnet", "10.222.0.0/24", "--ip-range", "10.1.1.0/25", "n"],
            "lease range start ip 10.1.1.1 not in subnet 10.222.0.0/24",
        ),
        (["--subnet", "10.222.0.0/24", "--subnet", "10.222.0.128/25", "n"], "subnet 10.222.0.128/25 is already used"),
        (["-d", "foo", "n"], "unsupported driver foo: invalid argument"),
        (["-o", "foo=1", "n"], "unsupported bridge network option foo"),
        (["-o", "isolate=x", "n"], 'failed to parse isolate option: strconv.ParseBool: parsing "x": invalid syntax'),
        (["-o", "parent=lo", "n"], 'cannot set option "parent" with driver "bridge"'),
        (["-o", "vlan=5000", "n"], "vlan ID 5000 must be between 0 and 4094"),
        (["bad name"], "network name bad name invalid: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument"),
        (["../up"], "network name ../up invalid"),
        (["host"], 'cannot create network with name "host" because it conflicts with a valid network mode'),
        (["podman"], "network name podman already used: network already exists"),
        (["--ipam-driver", "none", "--subnet", "10.222.0.0/24", "n"], "none ipam driver is set but subnets are given"),
        (["-d", "ipvlan", "n"], "ipam driver dhcp is not supported with ipvlan"),
        (
            ["-d", "macvlan", "-o", "parent=nix0", "--subnet", "10.222.0.0/24", "n"],
            "parent interface nix0 does not exist",
        ),
        (["--route", "10.0.0.0/8", "n"], "invalid route: 10.0.0.0/8"),
        (["--disable-dns", "--dns", "1.1.1.1", "n"], "cannot set NetworkDNSServers if DNS is not enabled"),
        (["--interface-name", "lo", "n"], "bridge name lo already in use"),
    ],
)
def test_refusals(pod: Pod, arguments: list[str], message: str) -> None:
    assert failure(pod, "network", "create", *arguments).startswith(message)
    assert pod.run("network", "ls", "-q").out == "podman"


def test_lists_and_filters(pod: Pod) -> None:
    pod.run("network", "create", "--label", "tier=web", "one")
    pod.run("network", "create", "-d", "macvlan", "-o", "parent=lo", "--subnet", "10.222.7.0/24", "two")
    lines = pod.run("network", "ls").out.splitlines()
    assert lines[0].split() == ["NETWORK", "ID", "NAME", "DRIVER"]
    assert [line.split()[1:] for line in lines[1:]] == [["one", "bridge"], ["podman", "bridge"], ["two", "macvlan"]]
    assert len(pod.run("network", "ls", "--noheading").out.splitlines()) == 3
    told = json.loads(pod.run("network", "ls", "--format", "json").out)
    assert [one["name"] for one in told] == ["one", "podman", "two"]
    assert pod.run("network", "ls", "--no-trunc", "--format", "{{.ID}}").out.splitlines()[0] == told[0]["id"]
    assert pod.run("network", "ls", "--format", "{{.Name}} {{.Labels}}", "-f", "name=one").out == "one tier=web"

    def named(*filters: str) -> list[str]:
        said = [word for text in filters for word in ("--filter", text)]
        return pod.run("network", "ls", "--quiet", *said).out.split()

    assert named("driver=macvlan") == ["two"]
    assert named("label=tier=web") == ["one"]
    assert named("label!=tier") == ["podman", "two"]
    assert named(f"id={told[2]['id'][:10]}") == ["two"]
    assert named("dangling=true") == ["one", "two"]
    assert named("until=1h") == []
    assert failure(pod, "network", "ls", "--filter", "foo=1") == 'invalid filter "foo"'


def test_removal(box: Pod, busybox: str) -> None:
    for name in ("one", "two", "three"):
        box.run("network", "create", name)
    box.run("create", "--name", "c", "--network", "one", "--network", "two:alias=x", busybox, "true")
    refused = box.run("network", "rm", "one", check=False)
    assert refused.code == 2
    assert refused.stderr.startswith('Error: "one" has associated containers with it. Use -f to forcibly delete')
    missing = box.run("network", "rm", "nix", check=False)
    assert (missing.code, missing.stderr) == (
        1,
        "Error: unable to find network with name or ID nix: network not found\n",
    )
    assert box.run("network", "rm", "--force", "nix").out == ""
    assert failure(box, "network", "rm", "podman") == "default network podman cannot be removed"
    assert box.run("ps", "-a", "--format", "{{.Names}} {{.Networks}}", "--filter", "network=two").out == "c one,two"
    assert box.run("network", "prune", "--force", "--filter", "label=nix").out == ""
    assert box.run("network", "prune", "--force").out == "three"
    assert box.run("network", "rm", "-f", "--time", "0", "one").out == "one"
    assert box.run("ps", "-aq").out == ""
    assert box.run("network", "exists", "one", check=False).code == 1
    assert box.run("network", "exists", "two").code == 0
    assert "two" in box.run("system", "prune", "--force").out
    told = box.run("events", "--stream=false", "--filter", "type=network", "--format", "{{.Status}}").out.split()
    assert told == ["create"] * 3 + ["remove"] * 3


def test_update(pod: Pod) -> None:
    pod.run("network", "create", "--dns", "1.1.1.1", "web")
    assert pod.run("network", "update", "web", "--dns-add", "2.2.2.2,3.3.3.3", "--dns-drop", "1.1.1.1").out == "web"
    assert inspect(pod, "web")["network_dns_servers"] == ["2.2.2.2", "3.3.3.3"]
    assert failure(pod, "network", "update", "web", "--dns-add", "x") == 'invalid IP address: "x"'
    assert failure(pod, "network", "update", "nix", "--dns-add", "1.1.1.1").startswith("unable to find network")


def test_what_is_told_of_a_container(box: Pod, busybox: str) -> None:
    box.run("network", "create", "--subnet", "10.222.3.0/24", "web")
    options = ["--network", "web:alias=db", "-p", "18080:80", "-p", "127.0.0.1:18081-18082:81-82/udp", "--expose", "99"]
    identity = box.run("create", "--name", "c", *options, busybox, "true").out
    shown = "0.0.0.0:18080->80/tcp, 127.0.0.1:18081-18082->81-82/udp, 99/tcp"
    assert box.run("ps", "-a", "--format", "{{.Ports}}").out == shown
    [told] = json.loads(box.run("inspect", "c").out)
    assert told["NetworkSettings"]["Ports"] == {
        "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "18080"}],
        "81/udp": [{"HostIp": "127.0.0.1", "HostPort": "18081"}],
        "82/udp": [{"HostIp": "127.0.0.1", "HostPort": "18082"}],
        "99/tcp": None,
    }
    assert told["NetworkSettings"]["Networks"]["web"]["Aliases"] == ["db", identity[:12]]
    assert told["HostConfig"]["NetworkMode"] == "bridge"
    assert told["HostConfig"]["PortBindings"]["80/tcp"] == [{"HostIp": "0.0.0.0", "HostPort": "18080"}]
    assert set(told["Config"]["ExposedPorts"]) == {"80/tcp", "81/udp", "82/udp", "99/tcp"}
    assert json.loads(box.run("ps", "-a", "--format", "json").out)[0]["Networks"] == ["web"]
    assert "web" in box.run("__complete", "network", "rm", "").out


def test_a_port_that_somebody_has(box: Pod, busybox: str) -> None:
    with socket.socket() as end:
        end.bind(("0.0.0.0", 0))
        end.listen()
        port = end.getsockname()[1]
        box.run("create", "--name", "c", "--network", "bridge", "-p", f"{port}:80", busybox, "true")
        failed = box.run("start", "c", check=False)
        assert f"cannot listen on the TCP port: listen tcp4 :{port}: bind: address already in use" in failed.stderr
        if not box.rootless:  # from within a user namespace nobody sees what processes outside have open
            assert f"process {os.getpid()} " in failed.stderr


def test_privileged_ports(box: Pod, busybox: str) -> None:
    if not box.rootless:
        pytest.skip("root may")
    box.run("create", "--name", "c", "--network", "bridge", "-p", "81:80", busybox, "true")
    failed = box.run("start", "c", check=False)
    assert "rootlessport cannot expose privileged port 81" in failed.stderr
    assert "net.ipv4.ip_unprivileged_port_start=81" in failed.stderr
