"""Forwarding by the host: switched on when it is needed, said once; chains of others that drop what is forwarded."""

from __future__ import annotations

import os

import pytest

from tests.fixtures.nethost import HOST, WORLD, OnHost, TestHost, eventually_equal, ruleset

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.parametrize("mode", ["root"], indirect=True),
]
SERVE = ("sh", "-c", "hostname > /tmp/index.html; exec httpd -f -p 80 -h /tmp")
SAID = "The host passes packets on from now on, for containers on networks: "
# As Docker has it, but for its own networks.
DROPS = """
table ip filter {
    chain DOCKER-USER { return; }
    chain FORWARD { type filter hook forward priority filter; policy drop; jump DOCKER-USER; }
}
"""


def test_forwarding_is_switched_on_as_needed_and_said_once(net: OnHost, host: TestHost, busybox: str) -> None:
    net.run("network", "create", "--internal", "inner")
    net.run("network", "create", "--ipv6", "six")
    host.run("sysctl", "-w", "net.ipv4.ip_forward=0", "net.ipv6.conf.all.forwarding=0")
    for network, told in (
        ("none", ""),
        ("inner", ""),
        ("podman", SAID + "net.ipv4.ip_forward=1"),
        ("podman", ""),
        ("six", SAID + "net.ipv6.conf.all.forwarding=1"),
    ):
        assert net.run("run", "--rm", "--network", network, busybox, "true").stderr.strip() == told, network
    net.run("run", "-d", "--name", "box", "--network", "inner", busybox, "sleep", "100")
    host.run("sysctl", "-w", "net.ipv4.ip_forward=0")
    assert net.run("network", "connect", "podman", "box").stderr.strip() == SAID + "net.ipv4.ip_forward=1"
    net.run("rm", "-f", "-t", "0", "box")
    net.run("network", "rm", "inner", "six")


def test_doctor_mends_a_chain_that_drops_all_that_is_forwarded(net: OnHost, host: TestHost, busybox: str) -> None:
    """No program can let pass what another one's chain drops: not netavark, not we; so it is told."""
    host.run("sh", "-c", f"nft -f - <<END\n{DROPS}\nEND")
    before = ruleset(host)
    net.run("run", "-d", "--name", "web", "--hostname", "web", "-p", "8080:80", busybox, *SERVE)
    ping = ("exec", "--privileged", "web", "ping", "-c", "1", "-W", "2", WORLD)
    fetch = ("busybox", "wget", "-q", "-O", "-", f"http://{HOST}:8080/")
    assert net.run(*ping, check=False).code != 0
    assert ruleset(host).startswith(before.rstrip())
    told = net.run("doctor", check=False).out.splitlines()
    [fix] = [line.strip() for line in told if "nft 'insert rule ip filter DOCKER-USER" in line]
    host.run("sh", "-c", fix[fix.index("nft '") :])
    net.run(*ping)
    assert eventually_equal(lambda: host.world.run("sh", "-c", f"{' '.join(fetch)} || true").strip(), "web") == "web"
    assert "FORWARD drops" not in net.run("doctor", check=False).out
    net.run("rm", "-f", "-t", "0", "web")
