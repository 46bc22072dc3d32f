"""What containers.conf says of networks, on a host of the tests' own; files and the name of the host in each mode."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.fixtures.command import Pod
from tests.fixtures.nethost import HOST, TestHost, ruleset

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.parametrize("mode", ["root"], indirect=True),
]


def configure(net: Pod, text: str) -> None:
    """Write the containers.conf that counts from now on."""
    path = Path(net.directory, "own.conf")
    path.write_text(text)
    net.environment["CONTAINERS_CONF"] = str(path)


def inside(net: Pod, image: str, script: str, *options: str) -> str:
    return net.run("run", "--rm", *options, image, "sh", "-c", script).out


def test_name_servers(net: Pod, busybox: str) -> None:
    net.run("network", "create", "mine")
    configure(
        net,
        '[containers]\ndns_servers = ["192.0.2.1"]\ndns_searches = ["a.test"]\ndns_options = ["ndots:2"]\n'
        "[network]\ndns_bind_port = 5353\n",
    )
    show = "cat /etc/resolv.conf"
    told = "search a.test\nnameserver 192.0.2.1\noptions ndots:2"
    assert inside(net, busybox, show) == inside(net, busybox, show, "--network", "host") == told
    asked = ("--dns=192.0.2.2", "--dns-search=b.test", "--dns-option=attempts:1")
    assert inside(net, busybox, show, *asked) == (
        "search a.test b.test\nnameserver 192.0.2.1\nnameserver 192.0.2.2\noptions ndots:2 attempts:1"
    )
    found = inside(net, busybox, f"{show}; netstat -lnu", "--network", "mine")
    assert found.startswith("search dns.podman a.test\nnameserver 127.0.0.11\noptions ndots:2\n")
    assert "127.0.0.11:5353 " in found
    net.run("network", "rm", "mine")


def test_resolv_conf_of_the_image(net: Pod, busybox: str) -> None:
    missing = "cat /etc/resolv.conf 2>&1 || true"
    assert "No such file" in inside(net, busybox, missing, "--dns=none")
    assert "No such file" in inside(net, busybox, missing, "--network=none")
    configure(net, '[containers]\ndns_servers = ["none"]\n')
    assert "No such file" in inside(net, busybox, missing)
    assert inside(net, busybox, missing, "--dns=192.0.2.2").endswith("nameserver 192.0.2.2")


def test_hosts(net: Pod, busybox: str, tmp_path: Path) -> None:
    base = tmp_path / "hosts"
    base.write_text("192.0.2.9 other # comment\n")
    show = "cat /etc/hosts"
    configure(net, f'[containers]\nbase_hosts_file = "{base}"\nhost_containers_internal_ip = "192.0.2.7"\n')
    assert inside(net, busybox, show, "--hostname=me", "--name=c", "--add-host=a;b:host-gateway").splitlines() == [
        "192.0.2.7\ta b",
        "192.0.2.9\tother",
        "127.0.0.1\tlocalhost",
        "::1\tlocalhost",
        "192.0.2.7\thost.containers.internal host.docker.internal",
        "10.88.0.2\tme c",
    ]
    configure(net, '[containers]\nhost_containers_internal_ip = "none"\nbase_hosts_file = "none"\n')
    assert "internal" not in inside(net, busybox, show)
    configure(net, "[containers]\nno_hosts = true\n")
    assert "No such file" in inside(net, busybox, f"{show} 2>&1 || true")
    assert "10.88.0.2" in inside(net, busybox, show, "--no-hosts=false")


@pytest.mark.parametrize(
    ("options", "address"),
    [
        (["--network=bridge"], "10.88.0.1"),
        (["--network=host"], HOST),
        (["--network=none"], HOST),
    ],
)
def test_the_host_has_a_name_in_every_mode(net: Pod, busybox: str, options: list[str], address: str) -> None:
    net.run("run", "-d", "--name", "c", *options, busybox, "sleep", "100")
    for where in (["exec", "c"], ["run", "--rm", "--network=container:c", busybox]):
        hosts = net.run(*where, "cat", "/etc/hosts").out
        assert f"{address}\thost.containers.internal host.docker.internal" in hosts.splitlines()


def test_the_host_is_reached_by_its_name(net: Pod, host: TestHost, busybox: str) -> None:
    net.run("network", "create", "mine")
    for network in ("bridge", "mine"):
        net.run(
            "run",
            "--rm",
            "--cap-add=NET_RAW",
            f"--network={network}",
            busybox,
            "ping",
            "-c1",
            "-W2",
            "host.containers.internal",
        )
    net.run("network", "rm", "mine")


def test_default_networks(net: Pod, busybox: str) -> None:
    configure(
        net,
        '[network]\ndefault_network = "first"\ndefault_subnet = "10.77.0.0/24"\nnetwork_backend = "netavark"\n'
        'default_subnet_pools = [{"base" = "10.78.0.0/23", "size" = 24}]\n',
    )
    assert "inet 10.77.0.2/24" in inside(net, busybox, "ip -o -4 addr show eth0")
    assert net.run("network", "ls", "--format", "{{.Name}}").out == "first"
    for number in range(2):
        name = net.run("network", "create").out
        [shown] = json.loads(net.run("network", "inspect", name).out)
        assert shown["subnets"][0]["subnet"] == f"10.7{8 + number // 2}.{number}.0/24"
    full = net.run("network", "create", check=False)
    assert full.stderr.startswith("Error: could not find free subnet from subnet pools")
    configure(net, '[containers]\nnetns = "none"\n')
    assert inside(net, busybox, "ls /sys/class/net") == "lo"
    configure(net, '[containers]\nnetns = "host"\n')
    assert "up0" in inside(net, busybox, "ls /sys/class/net")
    configure(net, '[containers]\ndefault_sysctls = ["net.ipv4.ip_default_ttl=77"]\n')
    assert inside(net, busybox, "cat /proc/sys/net/ipv4/ip_default_ttl") == "77"


def test_no_firewall(net: Pod, host: TestHost, busybox: str) -> None:
    configure(net, '[network]\nfirewall_driver = "none"\n')
    net.run("run", "--rm", "--cap-add=NET_RAW", "-p=8080:80", busybox, "ping", "-c1", "-W2", "10.88.0.1")
    assert ruleset(host) == ""
    configure(net, '[network]\nfirewall_driver = "iptables"\n')
    refused = net.run("run", "--rm", busybox, "true", check=False)
    assert (refused.code, refused.stderr.splitlines()[0]) == (
        126,
        'Error: unsupported firewall driver "iptables", check firewall_driver in containers.conf',
    )
    assert refused.stderr.splitlines()[1].startswith("hint: nftables works beside firewalld")
    assert net.run("ps", "-aq").out == ""


def test_an_unknown_backend(net: Pod, busybox: str) -> None:
    configure(net, '[network]\nnetwork_backend = "bogus"\n')
    refused = net.run("run", "--rm", busybox, "true", check=False)
    assert refused.stderr == 'Error: unsupported network backend "bogus", check network_backend in containers.conf\n'
