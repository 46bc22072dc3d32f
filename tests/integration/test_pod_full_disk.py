"""Pods on a full disk: what cannot be done says so in one line and leaves nothing; what has to be done can be done."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from tests.fixtures.check_store import check
from tests.fixtures.closed_database import wait_until_closed
from tests.fixtures.command import Pod
from tests.fixtures.small_disk import fill, on_small_disk

ROOM = 16  # MiB, of which the image takes two
SERVE = ("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.05; done")


@pytest.fixture
def small(box: Pod) -> Iterator[Pod]:
    with on_small_disk(box, ROOM) as made:
        yield made


def refused(box: Pod, *words: str) -> None:
    """See that a command fails for want of room, in one line and its hint."""
    done = box.run(*words, check=False)
    assert done.code, done
    assert "space" in done.stderr or "full" in done.stderr, done
    assert "Traceback" not in done.stderr


def test_nothing_is_created(small: Pod, busybox: str) -> None:
    small.run("pod", "create", "--name", "p")
    small.run("create", "--pod", "p", "--name", "a", busybox, "true")
    filler = fill(small)
    refused(small, "pod", "create", "--name", "q")
    refused(small, "run", "--rm", "--pod", "p", busybox, "true")
    refused(small, "run", "--rm", "--pod", "new:q", busybox, "true")
    refused(small, "pod", "clone", "p", "q")
    assert small.run("pod", "ps", "--format", "{{.Name}} {{.NumberOfContainers}}").out == "p 2"
    os.unlink(filler)
    small.run("pod", "clone", "p", "q")
    small.run("pod", "start", "q")
    small.run("pod", "rm", "--all", "--force", "-t", "0")
    assert check(small) == []


def test_what_runs_can_be_ended_and_removed(small: Pod, busybox: str) -> None:
    small.run("pod", "create", "--name", "p", "--exit-policy", "stop")
    for name in ("a", "b"):
        small.run("run", "-d", "--pod", "p", "--name", name, busybox, *SERVE)
    filler = fill(small)
    small.run("pod", "logs", "p")
    small.run("pod", "top", "p")
    small.run("pod", "stop", "p")
    assert small.run("pod", "ps", "--format", "{{.Status}}").out == "Exited"
    done = small.run("pod", "start", "p", check=False)
    assert "Traceback" not in done.stderr
    small.run("pod", "rm", "--force", "-t", "0", "p")
    assert small.run("ps", "-aq").out == ""
    os.unlink(filler)
    small.run("run", "--rm", busybox, "true")
    assert check(small) == []


def test_who_waits_sees_what_is_done(small: Pod, busybox: str) -> None:
    small.run("create", "--name", "c", busybox, "true")
    wait_until_closed(small)
    filler = fill(small)
    with small.start("wait", "--condition", "removing", "c") as waiting:
        try:
            deadline = time.monotonic() + 30
            while not os.path.exists(f"{small.root}/pod.db-wal"):  # it has opened the database
                assert time.monotonic() < deadline
                time.sleep(0.02)
            small.run("rm", "c")
            assert waiting.wait(30) == 0
        finally:
            waiting.kill()
    os.unlink(filler)
    assert check(small) == []
