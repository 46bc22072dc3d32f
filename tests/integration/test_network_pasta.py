"""The network of an ordinary user's container: pasta, on a host of the tests' own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from tests.fixtures import nameserver
from tests.fixtures.nethost import (
    HOST,
    HOST6,
    WORLD,
    WORLD6,
    Namespace,
    OnHost,
    TestHost,
    eventually_equal,
)

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.parametrize("mode", ["rootless"], indirect=True),
]
# Says who has called: its own name at /, the caller's address at /cgi-bin/who.
WEB = (
    "mkdir -p /tmp/cgi-bin; hostname > /tmp/index.html; printf '#!/bin/sh\\necho; echo $REMOTE_ADDR\\n' >"
    " /tmp/cgi-bin/who; chmod +x /tmp/cgi-bin/who;"
)
LONELY = "WARNING: the container has no network but its loopback:"
SERVE = ("sh", "-c", f"{WEB} exec httpd -f -p 80 -h /tmp")
# The machine's own Python, for what busybox has not.
HOST_PROGRAMS = [f"--volume=/{name}:/{name}:ro" for name in ("usr", "lib", "lib64")]
# Tells every caller where it comes from; a TCP server speaks first.
SPEAKER = """
import socket, sys
end = socket.create_server(("::", 7), family=socket.AF_INET6, dualstack_ipv6=True) if sys.argv[1] == "::" else \\
    socket.create_server((sys.argv[1], 7))
print("up", flush=True)
while True:
    caller, address = end.accept()
    caller.sendall(address[0].removeprefix("::ffff:").encode() + b"\\n")
    caller.close()
"""
# Prints what servers on port 7 say first, if they do within so many seconds. It does not close its own side before:
# pasta of 2023 goes wrong then.
LISTEN = """
import socket, sys
for address in sys.argv[2:]:
    try:
        with socket.create_connection((address, 7), float(sys.argv[1])) as end:
            print(end.recv(99).decode().strip())
    except OSError as error:
        print(address, "is out of reach")
"""
ECHO = """
import socket
end = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
end.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
end.bind(("::", 53))
while True:
    _, address = end.recvfrom(99)
    end.sendto(address[0].removeprefix("::ffff:").encode(), address)
"""
ASK = """
import socket, sys, time
end = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
end.settimeout(1)
for _ in range(60):
    try:
        end.sendto(b"?", (sys.argv[1], int(sys.argv[2])))
        print(end.recv(99).decode())
        break
    except OSError:
        time.sleep(0.2)
"""


@pytest.fixture
def mine(net: OnHost) -> Iterator[OnHost]:
    """`net`, after which no pasta may be left."""
    yield net
    net.remove_containers()
    assert eventually_equal(lambda: pastas(net), []) == []


def pastas(net: OnHost) -> list[int]:
    """Return the pastas of the user."""
    found = []
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm") as file:
                name = file.read().strip()
            if name.startswith(("pasta", "passt")) and os.stat(f"/proc/{pid}").st_uid in (0, net.user.uid):
                with open(f"/proc/{pid}/status") as file:
                    status = file.read()
                if f"\nUid:\t{net.user.uid}\t" in status and "\nState:\tZ" not in status:
                    found.append(int(pid))
        except OSError:
            continue
    return found


@contextmanager
def serving(where: Namespace, *command: str) -> Iterator[None]:
    """Have a server run that says when it is up."""
    command = (*where.prefix, "python3", *command)
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == b"up\n"
            yield
        finally:
            server.kill()


def fetch(where: Namespace, address: str, port: int = 8080, path: str = "") -> str:
    url = f"http://{f'[{address}]' if ':' in address else address}:{port}/{path}"
    command = [*where.prefix, "timeout", "20", "busybox", "wget", "-q", "-O", "-", url]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout.strip()


def listen(net: OnHost, image: str, *addresses: str, options: Sequence[str] = (), patience: int = 30) -> list[str]:
    """Return what servers say first to a container."""
    command = ["/usr/bin/python3", "-c", LISTEN, str(patience), *addresses]
    return net.run("run", "--rm", *options, *HOST_PROGRAMS, image, *command).out.splitlines()


def monitor_of(net: OnHost, name: str) -> int:
    path = os.path.join(net.runroot, "containers", net.run("inspect", "-f", "{{.Id}}", name).out, "monitor")
    with open(path) as file:
        return int(file.read().split()[0])


def listening(net: OnHost, name: str, port: int = 80) -> bool:
    table = net.run("exec", name, "cat", "/proc/net/tcp", "/proc/net/tcp6").out
    return f":{port:04X} " in table


def test_the_world_is_reached(mine: OnHost, host: TestHost, busybox: str) -> None:
    script = "ip -o -4 addr show up0; ip route; cat /etc/hosts"
    with serving(host.world, "-c", SPEAKER, "::"), serving(host, "-c", SPEAKER, HOST):
        said = listen(mine, busybox, "host.containers.internal", WORLD, WORLD6)
    shown = mine.run("run", "--rm", "--name", "c", busybox, "sh", "-c", script).out
    assert "inet 10.0.2.100/24" in shown
    assert "default via 10.0.2.2 dev up0" in shown
    assert f"{HOST}\thost.containers.internal host.docker.internal" in shown
    assert shown.splitlines()[-1].startswith("10.0.2.100\t")
    assert shown.splitlines()[-1].endswith(" c")
    assert said == [HOST, HOST, HOST6]


def test_the_hosts_loopback_is_out_of_reach(mine: OnHost, host: TestHost, busybox: str) -> None:
    addresses = ["host.containers.internal", "10.0.2.2", "169.254.1.2"]
    with serving(host, "-c", SPEAKER, "127.0.0.1"):
        assert listen(mine, busybox, *addresses, patience=3) == [f"{address} is out of reach" for address in addresses]
        assert listen(mine, busybox, "10.0.2.2", options=["--network", "pasta:--map-gw"]) == ["127.0.0.1"]


def test_published_ports_and_the_callers_address(mine: OnHost, host: TestHost, busybox: str) -> None:
    mine.run("run", "-d", "--name", "web", "--hostname", "web", "-p", "8080:80", busybox, *SERVE)
    assert eventually_equal(lambda: listening(mine, "web"), True)
    assert mine.run("port", "web").out == "80/tcp -> 0.0.0.0:8080"
    assert mine.run("ps", "--format", "{{.Ports}} {{.Networks}}").out == "0.0.0.0:8080->80/tcp pasta"
    for _ in range(2):  # before and after the monitor's move into a bare interpreter
        for address in ("127.0.0.1", "::1", HOST, HOST6):
            assert (address, fetch(host, address)) == (address, "web")
        for address, caller in ((HOST, WORLD), (HOST6, WORLD6)):
            assert fetch(host.world, address) == "web"
            assert fetch(host.world, address, path="cgi-bin/who").strip("[]").removeprefix("::ffff:") == caller
        time.sleep(1.2)
    settings = json.loads(mine.run("inspect", "web").out)[0]
    assert settings["HostConfig"]["NetworkMode"] == "pasta"
    assert settings["NetworkSettings"]["IPAddress"] == ""
    assert settings["NetworkSettings"]["Ports"] == {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]}
    with serving(host.world, "-c", SPEAKER, WORLD):
        mine.run("exec", "web", "sh", "-c", f"sleep 1 | nc {WORLD} 7")
    received = mine.run("stats", "--no-stream", "--format", "{{.NetIO}}", "web").out
    assert not received.startswith("0B")
    mine.run("rm", "-f", "-t", "0", "web")
    assert eventually_equal(lambda: pastas(mine), []) == []
    mine.run("run", "--rm", "-p", "8080:80", busybox, "true")


def test_ranges_addresses_and_ports_of_our_choice(mine: OnHost, host: TestHost, busybox: str) -> None:
    serve = f"{WEB} httpd -p 80 -h /tmp; httpd -p 81 -h /tmp; sleep 100"
    ports = ["-p", f"{HOST}:9000-9001:80-81", "-p", "[::1]:9100:80", "-p", "80"]
    mine.run("run", "-d", "--name", "web", "--hostname", "web", *ports, busybox, "sh", "-c", serve)
    assert eventually_equal(lambda: listening(mine, "web", 81), True)
    assert [fetch(host.world, HOST, port) for port in (9000, 9001)] == ["web", "web"]
    assert fetch(host, "::1", 9100) == "web"
    assert fetch(host, "127.0.0.1", 9000) == fetch(host, "127.0.0.1", 9100) == ""
    [chosen] = {line.rpartition(":")[2] for line in mine.run("port", "web").out.splitlines()} - {"9000", "9001", "9100"}
    assert fetch(host.world, HOST, int(chosen)) == "web"


def test_a_server_that_speaks_first(mine: OnHost, host: TestHost, busybox: str) -> None:
    options = ["-d", "-p", "7:7", *HOST_PROGRAMS, busybox, "/usr/bin/python3", "-c", SPEAKER, "::"]
    host.run("sysctl", "-w", "net.ipv4.ip_unprivileged_port_start=7")
    mine.run("run", "--name", "c", *options)
    assert eventually_equal(lambda: listening(mine, "c", 7), True)
    heard = host.world.run("python3", "-c", LISTEN, "10", HOST, HOST6).splitlines()
    assert heard == [WORLD, WORLD6]


def test_udp(mine: OnHost, host: TestHost, busybox: str) -> None:
    mine.run("run", "-d", "-p", "5353:53/udp", *HOST_PROGRAMS, busybox, "/usr/bin/python3", "-c", ECHO)
    for address, caller in ((HOST, WORLD), (HOST6, WORLD6)):
        assert host.world.run("python3", "-c", ASK, address, "5353").strip() == caller
    assert host.run("python3", "-c", ASK, "127.0.0.1", "5353").strip() == "10.0.2.100"


def test_ports_that_cannot_be_had(mine: OnHost, host: TestHost, busybox: str) -> None:
    low = mine.run("run", "--rm", "-p", "80:80", busybox, "true", check=False)
    assert low.code == 126
    assert "you can add 'net.ipv4.ip_unprivileged_port_start=80' to /etc/sysctl.conf (currently 1024)" in low.stderr
    assert "hint: until the next boot: sudo sysctl net.ipv4.ip_unprivileged_port_start=80" in low.stderr
    mine.run("run", "-d", "--name", "first", "-p", "8080:80", busybox, "sleep", "100")
    second = mine.run("run", "--rm", "-p", "8080:80", busybox, "true", check=False)
    assert second.code == 126
    assert "bind: address already in use\nhint: container first publishes it" in second.stderr
    with serving(host, "-c", SPEAKER, HOST):
        third = mine.run("run", "--rm", "-p", f"{HOST}:7:80", busybox, "true", check=False)
        assert third.code == 126
    host.run("sysctl", "-w", "net.ipv4.ip_unprivileged_port_start=80")
    mine.run("run", "--rm", "-p", "80:80", busybox, "true")
    sctp = mine.run("run", "--rm", "-p", "8081:80/sctp", busybox, "true", check=False)
    assert (sctp.code, sctp.stderr) == (126, "Error: can't forward protocol: sctp\n")


@pytest.mark.parametrize("address", ["127.0.0.53", WORLD])
def test_the_hosts_dns_server(mine: OnHost, host: TestHost, busybox: str, address: str) -> None:
    where = host.world if address == WORLD else host
    path = os.path.join(mine.directory, "resolv.conf")
    with open(path, "w") as file:
        file.write(f"search example.org\nnameserver {address}\n")
    host.run("mount", "--bind", path, "/etc/resolv.conf")
    with serving(where, nameserver.__file__, address):
        script = "cat /etc/resolv.conf; nslookup anything.example.org"
        shown = mine.run("run", "--rm", busybox, "sh", "-c", script).out
    expected = WORLD if address == WORLD else "169.254.1.1"
    assert shown.startswith(f"search example.org\nnameserver {expected}\n")
    assert nameserver.ADDRESS in shown
    asked = ["--dns", "192.0.2.53", "--dns-search", "a.example", "--dns-option", "ndots:3"]
    shown = mine.run("run", "--rm", *asked, busybox, "cat", "/etc/resolv.conf").out
    assert shown == "search a.example\nnameserver 192.0.2.53\noptions ndots:3"


def test_options_of_pasta(mine: OnHost, host: TestHost, busybox: str) -> None:
    script = "cat /sys/class/net/*/mtu; ip -o -4 addr; cat /etc/hosts"
    options = "pasta:--mtu,1400,-a,192.0.2.7,-n,24,-g,192.0.2.1,-I,tap7"
    shown = mine.run("run", "--rm", "--network", options, "--name", "c", busybox, "sh", "-c", script).out
    assert "1400" in shown.split()
    assert "tap7    inet 192.0.2.7/24" in shown
    assert f"{HOST}\thost.containers.internal" in shown
    assert "\n192.0.2.7\t" in shown
    failed = mine.run("run", "--rm", "--network", "pasta:--mtu,-1", busybox, "true", check=False)
    assert (failed.code, failed.stderr) == (126, "Error: pasta failed with exit code 1:\nInvalid MTU: -1\n")


def test_options_of_containers_conf(mine: OnHost, host: TestHost, busybox: str) -> None:
    path = os.path.join(mine.home, "override.conf")
    with open(path, "w") as file:
        file.write('[network]\npasta_options = ["--mtu", "1300"]\n')
    env = {"CONTAINERS_CONF_OVERRIDE": path}
    assert mine.run("run", "--rm", busybox, "cat", "/sys/class/net/up0/mtu", env=env).out == "1300"


def test_who_shares_the_network(mine: OnHost, host: TestHost, busybox: str) -> None:
    mine.run("run", "-d", "--name", "web", "--hostname", "web", "-p", "8080:80", busybox, *SERVE)
    assert eventually_equal(lambda: listening(mine, "web"), True)
    assert mine.run("exec", "web", "wget", "-q", "-O", "-", "http://127.0.0.1/").out == "web"
    guest = ["run", "--rm", "--network", "container:web", busybox, "sh", "-c"]
    assert mine.run(*guest, "wget -q -O - http://127.0.0.1/").out == "web"
    assert mine.run(*guest, "ip -o -4 addr show up0").out.startswith("2: up0    inet 10.0.2.100/24")
    assert len(pastas(mine)) == 1


@pytest.mark.parametrize("userns", ["keep-id", "auto"])
def test_another_user_namespace(mine: OnHost, host: TestHost, busybox: str, userns: str) -> None:
    options = ["--hostname", "web", "--userns", userns, "-p", "8080:8000"]
    mine.run("run", "-d", *options, busybox, "sh", "-c", f"{WEB} exec httpd -f -p 8000 -h /tmp")
    assert eventually_equal(lambda: fetch(host.world, HOST), "web") == "web"


def test_a_killed_monitor_takes_pasta_along(mine: OnHost, host: TestHost, busybox: str) -> None:
    for wait in (0.0, 1.5):  # before and after its move into a bare interpreter
        mine.run("run", "-d", "--name", "web", "-p", "8080:80", busybox, *SERVE)
        time.sleep(wait)
        assert len(pastas(mine)) == 1
        os.kill(monitor_of(mine, "web"), signal.SIGKILL)
        assert eventually_equal(lambda: pastas(mine), []) == []
        mine.run("rm", "-f", "-t", "0", "web")
        mine.run("run", "--rm", "-p", "8080:80", busybox, "true")


def test_a_killed_pasta_is_no_harm(mine: OnHost, host: TestHost, busybox: str) -> None:
    mine.run("run", "-d", "--name", "web", "--hostname", "web", "-p", "8080:80", busybox, *SERVE)
    [found] = pastas(mine)
    os.kill(found, signal.SIGKILL)
    assert eventually_equal(lambda: pastas(mine), []) == []
    assert mine.run("exec", "web", "hostname").out == "web"
    mine.run("restart", "-t", "0", "web")
    assert eventually_equal(lambda: fetch(host.world, HOST), "web") == "web"


def test_twenty_ups_and_downs_leave_nothing(mine: OnHost, host: TestHost, busybox: str) -> None:
    for _ in range(20):
        mine.run("run", "--rm", "-p", "8080:80", busybox, "true")
    assert eventually_equal(lambda: pastas(mine), []) == []


def test_a_restart_by_policy_is_connected_again(mine: OnHost, host: TestHost, busybox: str) -> None:
    script = f"{WEB} httpd -p 80 -h /tmp; sleep 1.5; exit 1"
    options = ["--name", "web", "--hostname", "web", "--restart", "always", "-p", "8080:80"]
    mine.run("run", "-d", *options, busybox, "sh", "-c", script)
    count = lambda: int(mine.run("inspect", "-f", "{{.RestartCount}}", "web").out) >= 1  # noqa: E731
    assert eventually_equal(count, True)
    assert eventually_equal(lambda: fetch(host.world, HOST), "web") == "web"
    assert eventually_equal(lambda: len(pastas(mine)), 1) == 1


def test_a_host_without_routes(mine: OnHost, host: TestHost, busybox: str) -> None:
    host.run("ip", "-6", "route", "del", "default")
    host.run("ip", "route", "del", "default")
    lonely = mine.run("run", "--rm", busybox, "true")
    assert lonely.stderr == f"{LONELY} the host has no default route\n"
    failed = mine.run("run", "--rm", "--network", "pasta", busybox, "true", check=False)
    assert failed.code == 126
    assert failed.stderr.startswith("Error: pasta failed with exit code 1:\n")
    assert "hint: the host has no default route; name an interface (--network pasta:-i,NAME)" in failed.stderr
    mine.run("run", "-d", "--hostname", "web", "--network", "pasta:-i,up0", "-p", "8080:80", busybox, *SERVE)
    assert eventually_equal(lambda: fetch(host.world, HOST), "web") == "web"


def test_no_pasta(mine: OnHost, host: TestHost, busybox: str) -> None:
    directory = os.path.join(mine.directory, "bin")
    os.mkdir(directory)
    for name in ("nsenter", "setpriv"):
        os.symlink(f"/usr/bin/{name}", os.path.join(directory, name))
    lonely = mine.run("run", "--rm", busybox, "true", env={"PATH": directory})
    assert lonely.stderr == f"{LONELY} pasta is not installed (it is in the package passt)\n"
    failed = mine.run("run", "--rm", "-p", "8080:80", busybox, "true", check=False, env={"PATH": directory})
    assert (failed.code, failed.stderr) == (
        127,
        "Error: could not find pasta, the network namespace can't be configured:"
        ' exec: "pasta": executable file not found in $PATH\n'
        "hint: install it (the package passt), or do without: --network none\n",
    )


def test_a_device_that_is_closed(mine: OnHost, host: TestHost, busybox: str) -> None:
    host.run("chmod", "600", "/dev/net/tun")
    lonely = mine.run("run", "--rm", busybox, "ip", "link")
    assert lonely.stderr.startswith(f"{LONELY} not everybody may open /dev/net/tun (sudo modprobe tun; ")
    assert lonely.stdout.count(" lo:") == lonely.stdout.count(": <") == 1
    failed = mine.run("run", "--rm", "--network", "pasta", busybox, "true", check=False)
    assert failed.code == 126
    assert "hint: every user must be able to open /dev/net/tun: sudo modprobe tun" in failed.stderr
