"""`network reload`, and what brings the firewall's elements back after somebody flushed the ruleset."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.fixtures.nethost import HOST, WORLD, OnHost, TestHost, eventually_equal, ruleset

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.parametrize("mode", ["root"], indirect=True),
]
SERVE = ("sh", "-c", "hostname > /tmp/index.html; exec httpd -f -p 80 -h /tmp")
# The tables of others, as they have them.
DOCKER = """
table ip filter {
    chain FORWARD { type filter hook forward priority filter; policy accept; jump DOCKER-USER; }
    chain DOCKER-USER { return; }
}
table ip nat {
    chain POSTROUTING {
        type nat hook postrouting priority srcnat;
        ip saddr 172.17.0.0/16 oifname != "docker0" masquerade;
    }
}
table inet firewalld {
    chain filter_FORWARD { type filter hook forward priority filter + 10; policy accept; ct state established accept; }
}
"""


def fetch(host: TestHost, port: int) -> str:
    try:
        return host.run("busybox", "wget", "-q", "-O", "-", f"http://{HOST}:{port}/").strip()
    except AssertionError:
        return ""


@pytest.fixture
def two(net: OnHost, host: TestHost, busybox: str) -> Iterator[tuple[str, str]]:
    """Containers on two networks, each with a port of the host, and their IDs."""
    net.run("network", "create", "--internal", "inner")
    one = net.run("run", "-d", "--name", "one", "--hostname", "one", "-p", "8081:80", busybox, *SERVE).out
    words = ("--network", "podman", "--network", "inner", "-p", "127.0.0.1:8082:80", "-p", "8082:80/udp")
    two = net.run("run", "-d", "--name", "two", "--hostname", "two", *words, busybox, *SERVE).out
    assert eventually_equal(lambda: fetch(host, 8081), "one") == "one"
    yield one, two
    net.run("rm", "-f", "-t", "0", "one", "two")
    net.run("network", "rm", "inner")


def elements(host: TestHost) -> list[str]:
    """Return what the sets and maps have, in any order."""
    lines = ruleset(host).replace(",\n", ",").splitlines()
    return sorted(
        one.strip() for line in lines if "elements = {" in line for one in line.partition("{")[2].strip("} ").split(",")
    )


def test_the_next_start_brings_all_back(net: OnHost, host: TestHost, busybox: str, two: tuple[str, str]) -> None:
    before = elements(host)
    host.run("nft", "flush", "ruleset")
    assert fetch(host, 8081) == ""
    net.run("run", "--rm", busybox, "true")
    assert eventually_equal(lambda: elements(host), before) == before
    assert fetch(host, 8081) == "one"


def test_reload_puts_the_table_back(net: OnHost, host: TestHost, two: tuple[str, str]) -> None:
    before, rules = elements(host), ruleset(host)
    for words, printed in (
        (("--all",), {*two}),
        (("-a",), {*two}),
        (("-l",), {two[1]}),
        (("one", two[1][:12]), {*two}),
    ):
        host.run("nft", "flush", "table", "inet", "pod")  # which leaves the sets
        host.run("nft", "delete", "element", "inet", "pod", "ports4", "{ tcp . 8081 : 10.88.0.2 . 80 }")
        assert fetch(host, 8081) == ""
        assert set(net.run("network", "reload", *words).out.splitlines()) == printed
        assert elements(host) == before
        assert sorted(ruleset(host).split()) == sorted(rules.split())
        assert fetch(host, 8081) == "one"


def test_reload_makes_what_is_missing(net: OnHost, host: TestHost, two: tuple[str, str]) -> None:
    host.run("ip", "link", "delete", "pod0")
    assert fetch(host, 8081) == ""
    net.run("network", "reload", "-a")
    assert fetch(host, 8081) == "one"
    assert net.run("exec", "two", "wget", "-q", "-O", "-", "http://10.88.0.2/").out == "one"


def test_what_cannot_be_reloaded(net: OnHost, busybox: str, two: tuple[str, str]) -> None:
    net.run("create", "--name", "still", busybox, "true")
    net.run("run", "-d", "--name", "none", "--network", "none", busybox, "sleep", "100")
    assert set(net.run("network", "reload", "--all").out.splitlines()) == {*two}
    for word, message in (
        ("still", "cannot reload network unless container network has been configured: container state improper"),
        ("none", '"none" is not supported: invalid network mode'),
        ("nobody", 'no container with name or ID "nobody" found: no such container'),
    ):
        failed = net.run("network", "reload", word, check=False)
        assert failed.code == 125, word
        assert f"Error: {message}" in failed.stderr
    assert "you must provide at least one name or id" in net.run("network", "reload", check=False).stderr


def test_the_tables_of_others_stay(net: OnHost, host: TestHost, busybox: str) -> None:
    host.run("sh", "-c", f"nft -f - <<END\n{DOCKER}\nEND")
    before = ruleset(host)
    net.run("run", "-d", "--name", "one", "-p", "8081:80", busybox, *SERVE)
    net.run("network", "reload", "one")
    assert ruleset(host).startswith(before.rstrip())
    net.run("run", "--rm", "--cap-add", "NET_RAW", busybox, "ping", "-c", "1", "-W", "2", WORLD)
    net.run("rm", "-f", "-t", "0", "one")
    host.run("nft", "delete", "table", "inet", "pod")
    assert ruleset(host) == before


def test_reset_takes_the_table_along_that_nobody_needs(net: OnHost, host: TestHost, busybox: str) -> None:
    """One table serves all stores of root: the last one's reset removes it."""
    other = ["--root", f"{net.directory}/other", "--runroot", f"{net.directory}/other-run"]
    shutil.copytree(net.root, f"{net.directory}/other", symlinks=True)
    net.run("network", "create", "far", "--subnet", "10.99.0.0/24")
    net.run("run", "-d", "--network", "far", "-p", "8081:80", busybox, *SERVE)
    net.run(*other, "run", "-d", "--name", "c", "--hostname", "c", "-p", "8082:80", busybox, *SERVE)
    before = elements(host)
    net.run("system", "reset", "--force")
    assert 0 < len(elements(host)) < len(before)
    assert eventually_equal(lambda: fetch(host, 8082), "c") == "c"
    net.run(*other, "rm", "-f", "-t", "0", "c")
    assert "table inet pod" in ruleset(host)
    net.run(*other, "system", "reset", "--force")
    assert ruleset(host) == ""
