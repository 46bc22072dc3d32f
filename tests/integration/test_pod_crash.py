"""Commands on pods that are killed at random moments, and several of them at once: nothing is left, nothing hangs."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time

import pytest

from tests.fixtures.check_store import check
from tests.fixtures.command import Pod

KILLS = int(os.environ.get("POD_TEST_KILLS", "4" if os.environ.get("POD_TEST_QUICK") else "30"))
ROUNDS = int(os.environ.get("POD_TEST_ROUNDS", "4"))
_SECONDS = 1.0


def strike(box: Pod, *arguments: str) -> None:
    """Start a command and kill it within the time that such a command takes, more or less."""
    process = box.start(*arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(random.uniform(0, _SECONDS) ** 2)
    process.send_signal(signal.SIGKILL)
    process.wait()


def is_gone(box: Pod) -> bool:
    return not (box.run("ps", "-aq").out or box.run("pod", "ps", "-q").out)


@pytest.mark.slow
def test_killed_commands(box: Pod, busybox: str) -> None:
    limits = [] if box.rootless else ["--memory", "64m"]
    for _ in range(max(1, KILLS // 3)):
        strike(box, "pod", "create", "--replace", "--name", "one", *limits)
        box.run("pod", "create", "--replace", "--name", "one", *limits)
        strike(box, "run", "-d", "--pod", "one", "--name", "a", busybox, "sleep", "1000")
        box.run("create", "--pod", "one", "--replace", "--name", "a", busybox, "sleep", "1000")
        strike(box, "pod", "start", "one")
        assert box.run("pod", "start", "one").code == 0
        assert box.run("pod", "ps", "--format", "{{.Status}}").out == "Running"
        strike(box, "pod", "stop", "-t", "0", "one")
        strike(box, "pod", "rm", "-f", "-t", "0", "one")
        box.run("pod", "rm", "-f", "-t", "0", "one")
        assert is_gone(box)
    box.run("run", "--rm", busybox, "true")  # sweeps
    assert check(box) == []


@pytest.mark.slow
def test_killed_monitors(box: Pod, busybox: str) -> None:
    for number in range(max(2, KILLS // 4)):
        box.run("pod", "create", "--name", "one")
        box.run("run", "-d", "--pod", "one", "--name", "a", busybox, "sleep", "1000")
        time.sleep(random.uniform(0, 4) if number % 2 else 0)  # young, in the interpreter, or asleep
        identities = [f"{box.run('pod', 'inspect', '--format', '{{.InfraContainerID}}', 'one').out}", "a"]
        for identity in identities if number % 3 else identities[:1]:
            os.kill(int(box.run("inspect", "--format", "{{.State.ConmonPid}}", identity).out), signal.SIGKILL)
        assert box.run("pod", "ps", "--format", "{{.Status}}").out == "Running"
        box.run("pod", "stop", "-t", "0", "one")
        assert box.run("pod", "ps", "--format", "{{.Status}}").out == "Exited"
        box.run("pod", "start", "one")
        assert box.run("pod", "ps", "--format", "{{.Status}}").out == "Running"
        box.run("pod", "rm", "-f", "-t", "0", "one")
        assert is_gone(box)


def test_the_same_name_at_once(box: Pod) -> None:
    for _ in range(ROUNDS):
        running = [box.start("pod", "create", "--name", "one", stdout=subprocess.DEVNULL) for _ in range(3)]
        codes = []
        for process in running:
            _, errors = process.communicate(timeout=120)
            codes.append(process.returncode)
            assert process.returncode == 0 or b'name "one" is in use: pod already exists' in errors, errors
        assert sorted(codes) == [0, 125, 125]
        assert len(box.run("ps", "-aq").out.split()) == 1
        box.run("pod", "rm", "one")


TOGETHER = (
    (("pod", "start", "one"), ("pod", "start", "one")),
    (("pod", "start", "one"), ("pod", "stop", "-t", "0", "one")),
    (("pod", "start", "one"), ("pod", "rm", "-f", "-t", "0", "one")),
    (("pod", "rm", "-f", "-t", "0", "one"), ("pod", "rm", "-f", "-t", "0", "one")),
    (("pod", "rm", "-f", "-t", "0", "one"), ("run", "--rm", "--pod", "one", "IMAGE", "true")),
    (("pod", "stop", "-t", "0", "one"), ("run", "--rm", "--pod", "one", "IMAGE", "true")),
    (("pod", "create", "--replace", "--name", "one"), ("pod", "create", "--replace", "--name", "one")),
)


@pytest.mark.parametrize(("first", "second"), TOGETHER)
def test_two_commands_at_once(box: Pod, busybox: str, first: tuple[str, ...], second: tuple[str, ...]) -> None:
    for _ in range(ROUNDS):
        box.run("pod", "create", "--name", "one")
        box.run("create", "--pod", "one", "--name", "a", busybox, "sleep", "1000")
        running = [
            box.start(*(busybox if word == "IMAGE" else word for word in words), stdout=subprocess.DEVNULL)
            for words in (first, second)
        ]
        for process in running:
            _, errors = process.communicate(timeout=120)
            assert b"Traceback" not in errors, errors
        box.run("pod", "rm", "-f", "-t", "0", "one")
        assert is_gone(box)
