"""`kill -9` of the command at random moments: every later command works, nothing leaks, the store is whole.

Four tests of 50 kills each make the 200 of the promise; `POD_TEST_KILLS` sets another number for each, and
`contrib/test --quick` is content with few.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time

import pytest

from tests.fixtures import images, leaks
from tests.fixtures.check_store import check
from tests.fixtures.command import Pod
from tests.fixtures.registry import Registry

KILLS = int(os.environ.get("POD_TEST_KILLS", "5" if os.environ.get("POD_TEST_QUICK") else "50"))


@pytest.fixture(scope="session")
def layered(registry: Registry) -> str:
    """An image whose pull takes a while: several layers with many files."""
    layers = [
        images.layer(*(images.entry(f"srv/{number}/{name:04d}", os.urandom(900)) for name in range(1500)))
        for number in range(4)
    ]
    return registry.push("layered", "latest", images.busybox(*layers))


class Killer:
    """Kills commands at random moments, and counts those that were still there to be killed."""

    def __init__(self, pod: Pod, *rehearsal: str) -> None:
        begin = time.monotonic()
        pod.run(*rehearsal)
        self.pod, self.seconds, self.hits = pod, time.monotonic() - begin, 0

    def strike(self, *arguments: str) -> None:
        """Start a command and kill it within the time that such a command takes."""
        process = self.pod.start(*arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(random.uniform(0, self.seconds))
        if process.poll() is None:
            self.hits += 1
        else:
            self.seconds *= 0.95
        process.send_signal(signal.SIGKILL)
        process.wait()


@pytest.mark.slow
def test_killed_pulls(pod: Pod, layered: str) -> None:
    killer = Killer(pod, "pull", "-q", layered)
    while killer.hits < KILLS:
        pod.run("rmi", "--all", "--force", check=False)
        killer.strike("pull", "-q", layered)
        if killer.hits % 5 == 0:
            pod.run("pull", "-q", layered)
            assert pod.run("run", "--rm", layered, "sh", "-c", "cat /srv/*/* | wc -c").out == str(4 * 1500 * 900)
    pod.run("pull", "-q", layered)
    assert check(pod) == []
    pod.run("rmi", layered)
    assert pod.run("images", "-q").out == ""
    assert os.listdir(os.path.join(pod.root, "layers")) == []
    # What takes long to delete goes on after its command, at the lowest priority: on a busy machine for a while.
    assert leaks.wait_until_clean(lambda: leaks.unfinished(pod.root, pod.runroot), timeout=60) == []


@pytest.mark.slow
def test_killed_runs(box: Pod, busybox: str) -> None:
    """What a killed `run` leaves, a container at most, later commands see and remove."""
    killer = Killer(box, "run", "--rm", busybox, "sleep", "0.1")
    while killer.hits < KILLS:
        options = ["--name", f"c{killer.hits}", "--replace"] if killer.hits % 2 else ["--rm"]
        killer.strike("run", *options, busybox, "sleep", "0.1")
        if killer.hits % 5 == 0:
            box.run("ps", "-a")
            assert box.run("run", "--rm", busybox, "echo", "fine").out == "fine"
    box.remove_containers()
    assert box.run("ps", "-aq").out == ""
    assert box.run("run", "--rm", busybox, "echo", "fine").out == "fine"
    assert check(box) == []


@pytest.mark.slow
def test_killed_stops_execs_and_removals(box: Pod, busybox: str) -> None:
    killer = Killer(box, "run", "--rm", busybox, "sleep", "0.1")
    for _ in range(max(2, KILLS // 10)):
        box.run("run", "-d", "--name", "c", busybox, "sleep", "1000")
        killer.strike("exec", "c", "sleep", "0.1")
        killer.strike("stop", "-t", "0", "c")
        killer.strike("rm", "-f", "-t", "0", "c")
        box.run("rm", "-f", "-t", "0", "c", check=False)
        assert box.run("ps", "-aq").out == ""
    # What a killed command left is swept by the next one that writes, once it is old and nobody has it.
    leaks.wait_until_clean(lambda: leaks.leftovers(box.directory, leaks.control_groups()), timeout=30)
    for name in ("containers", "exec"):
        for entry in os.scandir(f"{box.runroot}/{name}"):
            with contextlib.suppress(FileNotFoundError):
                os.utime(entry, (0, 0))
    box.run("run", "--rm", busybox, "true")
    assert check(box) == []


def unpacking(pod: Pod) -> list[str]:
    """Return the store's work that is under way; there are several layers with many files to come when it begins."""
    try:
        return os.listdir(os.path.join(pod.root, "staging"))
    except FileNotFoundError:
        return []


def test_interrupted_pull_leaves_nothing_and_goes_on_later(pod: Pod, layered: str) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        with pod.start("pull", "-q", layered, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            while not unpacking(pod) and process.poll() is None:
                time.sleep(0.001)
            process.send_signal(number)
            process.wait(timeout=60)
        assert process.returncode != 0
    assert not unpacking(pod)
    pod.run("pull", "-q", layered)


def test_interrupted_run_removes_its_container(box: Pod, busybox: str) -> None:
    script = "trap 'exit 130' INT; echo ready; while :; do sleep 0.05; done"
    with box.start("run", "--rm", busybox, "sh", "-c", script) as process:
        assert process.stdout
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
    assert box.run("ps", "-aq").out == ""
