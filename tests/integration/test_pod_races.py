"""Pairs of commands on one pod at the same time: each does what it says, or says that the other was faster.

`POD_TEST_ROUNDS`, if more than one, has every pair tried so many times.
"""

from __future__ import annotations

import itertools
import os
import time

import pytest

from tests.fixtures.command import Pod

ROUNDS = int(os.environ.get("POD_TEST_ROUNDS", "1"))
COMMANDS = {
    "start": ("pod", "start", "p"),
    "stop": ("pod", "stop", "-t", "0", "p"),
    "restart": ("pod", "restart", "p"),
    "kill": ("pod", "kill", "p"),
    "rm -f": ("pod", "rm", "-f", "-t", "0", "p"),
    "clone": ("pod", "clone", "p", "q"),
    "run": ("run", "--rm", "--pod", "p", "IMAGE", "true"),
    "stop one": ("stop", "-t", "0", "one"),
    "rm one": ("rm", "-f", "-t", "0", "one"),
    "prune": ("pod", "prune", "--force"),
}
STRIDE = 4 if ROUNDS == 1 else 1  # for a first look every fourth pair, others each day
PAIRS = list(itertools.combinations_with_replacement(COMMANDS, 2))[int(time.time()) // 86400 % STRIDE :: STRIDE]
# A pair that is tried often has a store and a time of its own.
GROUPS = [PAIRS] if ROUNDS == 1 else [[pair] for pair in PAIRS]
# What a command may say when the other one was faster.
EXPECTED = (
    "no such pod",
    "no such container",
    "container state improper",
    "pod already exists",
    "container is stopped",
    "has no containers",
    "in use",
    "has just ended",
    "no longer waits for that",
    "containers that were added",
    "which must be removed before it",
)
SERVE = ("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.05; done")


def race(box: Pod, busybox: str, first: str, second: str, *, policy: str, running: bool) -> None:
    box.run("pod", "create", "--name", "p", "--exit-policy", policy)
    for name in ("one", "two"):  # no letters of an ID
        box.run("create", "--pod", "p", "--name", name, busybox, *SERVE)
    if running:
        box.run("pod", "start", "p")
    lines = [[busybox if word == "IMAGE" else word for word in COMMANDS[name]] for name in (first, second)]
    processes = [box.start(*line) for line in lines]
    try:
        told = [process.communicate(timeout=120)[1].decode() for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    for name, process, error in zip((first, second), processes, told, strict=True):
        assert "Traceback" not in error, (name, error)
        assert "this is a bug" not in error, (name, error)
        if process.returncode == 137 and name == "run":
            continue  # it was killed with its pod
        if process.returncode:
            assert any(text in error for text in EXPECTED), (name, process.returncode, error)
        if name == "rm -f" and first != second:
            assert process.returncode == 0, error
    if "rm -f" in (first, second) and "clone" not in (first, second):
        assert box.run("ps", "-aq").out == "", (first, second, told)
    box.run("pod", "rm", "--all", "--force", "-t", "0")
    assert box.run("ps", "-aq").out == ""


@pytest.mark.slow
@pytest.mark.parametrize("pairs", GROUPS, ids=lambda pairs: "-".join(pairs[0]) if len(pairs) == 1 else "all")
@pytest.mark.parametrize("policy", ["continue", "stop"])
def test_every_pair_at_once(box: Pod, busybox: str, policy: str, pairs: list[tuple[str, str]]) -> None:
    for number, (first, second) in enumerate(pairs):
        for turn in range(ROUNDS):
            race(box, busybox, first, second, policy=policy, running=(number + turn + (policy == "stop")) % 2 == 0)


def test_many_containers_at_once(box: Pod, busybox: str) -> None:
    """All find the one infra container, whoever starts it."""
    box.run("pod", "create", "--name", "p")
    started = [box.start("run", "-d", "--pod", "p", "--name", f"c{n}", busybox, *SERVE) for n in range(8)]
    for process in started:
        error = process.communicate(timeout=120)[1].decode()
        assert process.returncode == 0, error
    namespaces = {box.run("exec", f"c{n}", "readlink", "/proc/self/ns/net").out for n in range(8)}
    assert len(namespaces) == 1
    assert box.run("pod", "ps", "--format", "{{.Status}} {{.NumberOfContainers}}").out == "Running 9"
    box.run("pod", "rm", "-f", "-t", "0", "p")
    assert box.run("ps", "-aq").out == ""
