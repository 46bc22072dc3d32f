"""Servers of Debian's packages on networks: fetched from the host, from outside, and by name from other containers."""

from __future__ import annotations

import functools
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.command import Pod
from tests.fixtures.nethost import HOST, HOST6, WORLD, Namespace, OnHost, TestHost, eventually_equal

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
HELLO = "hello from nginx"
# Debian's server listens at the loopback device only, and lets nobody in by the network.
POSTGRES = (
    "echo host all all all trust >> /etc/postgresql/15/main/pg_hba.conf; exec postgres -D /var/lib/postgresql/15/main"
    " -c config_file=/etc/postgresql/15/main/postgresql.conf -c listen_addresses='*'"
)
SERVE = ("sh", "-c", "hostname > /tmp/index.html; exec httpd -f -p 80 -h /tmp")


def attempt(command: Pod, *arguments: str) -> str:
    """Return what a command prints; nothing if it fails."""
    return command.run(*arguments, check=False).out


def fetch(host: Namespace, address: str) -> str:
    script = f"timeout 10 busybox wget -q -O - http://{address}/ || true"
    return host.run("sh", "-c", script).strip()


def test_nginx(box: Pod, net: OnHost, host: TestHost, busybox: str, debian_images: dict[str, str]) -> None:
    nginx = debian_images["nginx"]
    box.run("pull", "--quiet", nginx)  # the registry is not on the test's host
    net.run("network", "create", "--ipv6", "front")
    net.run("run", "-d", "--name", "web", "--network", "front", "-p", "8080:80", "-p", "127.0.0.1:8081:80", nginx)
    assert eventually_equal(lambda: fetch(host, f"{HOST}:8080"), HELLO) == HELLO
    assert fetch(host, "127.0.0.1:8080") == HELLO
    assert fetch(host, "127.0.0.1:8081") == HELLO
    assert fetch(host, f"{HOST}:8081") == ""
    assert fetch(host, f"[{HOST6}]:8080") == HELLO
    for address in (f"{HOST}:8080", f"[{HOST6}]:8080"):
        assert fetch(host.world, address) == HELLO
    for name in ("web", "web.dns.podman"):
        assert net.run("run", "--rm", "--network", "front", busybox, "wget", "-q", "-O", "-", f"http://{name}/").out
    address = net.run("inspect", "-f", "{{.NetworkSettings.Networks.front.GlobalIPv6Address}}", "web").out
    six = f"ping -6 -c 1 -W 2 web > /dev/null && wget -q -O - http://[{address}]/"
    assert net.run("run", "--rm", "--network", "front", "--cap-add", "NET_RAW", busybox, "sh", "-c", six).out == HELLO
    # The server sees who asks, and tells it in its log; a port that goes with the container is nobody's afterwards.
    assert eventually_equal(
        lambda: any(line.startswith("198.51.100.2 ") for line in net.run("logs", "web").out.splitlines()), True
    )
    net.run("stop", "web")
    assert fetch(host, f"{HOST}:8080") == ""
    net.run("start", "web")
    assert eventually_equal(lambda: fetch(host, f"{HOST}:8080"), HELLO) == HELLO
    net.run("rm", "--force", "--time", "0", "web")
    net.run("network", "rm", "front")


def test_postgres_by_name(box: Pod, net: OnHost, debian_images: dict[str, str]) -> None:
    postgres = debian_images["postgres"]
    box.run("pull", "--quiet", postgres)
    net.run("network", "create", "back")
    net.run("run", "-d", "--name", "db", "--network", "back:alias=database", postgres, "sh", "-c", POSTGRES)
    net.run("run", "-d", "--name", "client", "--network", "back", postgres, "sleep", "1000")

    def ask(name: str, question: str) -> str:
        words = ("psql", "-h", name, "-U", "postgres", "-Atc", question)
        return attempt(net, "exec", "client", *words)

    assert eventually_equal(lambda: ask("db", "SELECT 6 * 7"), "42") == "42"
    ask("database", "CREATE TABLE kept (word text); INSERT INTO kept VALUES ('yes')")
    net.run("restart", "db")
    assert eventually_equal(lambda: ask("db", "SELECT word FROM kept"), "yes") == "yes"
    net.run("rm", "--force", "--time", "0", "db", "client")
    net.run("network", "rm", "back")


# Networks a, b and c by their options; who reaches whom, and who the world ("w").
MATRICES = {
    "plain, plain, internal": ((), (), ("--internal",), {"a": "abw", "b": "abw", "c": "c"}),
    "isolated, isolated, plain": (
        ("--opt", "isolate=true"),
        ("--opt", "isolate=true"),
        (),
        {"a": "acw", "b": "bcw", "c": "abcw"},
    ),
    "strict, plain, isolated": (
        ("--opt", "isolate=strict"),
        (),
        ("--opt", "isolate=true"),
        {"a": "aw", "b": "bcw", "c": "bcw"},
    ),
}


@pytest.fixture
def outside(host: TestHost, tmp_path: Path) -> Iterator[None]:
    """A server in the world, which says "w"."""
    (tmp_path / "index.html").write_text("w")
    server = subprocess.Popen([*host.world.prefix, "busybox", "httpd", "-f", "-p", "80", "-h", str(tmp_path)])
    yield
    server.kill()
    server.wait()


def reached(net: Pod, name: str, addresses: list[str], wanted: str) -> str:
    """Return who answers a container, of what it may reach and of all else; what it may reach has time to answer."""
    looks = "; ".join(f"timeout 1 wget -q -O - http://{address}/" for address in addresses)
    seen: set[str] = set()
    deadline = time.monotonic() + 30
    while True:
        seen.update(attempt(net, "exec", f"of-{name}", "sh", "-c", looks).split())
        if seen >= set(wanted) or time.monotonic() > deadline:
            return "".join(sorted(seen))


@pytest.mark.parametrize("kinds", MATRICES)
@pytest.mark.usefixtures("outside")
def test_isolation_of_three_networks(net: OnHost, busybox: str, kinds: str) -> None:
    *options, wanted = MATRICES[kinds]
    for name, words in zip("abc", options, strict=True):
        net.run("network", "create", *words, name)
        net.run("run", "-d", "--name", f"of-{name}", "--hostname", name, "--network", name, busybox, *SERVE)
    targets = {
        name: net.run("inspect", "-f", f"{{{{.NetworkSettings.Networks.{name}.IPAddress}}}}", f"of-{name}").out
        for name in "abc"
    }
    for name in "abc":
        own = ("exec", f"of-{name}", "wget", "-q", "-O", "-", f"http://{targets[name]}/")
        assert eventually_equal(functools.partial(attempt, net, *own), name) == name
    addresses = [*targets.values(), WORLD]
    assert {name: reached(net, name, addresses, wanted[name]) for name in "abc"} == wanted
    for name in "abc":
        # Names are those of the network alone.
        asked = {other: net.run("exec", f"of-{name}", "nslookup", f"of-{other}", check=False) for other in "abc"}
        assert {other for other, answer in asked.items() if answer.code == 0} == {name}, asked
    net.run("rm", "--force", "--time", "0", "of-a", "of-b", "of-c")
    net.run("network", "rm", "a", "b", "c")
