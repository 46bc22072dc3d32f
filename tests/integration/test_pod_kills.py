"""`kill -9` of commands on pods at random moments: every later command works, nothing is left, nothing hangs.

`POD_TEST_KILLS` says how many commands of each kind are killed.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import time

import pytest

from tests.fixtures.check_store import check
from tests.fixtures.command import Pod
from tests.fixtures.monitor import eventually

KILLS = int(os.environ.get("POD_TEST_KILLS", "2" if os.environ.get("POD_TEST_QUICK") else "10"))
SERVE = ("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.05; done")


class Killer:
    """Kills commands within the time that such a command takes, measured where it is left alone."""

    def __init__(self, box: Pod) -> None:
        self.box = box
        self.seconds: dict[str, float] = {}
        self.hits = 0

    def measure(self, kind: str, *words: str) -> None:
        """Let a command of this kind end."""
        begin = time.monotonic()
        self.box.run(*words)
        self.seconds[kind] = time.monotonic() - begin

    def strike(self, kind: str, *words: str) -> None:
        """Kill a command of this kind at a random moment."""
        process = self.box.start(*words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(random.uniform(0, self.seconds[kind]))
        if process.poll() is None:
            self.hits += 1
        else:
            self.seconds[kind] *= 0.9
        process.send_signal(signal.SIGKILL)
        process.wait()


def word(box: Pod, name: str) -> str:
    return box.run("pod", "inspect", "--format", "{{.State}}", name).out


def starts(box: Pod) -> bool:
    """Start the pod: what a killed command has sent a signal may still be about to end."""
    box.run("pod", "start", "p")
    return word(box, "p") == "Running"


def remove_all(box: Pod) -> None:
    box.run("pod", "rm", "--all", "--force", "-t", "0")
    box.run("rm", "--all", "--force", "-t", "0")
    assert box.run("ps", "-aq").out == ""
    assert box.run("pod", "ps", "-q").out == ""


@pytest.mark.slow
def test_killed_creations(box: Pod, busybox: str) -> None:
    """What a killed `pod create` or `run --pod` made is there whole, or not at all."""
    killer = Killer(box)
    killer.measure("create", "pod", "create", "--name", "p")
    killer.measure("run", "run", "-d", "--pod", "p", "--name", "c", busybox, *SERVE)
    killer.measure("clone", "pod", "clone", "p", "q")
    remove_all(box)
    for number in range(KILLS):
        killer.strike("create", "pod", "create", "--name", "p", "--exit-policy", random.choice(["stop", "continue"]))
        if box.run("pod", "exists", "p", check=False).code:
            box.run("pod", "create", "--name", "p")
        assert word(box, "p") == "Created"
        killer.strike("run", "run", "-d", "--pod", "p", "--name", "c", busybox, *SERVE)
        box.run("run", "-d", "--replace", "--pod", "p", "--name", "c", busybox, *SERVE)
        assert word(box, "p") == "Running"
        killer.strike("clone", "pod", "clone", "p", f"q{number}")
        assert box.run("pod", "ps", "--filter", f"name=q{number}", "--format", "{{.NumberOfContainers}}").out in (
            "",
            "2",
        )
        if number % 3 == 2:
            remove_all(box)
        else:
            box.run("pod", "rm", "-f", "-t", "0", "p")
    remove_all(box)
    assert killer.hits
    assert check(box) == []


def test_a_clone_is_there_whole_or_not_at_all(box: Pod, busybox: str) -> None:
    """It is killed as soon as anything of the copy is to be seen."""
    box.run("pod", "create", "--name", "p", "--network", "none")
    for name in "abcdef":
        box.run("create", "--pod", "p", "--name", name, busybox, *SERVE)
    database = sqlite3.connect(f"file:{box.root}/pod.db?mode=ro", uri=True)
    for name in ("q", "r", "s"):
        process = box.start("pod", "clone", "p", name, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not database.execute("SELECT 1 FROM pod WHERE name = ?", (name,)).fetchall() and process.poll() is None:
            pass
        process.kill()
        process.wait()
        assert box.run("pod", "ps", "--filter", f"name={name}", "--format", "{{.NumberOfContainers}}").out == "7"
    database.close()
    box.run("pod", "start", "s")
    assert word(box, "s") == "Running"
    remove_all(box)
    assert check(box) == []


@pytest.mark.slow
def test_killed_starts_and_stops(box: Pod, busybox: str) -> None:
    killer = Killer(box)
    box.run("pod", "create", "--name", "p")
    box.run("create", "--pod", "p", "--init-ctr", "always", "--name", "i", busybox, "true")
    for name in ("a", "b"):
        box.run("create", "--pod", "p", "--name", name, busybox, *SERVE)
    for verb in ("start", "restart", "stop"):
        killer.measure(verb, "pod", verb, "p")
    for _ in range(KILLS):
        killer.strike("start", "pod", "start", "p")
        eventually(lambda: starts(box), seconds=60)
        killer.strike("restart", "pod", "restart", "p")
        eventually(lambda: starts(box), seconds=60)
        first = box.run("exec", "a", "readlink", "/proc/self/ns/net").out
        assert first == box.run("exec", "b", "readlink", "/proc/self/ns/net").out
        killer.strike("stop", "pod", "stop", "p")
        box.run("pod", "stop", "p")
        assert word(box, "p") == "Exited"
    assert killer.hits
    remove_all(box)
    assert check(box) == []


@pytest.mark.slow
def test_killed_removals(box: Pod, busybox: str) -> None:
    killer = Killer(box)
    box.run("pod", "create", "--name", "p")
    killer.measure("rm", "pod", "rm", "-f", "-t", "0", "p")
    for _ in range(KILLS):
        box.run("pod", "create", "--name", "p")
        for name in ("a", "b"):
            box.run("run", "-d", "--pod", "p", "--name", name, busybox, *SERVE)
        killer.strike("rm", "pod", "rm", "-f", "-t", "0", "p")
        box.run("pod", "rm", "--ignore", "-f", "-t", "0", "p")
        assert box.run("pod", "ps", "-q").out == ""
        assert box.run("ps", "-aq").out == ""
    assert killer.hits
    assert check(box) == []


@pytest.mark.slow
def test_killed_commands_of_a_pod_that_ends_with_its_containers(box: Pod, busybox: str) -> None:
    killer = Killer(box)
    box.run("pod", "create", "--name", "p", "--exit-policy", "stop")
    killer.measure("run", "run", "--rm", "--pod", "p", busybox, "sleep", "0.1")
    for _ in range(KILLS):
        killer.strike("run", "run", "--rm", "--pod", "p", busybox, "sleep", "0.1")

    def over() -> bool:
        box.run("create", "--name", "other", busybox)  # what nobody lived to do, a command that writes does
        box.run("rm", "other")
        return word(box, "p") in ("Exited", "Created")

    eventually(over, seconds=120)
    remove_all(box)
    assert killer.hits
    assert check(box) == []
