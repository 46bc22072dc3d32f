"""`network connect` and `network disconnect`, of containers that run and of others, on a host of the tests' own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import textwrap
import time
from typing import Any

import pytest

from tests.fixtures.nethost import HOST, OnHost, TestHost, eventually_equal, ruleset

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.parametrize("mode", ["root"], indirect=True),
]
SERVE = ("sh", "-c", "hostname > /tmp/index.html; exec httpd -f -p 80 -h /tmp")


def networks(net: OnHost, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(net.run("inspect", "-f", "{{json .NetworkSettings.Networks}}", name).out)
    return found


def interfaces(net: OnHost, name: str) -> list[str]:
    lines = net.run("exec", name, "ip", "-o", "link").out.splitlines()
    return [line.split(": ")[1].partition("@")[0] for line in lines]


def resolves(net: OnHost, name: str, asked: str) -> bool:
    return net.run("exec", name, "nslookup", asked, check=False).code == 0


def page_of_web(net: OnHost) -> str:
    """Return what the client gets of the server; nothing as long as that is not up."""
    return net.run("exec", "client", "wget", "-q", "-O", "-", "http://web/", check=False).out


def fetch(host: TestHost, address: str) -> str:
    try:
        return host.run("busybox", "wget", "-q", "-O", "-", f"http://{address}:8080/").strip()
    except AssertionError:
        return ""


@pytest.mark.parametrize("age", [0.0, 1.3], ids=["young", "old"])
def test_a_running_container_is_connected_and_disconnected(net: OnHost, busybox: str, age: float) -> None:
    """The monitor is another program after its first second; it must do all this in both."""
    net.run("network", "create", "one")
    net.run("network", "create", "--subnet", "10.99.0.0/24", "two")
    net.run("run", "-d", "--name", "web", "--hostname", "web", "--network", "two", busybox, *SERVE)
    net.run("run", "-d", "--name", "client", "--network", "one", busybox, "sleep", "100")
    assert not resolves(net, "client", "web")
    time.sleep(age)
    net.run(
        *("network", "connect", "--alias", "other,another", "--ip", "10.99.0.77"),
        *("--mac-address", "02:00:00:00:00:07", "two", "client"),
    )
    assert eventually_equal(lambda: resolves(net, "client", "web"), True)
    assert resolves(net, "web", "another")
    assert eventually_equal(lambda: page_of_web(net), "web") == "web"
    assert interfaces(net, "client") == ["lo", "eth0", "eth1"]
    shown = net.run("exec", "client", "ip", "address", "show", "eth1").out
    assert "10.99.0.77/24" in shown
    assert "02:00:00:00:00:07" in shown
    hosts = net.run("exec", "client", "cat", "/etc/hosts").out
    assert [line.split()[0] for line in hosts.splitlines() if "client" in line.split()][1:] == ["10.99.0.77"]
    assert sorted(networks(net, "client")) == ["one", "two"]
    assert networks(net, "client")["two"]["IPAddress"] == "10.99.0.77"
    assert net.run("ps", "--format", "{{.Networks}}", "--filter", "name=client").out == "one,two"
    net.run("network", "disconnect", "two", "client")
    assert interfaces(net, "client") == ["lo", "eth0"]
    assert eventually_equal(lambda: resolves(net, "client", "web"), False) is False
    assert "10.99.0.77" not in net.run("exec", "client", "cat", "/etc/hosts").out
    assert sorted(networks(net, "client")) == ["one"]
    net.run("network", "disconnect", "--force", "one", "client")
    assert interfaces(net, "client") == ["lo"]
    assert networks(net, "client") == {}
    net.run("rm", "-f", "-t", "0", "client", "web")
    net.run("network", "rm", "one", "two")


@pytest.mark.parametrize("age", [0.0, 1.3], ids=["young", "old"])
def test_names_come_with_the_first_network_that_has_some(net: OnHost, busybox: str, age: float) -> None:
    net.run("network", "create", "mine")
    net.run("run", "-d", "--name", "web", "--hostname", "web", "--network", "mine", busybox, *SERVE)
    net.run("run", "-d", "--name", "client", busybox, "sleep", "100")
    before = net.run("exec", "client", "cat", "/etc/resolv.conf").out
    assert "127.0.0.11" not in before
    net.run("exec", "client", "sh", "-c", "echo 192.0.2.9 mine >> /etc/hosts")
    time.sleep(age)
    net.run("network", "connect", "mine", "client")
    assert "nameserver 127.0.0.11" in net.run("exec", "client", "cat", "/etc/resolv.conf").out
    assert eventually_equal(lambda: resolves(net, "client", "web"), True)
    assert eventually_equal(lambda: page_of_web(net), "web") == "web"
    net.run("network", "disconnect", "mine", "client")
    assert net.run("exec", "client", "cat", "/etc/resolv.conf").out == before
    assert "192.0.2.9 mine" in net.run("exec", "client", "cat", "/etc/hosts").out.splitlines()
    net.run("rm", "-f", "-t", "0", "client", "web")
    net.run("network", "rm", "mine")


def test_published_ports_move_to_the_next_network(net: OnHost, host: TestHost, busybox: str) -> None:
    net.run("network", "create", "one")
    net.run("network", "create", "two")
    net.run("run", "-d", "--name", "web", "--hostname", "web", "--network", "one", "-p", "8080:80", busybox, *SERVE)
    assert eventually_equal(lambda: fetch(host, HOST), "web") == "web"
    net.run("network", "connect", "two", "web")
    assert fetch(host, HOST) == "web"
    net.run("network", "disconnect", "one", "web")
    for address in (HOST, "127.0.0.1"):
        assert fetch(host, address) == "web", address
    net.run("network", "disconnect", "two", "web")
    assert "8080" not in ruleset(host)
    net.run("network", "connect", "one", "web")
    assert fetch(host, HOST) == "web"
    net.run("rm", "-f", "-t", "0", "web")
    net.run("run", "--rm", "-p", "8080:80", busybox, "true")
    net.run("network", "rm", "one", "two")


def talk(where: list[str], code: str) -> subprocess.Popen[str]:
    """Start Python somewhere, which has said a line when this returns."""
    argv = [*where, "/usr/bin/python3", "-c", textwrap.dedent(code)]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def serve_datagrams(net: OnHost, name: str) -> subprocess.Popen[str]:
    """Answer datagrams to port 53 of a container with its name."""
    code = """
        import socket
        end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        end.bind(("", 53))
        print(flush=True)
        while True:
            end.sendto(b"%s", end.recvfrom(100)[1])
    """
    pid = net.run("inspect", "-f", "{{.State.Pid}}", name).out
    return talk(["nsenter", f"--net=/proc/{pid}/ns/net"], code.replace("%s", name))


def test_who_used_a_udp_port_before_is_passed_on_to_where_it_leads_now(
    net: OnHost, host: TestHost, busybox: str
) -> None:
    client = talk(
        host.world.prefix,
        f"""
        import socket, sys
        end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        end.connect(("{HOST}", 5353))
        print(flush=True)
        for _ in sys.stdin:
            end.settimeout(0)
            try:
                while end.recv(100):
                    pass  # an answer that was late
            except OSError:
                pass
            end.settimeout(1)
            try:
                end.send(b"?")
                print(end.recv(100).decode(), flush=True)
            except OSError:
                print("nobody", flush=True)
        """,
    )
    servers: list[subprocess.Popen[str]] = []

    def ask() -> str:
        assert client.stdin is not None
        assert client.stdout is not None
        client.stdin.write("\n")
        client.stdin.flush()
        return client.stdout.readline().strip()

    for name in ("one", "two"):
        net.run("network", "create", name)
    try:
        assert ask() == "nobody"
        for name in ("web", "next"):  # the second one has another address
            net.run("run", "-d", "--name", name, "--network", "one", "-p", "5353:53/udp", busybox, "sleep", "100")
            servers.append(serve_datagrams(net, name))
            assert eventually_equal(ask, name) == name
            net.run("stop", "-t", "0", name)
            assert ask() == "nobody"
        net.run("start", "web")
        servers.append(serve_datagrams(net, "web"))
        assert eventually_equal(ask, "web") == "web"
        net.run("network", "connect", "two", "web")
        net.run("network", "disconnect", "one", "web")
        assert eventually_equal(ask, "web") == "web"
    finally:
        for process in (client, *servers):
            process.kill()
            process.communicate()
    net.run("rm", "-f", "-t", "0", "web", "next")
    net.run("network", "rm", "one", "two")


def test_a_container_at_rest(net: OnHost, busybox: str) -> None:
    net.run("network", "create", "one")
    identity = net.run("create", "--name", "box", busybox, "ip", "-o", "-4", "address").out
    net.run("network", "connect", "one", "box")
    net.run("network", "connect", "one", "box")  # as podman: no error for one that does not run
    assert sorted(networks(net, "box")) == ["one", "podman"]
    shown = net.run("start", "-a", "box").out
    assert "eth0" in shown
    assert "eth1" in shown
    net.run("network", "disconnect", "podman", "box")
    assert [line.split()[1] for line in net.run("start", "-a", "box").out.splitlines()] == ["lo", "eth1"]
    told = net.run(
        "events", "--stream=false", "--filter", "type=network", "--format", "{{.Status}} {{.ID}} {{.Network}}"
    )
    assert told.out.splitlines()[1:] == [f"connect {identity} one", f"disconnect {identity} podman"]
    net.run("rm", "box")
    net.run("network", "rm", "one")


def test_containers_without_a_network_and_in_every_state(net: OnHost, busybox: str) -> None:
    net.run("network", "create", "one")
    net.run("create", "--name", "box", busybox, "sleep", "100")
    for verb in ("connect", "disconnect"):
        assert net.run("__complete", "network", verb, "").out.startswith("one")
        assert net.run("__complete", "network", verb, "one", "").out.startswith("box")
    net.run("network", "disconnect", "podman", "box")
    net.run("start", "box")
    assert interfaces(net, "box") == ["lo"]
    net.run("pause", "box")
    net.run("network", "connect", "one", "box")
    net.run("unpause", "box")
    assert interfaces(net, "box") == ["lo", "eth0"]
    net.run("stop", "-t", "0", "box")
    net.run("network", "disconnect", "one", "box")
    net.run("init", "box")
    net.run("network", "connect", "one", "box")
    net.run("start", "box")
    assert interfaces(net, "box") == ["lo", "eth0"]
    assert "nameserver 127.0.0.11" in net.run("exec", "box", "cat", "/etc/resolv.conf").out
    assert eventually_equal(lambda: resolves(net, "box", "box"), True)
    net.run("rm", "-f", "-t", "0", "box")
    net.run("network", "rm", "one")


def test_what_makes_no_sense(net: OnHost, busybox: str) -> None:
    net.run("network", "create", "--subnet", "10.99.0.0/24", "one")
    identity = net.run("run", "-d", "--name", "box", busybox, "sleep", "100").out
    net.run("run", "-d", "--name", "own", "--network", "none", busybox, "sleep", "100")
    net.run("run", "-d", "--name", "other", "--network", "one:ip=10.99.0.5", busybox, "sleep", "100")
    for arguments, message in (
        (("connect", "one", "nobody"), 'no container with name or ID "nobody" found: no such container'),
        (("connect", "nothing", "box"), "unable to find network with name or ID nothing: network not found"),
        (("connect", "one", "own"), '"none" is not supported: invalid network mode'),
        (("disconnect", "one", "own"), '"none" is not supported: invalid network mode'),
        (("disconnect", "one", "box"), "container box is not connected to network one"),
        (
            ("connect", "podman", "box"),
            f"container {identity} is already connected to network podman: network is already connected",
        ),
        (
            ("connect", "--ip", "10.98.0.1", "one", "box"),
            "requested static ip 10.98.0.1 not in any subnet on network one",
        ),
        (
            ("connect", "--ip", "10.99.0.1", "one", "box"),
            "IPAM error: requested ip address 10.99.0.1 is the gateway of",
        ),
        (
            ("connect", "--ip", "10.99.0.5", "one", "box"),
            "IPAM error: requested ip address 10.99.0.5 is already allocated",
        ),
        (("connect", "--ip", "x", "one", "box"), 'invalid argument "x" for "--ip" flag: failed to parse IP: "x"'),
        (("connect", "--ip6", "x", "one", "box"), 'invalid argument "x" for "--ip6" flag: failed to parse IP: "x"'),
        (("connect", "--mac-address", "x", "one", "box"), "address x: invalid MAC address"),
    ):
        failed = net.run("network", *arguments, check=False)
        assert failed.code == 125, arguments
        assert f"Error: {message}" in failed.stderr
    net.run("exec", "--privileged", "box", "ip", "link", "add", "eth1", "type", "veth", "peer", "name", "far")
    failed = net.run("network", "connect", "one", "box", check=False)
    assert "interface eth1 already exists on container namespace" in failed.stderr
    assert sorted(networks(net, "box")) == ["podman"]
    assert sorted(interfaces(net, "box"))[:2] == ["eth0", "eth1"]
    net.run("exec", "box", "ip", "link", "show", "eth1")  # it has kept its own
    net.run("rm", "-f", "-t", "0", "box", "own", "other")
    net.run("network", "rm", "one")


def test_commands_killed_at_any_moment_are_completed_by_the_next(net: OnHost, busybox: str) -> None:
    net.run("network", "create", "one")
    net.run("network", "create", "two")
    net.run("run", "-d", "--name", "box", "--network", "one", "-p", "8080:80", busybox, "sleep", "1000")
    time.sleep(1.2)
    began = time.monotonic()
    net.run("network", "connect", "two", "box")
    net.run("network", "disconnect", "two", "box")
    length = (time.monotonic() - began) / 2
    rounds = int(os.environ.get("POD_TEST_KILLS", "20"))
    for number in range(rounds):
        for verb in ("connect", "disconnect"):
            killed = net.start("network", verb, "two", "box")
            time.sleep(length * (0.3 + 0.7 * number / rounds))
            os.kill(killed.pid, signal.SIGKILL)
            killed.communicate()
            net.run("network", verb, "two", "box", check=False)
            connected = verb == "connect"
            assert ("two" in networks(net, "box")) == connected
            # Whoever deletes the device may live on.
            wanted = ["lo", "eth0", *(["eth1"] if connected else [])]
            assert eventually_equal(lambda: interfaces(net, "box"), wanted) == wanted
    net.run("rm", "-f", "-t", "0", "box")
    net.run("network", "rm", "one", "two")


def test_connects_at_once_and_an_end_in_between(net: OnHost, busybox: str) -> None:
    names = [f"n{number}" for number in range(4)]
    for name in names:
        net.run("network", "create", name)
    for killed in (False, True):
        net.run("run", "-d", "--name", "box", "--network", names[0], busybox, "sleep", "1000")
        started = [net.start("network", "connect", name, "box") for name in names[1:]]
        if killed:
            monitor = net.run("inspect", "-f", "{{.State.ConmonPid}}", "box").out
            os.kill(int(monitor), signal.SIGKILL)
        for process in started:
            process.communicate()
        if not killed:
            assert [process.returncode for process in started] == [0, 0, 0]
            assert interfaces(net, "box") == ["lo", "eth0", "eth1", "eth2", "eth3"]
        net.run("rm", "-f", "-t", "0", "box")
    net.run("network", "rm", *names)
