"""Many containers at once, and many times: addresses, names, what is left; a reboot, a wiped runroot, a full disk."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest

from tests.fixtures.nethost import OnHost, TestHost, eventually_equal
from tests.fixtures.remains import Remains, links, ruleset, settled

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.parametrize("mode", ["root"], indirect=True),
]
QUICK = bool(os.environ.get("POD_TEST_QUICK"))
AT_ONCE = 10 if QUICK else 50
ROUNDS = int(os.environ.get("POD_TEST_ROUNDS", "5" if QUICK else "25"))


def together(net: OnHost, *lines: list[str]) -> list[str]:
    """Run commands at the same time and return what each printed; all must succeed."""
    started = [net.start(*line, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for line in lines]
    found = []
    for process in started:
        out, error = process.communicate(timeout=300)
        assert process.returncode == 0, error.decode()
        found.append(out.decode().strip())
    return found


@pytest.mark.slow
def test_fifty_at_once_resolve_each_other(net: OnHost, busybox: str) -> None:
    net.run("network", "create", "mine")
    names = [f"c{number}" for number in range(AT_ONCE)]
    together(net, *(["run", "-d", "--name", name, "--network", "mine", busybox, "sleep", "1000"] for name in names))
    template = "{{.Name}} {{.NetworkSettings.Networks.mine.IPAddress}}"
    known = dict(line.split() for line in net.run("inspect", "-f", template, *names).out.splitlines())
    addresses = {name.lstrip("/"): address for name, address in known.items()}
    assert len(set(addresses.values())) == AT_ONCE
    script = "; ".join(f"nslookup {name} | tail -n +3" for name in names)
    wanted = sorted(addresses.values())
    for name in (names[0], names[AT_ONCE // 2], names[-1]):
        seen = net.run("exec", name, "sh", "-c", script).out
        assert sorted(re.findall(r"Address: ([0-9.]+)", seen)) == wanted, name
    # Everybody finds the first and the last one.
    for found in together(
        net, *(["exec", name, "sh", "-c", f"nslookup {names[0]}; nslookup {names[-1]}"] for name in names)
    ):
        assert addresses[names[0]] in found
        assert addresses[names[-1]] in found
    net.run("rm", "--force", "--time", "0", "--all")
    net.run("network", "rm", "mine")


@pytest.mark.slow
def test_two_networks_up_and_down(net: OnHost, host: TestHost, busybox: str) -> None:
    """`POD_TEST_ROUNDS=500` is the promise."""
    net.run("run", "--rm", busybox, "true")  # loads the table, which stays
    before = settled(lambda: (links(host), ruleset(host)))
    for number in range(ROUNDS):
        for name in ("one", "two"):
            net.run("network", "create", *(["--ipv6"] if number % 2 else []), name)
        net.run("run", "--rm", "--network", "one", "--network", "two", "-p", "8080:80", busybox, "true")
        net.run("network", "rm", "one", "two")
    assert eventually_equal(lambda: (links(host), ruleset(host)), before) == before


def test_after_a_wiped_runroot_nothing_is_in_use(net: OnHost, host: TestHost, busybox: str) -> None:
    line = ("run", "-d", "--name", "web", "--ip", "10.88.0.9", "-p", "8080:80", busybox, "sleep", "1000")
    net.run("run", "--rm", busybox, "true")
    remains = Remains(net, host)
    net.run(*line)
    for entry in os.scandir(net.runroot):
        shutil.rmtree(entry.path, ignore_errors=True)
    net.run("rm", "--force", "--time", "0", "web")
    assert remains.after_next_command() == []
    net.run(*line)
    net.run("rm", "--force", "--time", "0", "web")
    assert remains.after_next_command() == []


def test_after_a_reboot_nothing_is_in_use(net: OnHost, host: TestHost, busybox: str) -> None:
    """The kernel has forgotten all, and the runroot, if it is not on a tmpfs, has not."""
    net.run("run", "-d", "--name", "web", "--ip", "10.88.0.9", "-p", "8080:80", busybox, "sleep", "1000")
    identity = net.run("inspect", "-f", "{{.Id}}", "web").out
    directory = os.path.join(net.runroot, "containers", identity)
    pids = []
    for name in ("monitor", "pid"):
        with open(os.path.join(directory, name)) as file:
            pids.append(int(file.read().split()[0]))
    for pid in pids:
        os.kill(pid, 9)
    host.run("nft", "flush", "ruleset")
    host.run("ip", "link", "delete", "pod0")
    started = os.path.join(net.root, "containers", identity, "started")
    with open(started) as file:
        moment = file.read().split()[0]
    with open(started, "w") as file:
        file.write(f"{moment} 00000000-0000-0000-0000-000000000000\n")
    assert net.run("ps", "-a", "--format", "{{.Status}}").out.startswith("Exited")
    net.run("start", "web")
    assert net.run("inspect", "-f", "{{.NetworkSettings.Networks.podman.IPAddress}}", "web").out == "10.88.0.9"
    net.run("rm", "--force", "--time", "0", "web")


def test_a_full_runroot_is_told_and_leaves_nothing(net: OnHost, host: TestHost, busybox: str) -> None:
    net.run("run", "--rm", busybox, "true")
    remains = Remains(net, host)
    host.run("mount", "-t", "tmpfs", "-o", "size=256k,mode=755", "tmpfs", net.runroot)
    try:
        filler = os.path.join(net.runroot, "filler")
        fill = ["sh", "-c", f"cat /dev/zero > {filler} 2>/dev/null || true"]
        for size in range(0, 80, 8):
            host.run(*fill)
            if size:
                host.run("truncate", "-s", f"-{size}k", filler)
            done = net.run("run", "--rm", "-p", "8080:80", busybox, "true", check=False)
            if done.code:
                assert done.stderr.startswith("Error: "), done.stderr
                assert "no space left on device" in done.stderr.lower(), done.stderr
                assert len(done.stderr.splitlines()) <= 2, done.stderr
            host.run("rm", "-f", filler)
            look = f"find {net.runroot}/networks -type f -not -name .lock 2> /dev/null || true"
            assert eventually_equal(lambda look=look: host.run("sh", "-c", look), "") == ""  # type: ignore[misc]
            assert eventually_equal(lambda: links(host), remains.before["links"]) == remains.before["links"]
            assert eventually_equal(lambda: ruleset(host), remains.before["ruleset"]) == remains.before["ruleset"]
        net.run("run", "--rm", "-p", "8080:80", busybox, "true")
    finally:
        host.run("umount", net.runroot)
    assert remains.after_next_command() == []
