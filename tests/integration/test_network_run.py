"""`run` on bridge networks, on a host of the tests' own: who reaches whom, and what is left."""

from __future__ import annotations

import os
import time

import pytest

from tests.fixtures.command import Pod
from tests.fixtures.nethost import HOST, HOST6, WORLD, TestHost, eventually_equal, ruleset

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.parametrize("mode", ["root"], indirect=True),
]
SERVE = ("sh", "-c", "hostname > /tmp/index.html; exec httpd -f -p 80 -h /tmp")
# Present if the kernel has br_netfilter, and of each network namespace.
BRIDGE_CALLS = "/proc/sys/net/bridge/bridge-nf-call-ip6tables"


def fetch(host: TestHost, address: str, port: int = 8080) -> str:
    return host.run("busybox", "wget", "-q", "-O", "-", f"http://{address}:{port}/").strip()


def test_the_default_bridge(net: Pod, host: TestHost, busybox: str) -> None:
    shown = net.run("run", "--rm", busybox, "sh", "-c", "ip -o -4 addr show eth0; ip route; cat /etc/hosts").out
    assert "inet 10.88.0.2/16" in shown
    assert "default via 10.88.0.1 dev eth0" in shown
    assert "10.88.0.1\thost.containers.internal host.docker.internal" in shown
    net.run("run", "--rm", "--cap-add", "NET_RAW", busybox, "ping", "-c", "1", "-W", "2", WORLD)


def test_published_ports(net: Pod, host: TestHost, busybox: str) -> None:
    net.run("run", "-d", "--name", "web", "--hostname", "web", "-p", "8080:80", busybox, *SERVE)
    assert net.run("port", "web").out == "80/tcp -> 0.0.0.0:8080"
    for _ in range(2):  # before and after the monitor's move into a bare interpreter
        assert eventually_equal(lambda: attempt(host, "127.0.0.1"), "web") == "web"
        assert fetch(host, HOST) == "web"
        assert host.world.run("busybox", "wget", "-q", "-O", "-", f"http://{HOST}:8080/").strip() == "web"
        assert net.run("exec", "web", "wget", "-q", "-O", "-", f"http://{HOST}:8080/").out == "web"
        time.sleep(1.2)
    second = net.run("run", "-d", "-p", "8080:80", busybox, *SERVE, check=False)
    assert second.code == 126
    assert "address already in use" in second.stderr
    net.run("rm", "-f", "-t", "0", "web")
    net.run("run", "--rm", "-p", "8080:80", busybox, "true")


def test_names_on_a_network(net: Pod, host: TestHost, busybox: str) -> None:
    net.run("network", "create", "mine")
    net.run("run", "-d", "--name", "web", "--hostname", "web", "--network", "mine:alias=www", busybox, *SERVE)
    net.run("run", "-d", "--name", "client", "--network", "mine", busybox, "sleep", "100")
    for _ in range(2):
        for name in ("web", "www", "web.dns.podman"):
            words = ("exec", "client", "wget", "-q", "-O", "-", f"http://{name}/")
            assert eventually_equal(lambda words=words: net.run(*words, check=False).out, "web") == "web", name  # type: ignore[misc]
        time.sleep(1.2)
    net.run("rm", "-f", "-t", "0", "web")
    assert net.run("exec", "client", "nslookup", "web", check=False).code != 0
    net.run("rm", "-f", "-t", "0", "client")
    net.run("network", "rm", "mine")


def test_ipv6(net: Pod, host: TestHost, busybox: str) -> None:
    net.run("network", "create", "--ipv6", "six")
    net.run("run", "-d", "--name", "web", "--hostname", "web", "--network", "six", "-p", "8080:80", busybox, *SERVE)
    net.run(
        "run", "--rm", "--network", "six", "--cap-add", "NET_RAW", busybox, "ping", "-6", "-c", "1", "-W", "2", "web"
    )
    assert eventually_equal(lambda: attempt(host, f"[{HOST6}]"), "web") == "web"
    net.run("rm", "-f", "-t", "0", "web")
    net.run("network", "rm", "six")


def test_ports_at_the_ipv6_loopback_address(net: Pod, host: TestHost, busybox: str) -> None:
    net.run("network", "create", "--ipv6", "six")
    if os.path.exists(BRIDGE_CALLS):
        host.run("sysctl", "-w", "net.bridge.bridge-nf-call-ip6tables=1")
    options = ("--network", "six", "-p", "8080:80", "-p", "[::1]:8081:80")
    net.run("run", "-d", "--name", "web", "--hostname", "web", *options, busybox, *SERVE)
    assert eventually_equal(lambda: attempt(host), "web") == "web"
    assert fetch(host, f"[{HOST6}]") == "web"
    if os.path.exists(BRIDGE_CALLS):
        for port in (8080, 8081):
            with pytest.raises(AssertionError, match="Connection refused"):
                fetch(host, "[::1]", port)
        host.run("sysctl", "-w", "net.bridge.bridge-nf-call-ip6tables=0")
        net.run("network", "reload", "web")
        net.run("network", "reload", "--all")
    for port in (8080, 8081):
        assert fetch(host, "[::1]", port) == "web"
    with pytest.raises(AssertionError, match="Connection refused"):
        fetch(host, f"[{HOST6}]", 8081)
    net.run("rm", "-f", "-t", "0", "web")
    net.run("network", "rm", "six")
    assert "pod" not in host.run("ip", "-6", "route", "show", "table", "local")


def test_an_internal_network_leads_nowhere_else(net: Pod, host: TestHost, busybox: str) -> None:
    net.run("network", "create", "--internal", "inner")
    net.run("run", "-d", "--name", "web", "--hostname", "web", "--network", "inner", busybox, *SERVE)
    ask = ("run", "--rm", "--network", "inner", busybox, "wget", "-q", "-O", "-", "http://web/")
    assert eventually_equal(lambda: net.run(*ask, check=False).out, "web") == "web"
    assert net.run(
        "run",
        "--rm",
        "--network",
        "inner",
        "--cap-add",
        "NET_RAW",
        busybox,
        "ping",
        "-c",
        "1",
        "-W",
        "1",
        WORLD,
        check=False,
    ).code
    net.run("rm", "-f", "-t", "0", "web")
    net.run("network", "rm", "inner")


def test_a_killed_monitor_leaves_nothing_after_the_next_command(net: Pod, host: TestHost, busybox: str) -> None:
    net.run("run", "-d", "--name", "web", "-p", "8080:80", busybox, *SERVE)
    with open(
        os.path.join(net.runroot, "containers", net.run("inspect", "-f", "{{.Id}}", "web").out, "monitor")
    ) as file:
        os.kill(int(file.read().split()[0]), 9)
    net.run("rm", "-f", "-t", "0", "web")
    assert eventually_equal(host.links, {"lo", "up0"}) == {"lo", "up0"}
    assert eventually_equal(lambda: "elements" in ruleset(host), False) is False


def test_a_restart_by_policy_is_connected_again(net: Pod, host: TestHost, busybox: str) -> None:
    script = "hostname > /tmp/index.html; httpd -p 80 -h /tmp; sleep 1.5; exit 1"
    net.run(
        "run",
        "-d",
        "--name",
        "web",
        "--hostname",
        "web",
        "--restart",
        "always",
        "-p",
        "8080:80",
        busybox,
        "sh",
        "-c",
        script,
    )
    count = lambda: int(net.run("inspect", "-f", "{{.RestartCount}}", "web").out) >= 1  # noqa: E731
    assert eventually_equal(count, True)
    assert eventually_equal(lambda: attempt(host), "web") == "web"
    net.run("rm", "-f", "-t", "0", "web")


def attempt(host: TestHost, address: str = HOST) -> str:
    try:
        return fetch(host, address)
    except AssertionError:
        return ""


def test_pasta_is_not_for_root(net: Pod, host: TestHost, busybox: str) -> None:
    failed = net.run("run", "--rm", "--network", "pasta", busybox, "true", check=False)
    assert (failed.code, failed.stderr) == (
        125,
        "Error: pasta networking is only supported for rootless mode or when inside a nested userns\n",
    )
