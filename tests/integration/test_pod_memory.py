"""What a pod costs while nothing happens: its infra container and its monitor, which sleeps as a tiny program."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.fixtures.command import Pod
from tests.fixtures.nethost import HOST, OnHost, TestHost, eventually_equal

MOST_KIB = 1024


def infra(box: Pod) -> dict[str, Any]:
    identity = json.loads(box.run("pod", "inspect", "one").stdout)[0]["InfraContainerID"]
    found: dict[str, Any] = json.loads(box.run("inspect", identity).stdout)[0]
    return found


def is_asleep(monitor: int) -> bool:
    return "pod-sleep" in os.readlink(f"/proc/{monitor}/exe")


def has_ended(pid: int) -> bool:
    """Tell whether a process is no more, or but for its parent's knowing."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def awaited(condition: Callable[[], bool], seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def asleep(box: Pod) -> int:
    """Return the infra container's monitor once it sleeps."""
    monitor: int = infra(box)["State"]["ConmonPid"]
    assert awaited(lambda: is_asleep(monitor))
    return monitor


def kibibytes(pid: int) -> int:
    """Return what memory a process has: its own, its share of what it shares, and what it holds in files of memory."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        found = sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    for name in os.listdir(f"/proc/{pid}/fd"):
        path = f"/proc/{pid}/fd/{name}"
        if os.readlink(path).startswith("/memfd:"):
            found += os.stat(path).st_blocks // 2
    return found


def test_a_pod_costs_less_than_a_megabyte(box: Pod, busybox: str) -> None:
    box.run("pod", "create", "--name", "one")
    box.run("run", "-d", "--pod", "one", "--name", "a", busybox, "sleep", "1000")
    monitor = asleep(box)
    cost = kibibytes(monitor) + kibibytes(infra(box)["State"]["Pid"])
    assert cost < MOST_KIB, f"{cost} KiB"
    box.run("pod", "stop", "-t", "0", "one")
    assert infra(box)["State"]["ExitCode"] in (0, 137)
    assert awaited(lambda: has_ended(monitor))
    box.run("pod", "rm", "one")


def test_a_sleeping_monitor_does_its_work(box: Pod, busybox: str) -> None:
    """Each of these wakes it, and it goes to sleep again."""
    script = "mkfifo /fifo; exec 3<>/fifo; while read -r line; do echo $line; done <&3"
    path = os.path.join(box.home, "talk")
    box.execute(["sh", "-c", f"printf '%s' '{script}' > {path}; chmod 755 {path}"])
    box.run(
        *("pod", "create", "--name", "one", "--infra-image", busybox, "--infra-command", "sh /talk"),
        *("--volume", f"{path}:/talk"),
    )
    box.run("pod", "start", "one")
    identity = infra(box)["Id"]
    monitor = asleep(box)
    box.run("exec", identity, "sh", "-c", "echo one > /fifo")
    assert awaited(lambda: box.run("logs", identity).out == "one")
    asleep(box)
    os.kill(monitor, signal.SIGHUP)
    box.run("exec", identity, "sh", "-c", "echo two > /fifo")
    assert awaited(lambda: box.run("logs", identity).out.split() == ["one", "two"])
    asleep(box)
    with box.start("attach", "--no-stdin", identity) as attached:
        assert awaited(lambda: not is_asleep(monitor))
        box.run("exec", identity, "sh", "-c", "echo three > /fifo")
        assert attached.stdout is not None
        assert attached.stdout.readline() == b"three\n"
        attached.kill()
    asleep(box)
    box.run("kill", "--signal", "KILL", identity)
    assert box.run("wait", identity).out == "137"
    assert awaited(lambda: has_ended(monitor))
    box.run("pod", "rm", "-f", "-t", "0", "one")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("mode", ["root"], indirect=True)
def test_networks_of_a_pod_whose_monitor_sleeps(net: OnHost, host: TestHost, busybox: str) -> None:
    net.run("network", "create", "front")
    net.run("network", "create", "back")
    net.run("pod", "create", "--name", "one", "--network", "front", "--publish", "8080:80")
    script = "hostname > /tmp/index.html; exec httpd -f -p 80 -h /tmp"
    net.run("run", "-d", "--pod", "one", "--name", "web", busybox, "sh", "-c", script)
    net.run("run", "-d", "--name", "client", "--network", "front", busybox, "sleep", "1000")
    asleep(net)
    fetch = ("busybox", "wget", "-q", "-O", "-", f"http://{HOST}:8080/")
    assert host.run(*fetch).strip() == "one"
    assert net.run("exec", "client", "nslookup", "one").code == 0
    monitor = asleep(net)
    asking = "i=0; while [ $i -lt 40 ]; do nslookup client || exit 1; i=$((i + 1)); sleep 0.05; done"
    with net.start("exec", "web", "sh", "-c", asking, stdout=subprocess.DEVNULL) as questions:
        assert awaited(lambda: not is_asleep(monitor))
    assert questions.returncode == 0
    asleep(net)
    net.run("network", "connect", "back", infra(net)["Id"])
    assert eventually_equal(lambda: "eth1" in net.run("exec", "web", "ip", "link").out, True)
    asleep(net)
    os.kill(monitor, signal.SIGKILL)
    assert net.run("pod", "rm", "-f", "-t", "0", "one").code == 0
    net.run("rm", "-f", "-t", "0", "client")
    net.run("network", "rm", "front", "back")
