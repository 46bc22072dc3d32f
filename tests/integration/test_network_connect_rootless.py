"""`network connect`, `disconnect` and `reload` of an ordinary user, in the namespace that his containers share."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.command import Pod
from tests.fixtures.nethost import HOST, WORLD, TestHost, eventually_equal

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.parametrize("mode", ["rootless"], indirect=True),
]
SERVE = ("sh", "-c", "hostname > /tmp/index.html; exec httpd -f -p 80 -h /tmp")
FETCH = ("timeout", "20", "wget", "-q", "-O", "-")
OUT = f"http://{WORLD}:8000/"


@pytest.fixture(autouse=True)
def world(host: TestHost, tmp_path: Path) -> Iterator[None]:
    """Serve a page in the world."""
    (tmp_path / "index.html").write_text("world")
    argv = [*host.world.prefix, "busybox", "httpd", "-f", "-p", "8000", "-h", str(tmp_path)]
    with subprocess.Popen(argv) as server:
        yield
        server.kill()


@pytest.mark.parametrize("age", [0.0, 1.3], ids=["young", "old"])
def test_a_running_container_is_connected_and_disconnected(net: Pod, busybox: str, age: float) -> None:
    net.run("network", "create", "mine")
    net.run("run", "-d", "--name", "web", "--hostname", "web", "--network", "mine:alias=www", busybox, *SERVE)
    net.run("run", "-d", "--name", "client", "--network", "podman", busybox, "sleep", "100")
    time.sleep(age)
    net.run("network", "connect", "--alias", "me", "mine", "client")

    def found(name: str) -> str:
        return net.run("exec", "client", *FETCH, f"http://{name}/", check=False).out

    assert eventually_equal(lambda: found("www"), "web") == "web"
    assert net.run("exec", "web", "nslookup", "me").code == 0
    net.run("network", "disconnect", "podman", "client")
    assert eventually_equal(lambda: found("web"), "web") == "web"
    assert net.run("exec", "client", *FETCH, OUT).out == "world"
    net.run("network", "disconnect", "mine", "client")
    assert "eth" not in net.run("exec", "client", "ip", "link").out
    net.run("rm", "-f", "-t", "0", "client", "web")
    net.run("network", "rm", "mine")


def test_a_container_that_waits_to_be_started_changes_networks(net: Pod, host: TestHost, busybox: str) -> None:
    for name in ("one", "two"):
        net.run("network", "create", name)
    net.run("run", "-d", "--name", "client", "--network", "two", busybox, "sleep", "100")
    net.run("create", "--name", "web", "--hostname", "web", "--network", "one", "-p", "8080:80", busybox, *SERVE)
    net.run("init", "web")
    net.run("network", "connect", "--alias", "www", "two", "web")
    net.run("network", "disconnect", "one", "web")
    net.run("start", "web")
    published = f"busybox wget -q -O - http://{HOST}:8080/ || true"
    assert eventually_equal(lambda: host.world.run("sh", "-c", published).strip(), "web") == "web"
    assert net.run("exec", "client", *FETCH, "http://www/").out == "web"
    assert net.run("exec", "web", "nslookup", "client").code == 0
    net.run("rm", "-f", "-t", "0", "client", "web")
    net.run("network", "rm", "one", "two")


def test_reload_puts_the_firewall_back(net: Pod, busybox: str) -> None:
    identity = net.run("run", "-d", "--name", "box", "--network", "podman", busybox, "sleep", "100").out
    with open(os.path.join(net.runroot, "networks", ".shared", identity)) as file:
        pid, _, descriptor = file.read().split()
    nft = ["nsenter", f"--net=/proc/{pid}/fd/{descriptor}", "nft"]
    before = subprocess.check_output([*nft, "list", "table", "inet", "pod"], text=True)
    assert '"pod0"' in before
    subprocess.run([*nft, "delete", "table", "inet", "pod"], check=True)
    assert net.run("network", "reload", "--all").out == identity
    assert subprocess.check_output([*nft, "list", "table", "inet", "pod"], text=True) == before
    assert eventually_equal(lambda: net.run("exec", "box", *FETCH, OUT, check=False).out, "world") == "world"
    net.run("rm", "-f", "-t", "0", "box")
