"""`kill -9` of the command at random moments: every later command works, nothing leaks, the store is whole.

Four tests of 50 kills each make the 200 of the promise; `POD_TEST_KILLS` sets another number for each, and
`contrib/test --quick` is content with few.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time

import pytest

from tests.fixtures import images
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


def duration(pod: Pod, *arguments: str) -> float:
    begin = time.monotonic()
    pod.run(*arguments)
    return time.monotonic() - begin


def kill_at_random(pod: Pod, chance: random.Random, seconds: float, *arguments: str) -> bool:
    """Start the command, kill it within `seconds`, and tell whether it was still there."""
    process = pod.start(*arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(chance.uniform(0, seconds))
    alive = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    return alive


@pytest.mark.slow
def test_killed_pulls(pod: Pod, layered: str) -> None:
    seconds = duration(pod, "pull", "-q", layered)
    chance = random.Random()
    hits = 0
    for number in range(KILLS):
        pod.run("rmi", "--all", "--force", check=False)
        hits += kill_at_random(pod, chance, seconds * 1.1, "pull", "-q", layered)
        if number % 5 == 0:
            pod.run("pull", "-q", layered)
            assert pod.run("run", "--rm", layered, "sh", "-c", "cat /srv/*/* | wc -c").out == str(4 * 1500 * 900)
    assert hits > KILLS / 2
    pod.run("pull", "-q", layered)
    assert check(pod) == []
    pod.run("rmi", layered)
    assert pod.run("images", "-q").out == ""
    assert os.listdir(os.path.join(pod.root, "layers")) == []


@pytest.mark.slow
def test_killed_runs(box: Pod, busybox: str) -> None:
    """What a killed `run` leaves, a container at most, later commands see and remove."""
    seconds = duration(box, "run", "--rm", busybox, "true")
    chance = random.Random()
    hits = 0
    for number in range(KILLS):
        options = ["--name", f"c{number}"] if number % 2 else ["--rm"]
        hits += kill_at_random(box, chance, seconds * 1.1, "run", *options, busybox, "sleep", "0.1")
        if number % 5 == 0:
            box.run("ps", "-a")
            assert box.run("run", "--rm", busybox, "echo", "fine").out == "fine"
    assert hits > KILLS / 2
    box.remove_containers()
    assert box.run("ps", "-aq").out == ""
    assert box.run("run", "--rm", busybox, "echo", "fine").out == "fine"
    assert check(box) == []


@pytest.mark.slow
def test_killed_stops_execs_and_removals(box: Pod, busybox: str) -> None:
    chance = random.Random()
    for _ in range(max(2, KILLS // 10)):
        box.run("run", "-d", "--name", "c", busybox, "sleep", "1000")
        kill_at_random(box, chance, 0.2, "exec", "c", "sleep", "0.1")
        kill_at_random(box, chance, 0.2, "stop", "-t", "0", "c")
        kill_at_random(box, chance, 0.2, "rm", "-f", "-t", "0", "c")
        box.run("rm", "-f", "-t", "0", "c", check=False)
        assert box.run("ps", "-aq").out == ""
    assert check(box) == []


def test_interrupted_pull_leaves_nothing_and_goes_on_later(pod: Pod, layered: str) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        with pod.start("pull", "-q", layered, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            time.sleep(0.25)
            process.send_signal(number)
            process.wait(timeout=20)
        assert process.returncode != 0
    assert os.listdir(os.path.join(pod.root, "staging")) == []
    pod.run("pull", "-q", layered)


def test_interrupted_run_removes_its_container(box: Pod, busybox: str) -> None:
    script = "trap 'exit 130' INT; echo ready; while :; do sleep 0.05; done"
    with box.start("run", "--rm", busybox, "sh", "-c", script) as process:
        assert process.stdout
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130
    assert box.run("ps", "-aq").out == ""
