"""What inspect, ps, port, stats and network ls|inspect tell of networks, as podman does."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from tests.fixtures.command import Pod
from tests.fixtures.nethost import HOST, TestHost

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.parametrize("mode", ["root"], indirect=True),
]
PORTS = ("8080:80", "8081-8083:81-83", "127.0.0.1:5353:53/udp", "9001:9001", "9000:9000", "[::1]:7070:70")


def inspect(net: Pod, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(net.run("inspect", name).out)[0]
    return found


def test_a_container_on_the_default_network(net: Pod, busybox: str) -> None:
    identity = net.run("run", "-d", "--name", "c", busybox, "sleep", "100").out
    found = inspect(net, "c")["NetworkSettings"]
    mac = net.run("exec", "c", "cat", "/sys/class/net/eth0/address").out
    told = {"Gateway": "10.88.0.1", "IPAddress": "10.88.0.2", "IPPrefixLen": 16, "MacAddress": mac}
    assert told.items() <= found.items()
    assert told.items() <= found["Networks"]["podman"].items()
    assert found["Networks"]["podman"]["Aliases"] == [identity[:12]]
    assert os.path.samefile(found["SandboxKey"], f"/proc/{inspect(net, 'c')['State']['Pid']}/ns/net")
    [network] = json.loads(net.run("network", "inspect", "podman").out)
    subnets = [{"ipnet": "10.88.0.2/16", "gateway": "10.88.0.1"}]
    held = {"eth0": {"subnets": subnets, "mac_address": mac}}
    assert network["containers"] == {identity: {"name": "c", "interfaces": held}}
    net.run("stop", "-t", "0", "c")
    found = inspect(net, "c")["NetworkSettings"]
    for one in (found, found["Networks"]["podman"]):
        assert (one["IPAddress"], one["MacAddress"], one["IPPrefixLen"]) == ("", "", 0)
    assert found["SandboxKey"] == ""
    assert json.loads(net.run("network", "inspect", "podman").out)[0]["containers"] == {}


def test_a_container_on_networks_of_its_own(net: Pod, busybox: str) -> None:
    net.run("network", "create", "--subnet", "10.89.50.0/24", "one")
    net.run("network", "create", "--subnet", "fd00:50::/64", "two")
    where = ("--network", "one:ip=10.89.50.7,mac=02:00:00:00:00:07", "--network", "two")
    net.run("run", "-d", "--name", "c", *where, busybox, "sleep", "100")
    found = inspect(net, "c")
    settings = found["NetworkSettings"]
    # Which one would it be? As with podman, the fields beside Networks are those of the default network alone.
    assert (settings["IPAddress"], settings["Gateway"]) == ("", "")
    one, two = settings["Networks"]["one"], settings["Networks"]["two"]
    assert (one["IPAddress"], one["IPPrefixLen"], one["MacAddress"]) == ("10.89.50.7", 24, "02:00:00:00:00:07")
    assert (two["GlobalIPv6Address"], two["GlobalIPv6PrefixLen"], two["IPv6Gateway"]) == (
        "fd00:50::2",
        64,
        "fd00:50::1",
    )
    assert two["MacAddress"] == net.run("exec", "c", "cat", "/sys/class/net/eth1/address").out
    assert net.run("ps", "--format", "{{.Networks}}").out == "one,two"
    assert json.loads(net.run("ps", "--format", "json").out)[0]["Networks"] == ["one", "two"]
    for name, names in (("one", "c"), ("two", "c"), ("podman", ""), ("nix", "")):
        assert net.run("ps", "--filter", f"network={name}", "--format", "{{.Names}}").out == names
    net.run("rm", "-f", "-t", "0", "c")
    net.run("network", "rm", "one", "two")


@pytest.mark.parametrize("network", ["none", "host"])
def test_a_mode_takes_the_place_of_a_network(net: Pod, busybox: str, network: str) -> None:
    net.run("create", "--name", "c", "--network", network, busybox, "true")
    found = inspect(net, "c")
    assert found["HostConfig"]["NetworkMode"] == network
    assert "ExposedPorts" not in found["Config"]
    assert net.run("inspect", "--format", "{{.Config.ExposedPorts}}", "c").out == "map[]"
    assert list(found["NetworkSettings"]["Networks"]) == [network]
    assert found["NetworkSettings"]["Networks"][network]["NetworkID"] == network
    assert net.run("ps", "-a", "--format", "{{.Networks}}|{{.Ports}}").out == "|"


def test_ports(net: Pod, busybox: str) -> None:
    publish = [word for port in PORTS for word in ("-p", port)]
    asked = ("--add-host", "x:1.2.3.4", "--dns", "9.9.9.9", "--dns-search", "a.b", "--dns-option", "ndots:1")
    net.run("run", "-d", "--name", "c", *publish, "--expose", "7777", *asked, busybox, "sleep", "100")
    assert net.run("ps", "--format", "{{.Ports}}").out == (
        "0.0.0.0:8080-8083->80-83/tcp, 0.0.0.0:9000-9001->9000-9001/tcp, 127.0.0.1:5353->53/udp, ::1:7070->70/tcp,"
        " 7777/tcp"
    )
    [told] = json.loads(net.run("ps", "--format", "json").out)
    first = {"host_ip": "", "container_port": 80, "host_port": 8080, "range": 4, "protocol": "tcp"}
    assert told["Ports"][0] == first
    assert told["ExposedPorts"] == {"7777": ["tcp"]}
    lines = [f"{port}/tcp -> 0.0.0.0:{8000 + port}" for port in range(80, 84)]
    lines += ["9000/tcp -> 0.0.0.0:9000", "9001/tcp -> 0.0.0.0:9001"]
    lines += ["53/udp -> 127.0.0.1:5353", "70/tcp -> [::1]:7070"]
    assert net.run("port", "c").out.splitlines() == lines
    identity = net.run("inspect", "--format", "{{.Id}}", "c").out[:12]
    assert net.run("port", "--all").out.splitlines() == [f"{identity}\t{line}" for line in lines]
    for asked_for, answer in (("82", "0.0.0.0:8082"), ("82/tcp", "0.0.0.0:8082"), ("53/udp", "127.0.0.1:5353")):
        assert net.run("port", "c", asked_for).out == answer
    for asked_for, words in (("53", '"53"'), ("99", '"99"'), ("80/foo", '"80/foo"')):
        failed = net.run("port", "c", asked_for, check=False)
        assert (failed.code, failed.stderr) == (125, f"Error: failed to find published port {words}\n")
    found = inspect(net, "c")
    bound = found["HostConfig"]["PortBindings"]
    assert bound["80/tcp"] == [{"HostIp": "0.0.0.0", "HostPort": "8080"}]
    assert bound["53/udp"] == [{"HostIp": "127.0.0.1", "HostPort": "5353"}]
    assert found["NetworkSettings"]["Ports"] == bound | {"7777/tcp": None}
    told = found["HostConfig"]
    assert (told["Dns"], told["DnsSearch"], told["DnsOptions"]) == (["9.9.9.9"], ["a.b"], ["ndots:1"])
    assert told["ExtraHosts"] == ["x:1.2.3.4"]
    assert set(found["Config"]["ExposedPorts"]) == {*bound, "7777/tcp"}
    net.run("stop", "-t", "0", "c")
    assert net.run("port", "c").out == ""


def test_bytes(net: Pod, host: TestHost, busybox: str) -> None:
    net.run("run", "-d", "--name", "c", "-p", "8080:80", busybox, "httpd", "-f", "-p", "80", "-h", "/bin")
    for _ in range(50):
        if not net.run("exec", "c", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1/busybox", check=False).code:
            break
    host.run("busybox", "wget", "-q", "-O", "/dev/null", f"http://{HOST}:8080/busybox")
    received, sent = map(
        int, net.run("stats", "--no-stream", "--format", "{{.NetInput}} {{.NetOutput}}", "c").out.split()
    )
    assert received > 500
    assert sent > 500_000


def test_networks_in_templates(net: Pod) -> None:
    net.run("network", "create", "--subnet", "10.89.50.0/24", "--label", "a=b", "--opt", "mtu=1400", "one")
    words = "{{.Name}} {{.Driver}} {{.NetworkInterface}} {{.Internal}} {{.IPv6Enabled}} {{.DNSEnabled}} {{.Options}}"
    words += (
        " {{.IPAMOptions}} {{range .Subnets}}{{.Subnet}} {{.Gateway}}{{end}} {{len .Routes}} {{.NetworkDNSServers}}"
    )
    told = "one bridge pod1 false false true map[mtu:1400] map[driver:host-local] 10.89.50.0/24 10.89.50.1 0 []"
    assert net.run("network", "inspect", "--format", words, "one").out == told
    assert net.run("network", "ls", "--filter", "name=one", "--format", words).out == told
    assert net.run("network", "inspect", "--format", "{{.Labels}}", "one").out == "map[a:b]"
    assert net.run("network", "ls", "--filter", "label=a=b", "--format", "{{.Labels}}").out == "a=b"
    assert " +0000 UTC" in net.run("network", "ls", "--filter", "name=one", "--format", "{{.Created}}").out
    failed = net.run("network", "ls", "--format", "{{.Foo}}", check=False)
    assert (failed.code, "can't evaluate field Foo" in failed.stderr) == (125, True)
    failed = net.run("network", "ls", "--filter", "dangling=x", check=False)
    assert failed.stderr.startswith('Error: invalid dangling filter value "x"\n')
    net.run("network", "rm", "one")
