"""Names on networks, asked for with dig(1): beside a DNS server of the container, and compared with one upstream."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures import nameserver
from tests.fixtures.command import Pod
from tests.fixtures.nethost import WORLD, TestHost, eventually_equal

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(shutil.which("dig") is None, reason="needs dig (bind9-dnsutils)"),
    pytest.mark.parametrize("mode", ["root", "rootless"], indirect=True),
]
# The machine's own Python, for what busybox has not.
HOST_PROGRAMS = [f"--volume=/{name}:/{name}:ro" for name in ("usr", "lib", "lib64")]


@pytest.fixture
def upstream(host: TestHost) -> Iterator[str]:
    """Give the address of a DNS server in the world."""
    command = [*host.world.prefix, "python3", nameserver.__file__, "0.0.0.0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"up\n"
        yield WORLD
        server.kill()


@pytest.fixture
def mine(net: Pod) -> Iterator[Pod]:
    """`net` with a network `mine`."""
    net.run("network", "create", "--ipv6", "--subnet", "10.89.7.0/24", "--subnet", "fd00:7::/64", "mine")
    yield net
    net.run("network", "rm", "-f", "-t", "0", "mine")


def inside(net: Pod, name: str) -> list[str]:
    pid = net.run("inspect", "--format", "{{.State.Pid}}", name).out
    return ["nsenter", f"--net=/proc/{pid}/ns/net"]


def dig(where: list[str], *words: str, server: str = "127.0.0.11") -> str:
    command = [*where, "dig", "+nocookie", "+tries=1", "+time=6", f"@{server}", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout


def short(where: list[str], *words: str, server: str = "127.0.0.11") -> list[str]:
    return sorted(dig(where, "+short", *words, server=server).split())


def told(answer: str) -> tuple[str, str, list[str]]:
    """Return status, flags and records of an answer."""
    status = re.search(r"status: (\w+)", answer)
    flags = re.search(r"flags: ([a-z ]*);", answer)
    records = [line for line in answer.splitlines() if line and not line.startswith(";")]
    assert status, answer
    assert flags, answer
    return status[1], flags[1].replace(" aa", ""), sorted(" ".join(line.split()) for line in records)


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
def test_a_container_may_be_a_name_server(mine: Pod, busybox: str, tmp_path: Path, address: str) -> None:
    script = f"--volume={nameserver.__file__}:/nameserver.py:ro"
    server = ["/usr/bin/python3", "-I", "/nameserver.py", address]
    mine.run("run", "-d", "--name", "dns", "--network", "mine", *HOST_PROGRAMS, script, busybox, *server)
    mine.run("run", "-d", "--name", "client", "--network", "mine", busybox, "sleep", "100")
    assert eventually_equal(lambda: mine.run("logs", "dns").out, "up") == "up"
    there = mine.run("inspect", "--format", "{{.NetworkSettings.Networks.mine.IPAddress}}", "dns").out
    there6 = mine.run("inspect", "--format", "{{.NetworkSettings.Networks.mine.GlobalIPv6Address}}", "dns").out
    client = mine.run("inspect", "--format", "{{.NetworkSettings.Networks.mine.IPAddress}}", "client").out
    dns = inside(mine, "dns")
    for _ in range(2):  # before and after the monitor's move into a bare interpreter
        for transport in ("+notcp", "+tcp"):
            for asked in (there, *([there6] if address == "::" else [])):
                assert short(inside(mine, "client"), transport, "some.name", server=asked) == [nameserver.ADDRESS]
            # Its own server on its own loopback address, and our resolver on another one.
            assert short(dns, transport, "some.name", server="127.0.0.1") == [nameserver.ADDRESS]
            assert short(dns, transport, "client") == [client]
            assert short(inside(mine, "client"), transport, "dns") == [there]
        time.sleep(1.2)


def test_answers_on_containers(mine: Pod, busybox: str) -> None:
    mine.run(
        "run", "-d", "--name", "web", "--network", "mine:ip=10.89.7.9,alias=www,alias=MIX", busybox, "sleep", "100"
    )
    mine.run("run", "-d", "--name", "ask", "--network", "mine", busybox, "sleep", "100")
    there = inside(mine, "ask")
    identity = mine.run("inspect", "--format", "{{.Id}}", "web").out
    address6 = mine.run("inspect", "--format", "{{.NetworkSettings.Networks.mine.GlobalIPv6Address}}", "web").out
    names = ("web", "WEB", "web.", "www", "mix", "MIX", identity[:12], "web.dns.podman", "Www.DNS.podman.")
    for name in names:
        for transport in ("+notcp", "+tcp", "+noedns", "+bufsize=4096"):
            assert short(there, transport, name) == ["10.89.7.9"], name
        assert short(there, name, "AAAA") == [address6]
        assert told(dig(there, name, "TXT"))[0::2] == ("NOERROR", [])
    assert short(there, "-x", "10.89.7.9") == short(there, "-x", address6) == ["web."]
    status, flags, _ = told(dig(there, "web"))
    assert (status, flags) == ("NOERROR", "qr rd ra")
    assert "flags: qr aa rd ra" in dig(there, "web")
    for nobody in ("nobody", "nobody.dns.podman", "web.web.dns.podman"):
        assert told(dig(there, nobody))[0] == "NXDOMAIN"
    assert told(dig(there, "+tcp", "web", "TYPE65"))[0::2] == ("NOERROR", [])
    assert told(dig(there, "-c", "CH", "version.bind", "TXT"))[0] == "REFUSED"
    assert told(dig(there, "+edns=1", "+noednsneg", "web"))[0] == "BADVERS"
    assert short(there, "+search", "+domain=dns.podman", "web") == ["10.89.7.9"]


def test_names_come_and_go_within_a_second(mine: Pod, busybox: str) -> None:
    mine.run("run", "-d", "--name", "ask", "--network", "mine", busybox, "sleep", "100")
    there = inside(mine, "ask")
    for _ in range(3):
        assert told(dig(there, "late"))[0] == "NXDOMAIN"
        mine.run("run", "-d", "--name", "late", "--network", "mine", busybox, "sleep", "100")
        assert told(dig(there, "late"))[0] == "NOERROR"
        mine.run("rm", "-f", "-t", "0", "late")


def test_a_renamed_container_has_its_new_name_alone(mine: Pod, busybox: str) -> None:
    for name, options in (("ask", ()), ("web", ("--network-alias=www", "--restart=always"))):
        mine.run("run", "-d", "--name", name, "--network", "mine", *options, busybox, "sleep", "100")
    there, address = inside(mine, "ask"), mine.run("exec", "web", "hostname", "-i").out
    before = mine.run("exec", "web", "cat", "/etc/hosts").out
    mine.run("rename", "web", "shop")
    for name in ("shop", "www"):
        assert short(there, name) == [address]
    assert short(there, "-x", address) == ["shop."]
    assert told(dig(there, "web"))[0] == "NXDOMAIN"
    assert mine.run("exec", "shop", "cat", "/etc/hosts").out == before.replace("web", "shop")
    mine.run("rename", "ask", "web")  # the name is free
    assert len(short(there, "web")) == 1
    mine.run("restart", "-t", "0", "shop")
    assert (len(short(there, "shop")), len(short(there, "web"))) == (1, 1)


def test_all_else_is_passed_on_unchanged(mine: Pod, host: TestHost, upstream: str, busybox: str) -> None:
    mine.run("run", "-d", "--name", "ask", "--network", "mine", f"--dns={upstream}", busybox, "sleep", "100")
    there = inside(mine, "ask")
    for words in (
        ["some.name"],
        ["some.name", "AAAA"],
        ["SoMe.NaMe.", "TXT"],
        ["+tcp", "some.name", "TXT"],
        ["nx.name"],
        ["nodata.name"],
        ["fail.name"],
        ["some.name", "TYPE65"],
        ["some.name", "MX"],
        ["+norecurse", "some.name"],
        ["long.name", "TXT"],  # by TCP in the end
        ["+ignore", "long.name", "TXT"],  # truncated
    ):
        assert told(dig(there, *words)) == told(dig(host.prefix, *words, server=upstream)), words


def test_a_server_that_keeps_silent_holds_nobody_up(mine: Pod, host: TestHost, upstream: str, busybox: str) -> None:
    mine.run("run", "-d", "--name", "ask", "--network", "mine", f"--dns={upstream}", busybox, "sleep", "100")
    there = inside(mine, "ask")
    with subprocess.Popen([*there, "dig", "+tries=1", "+time=20", "@127.0.0.11", "silent.name"], stdout=-1) as slow:
        assert short(there, "some.name") == [nameserver.ADDRESS]
        assert short(there, "ask") != []
        assert slow.poll() is None
        output = slow.communicate(timeout=60)[0].decode()
        assert told(output)[0] == "SERVFAIL"


FLOOD = """
import os, socket, time
query = os.urandom(2) + b"\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0"
end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
end.connect(("127.0.0.11", 53))
for number in range(100_000):
    name = b"silent%d" % number if number % 2 else b"web"
    domain = bytes((len(name),)) + name + (b"\\4name\\0" if number % 2 else b"\\0")
    try:
        end.send(query + domain + b"\\0\\1\\0\\1")
    except OSError:
        pass
"""


def test_a_flood_of_questions_blows_nothing_up(mine: Pod, host: TestHost, upstream: str, busybox: str) -> None:
    mine.run("run", "-d", "--name", "web", "--network", "mine", f"--dns={upstream}", busybox, "sleep", "100")
    time.sleep(1.5)
    there = inside(mine, "web")
    monitor = mine.run("inspect", "--format", "{{.State.ConmonPid}}", "web").out
    before = resident(monitor)
    subprocess.run([*there, "python3", "-c", FLOOD], check=True, timeout=120)
    assert mine.run("exec", "web", "echo", "here").out == "here"
    assert eventually_equal(lambda: len(short(there, "web")), 1) == 1
    assert resident(monitor) - before < 4 << 10
    assert eventually_equal(lambda: descriptors(monitor) < 40, True)


def resident(pid: str) -> int:
    """Return the memory of a process in KiB."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1])


def descriptors(pid: str) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))
