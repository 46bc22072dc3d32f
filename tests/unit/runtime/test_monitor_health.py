"""What results of health checks come to, and the program that probes."""

from __future__ import annotations

import os
from typing import Any

import pytest

from runtime import steps
from runtime.monitor.health import Verdict

SETTINGS: dict[str, Any] = {"normal": {"retries": 3}, "startup": {"retries": 2, "success": 2}}


def test_healthy_at_the_first_success_and_unhealthy_after_retries() -> None:
    verdict = Verdict(startup=False)
    assert verdict.status == "starting"
    seen = []
    for good in (False, True, False, False, False, False, True):
        verdict.add(good, SETTINGS, in_start_period=False)
        seen.append((verdict.status, verdict.streak))
    assert seen == [
        ("starting", 1),
        ("healthy", 0),
        ("healthy", 1),
        ("healthy", 2),
        ("unhealthy", 3),
        ("unhealthy", 4),
        ("healthy", 0),
    ]


def test_failures_of_the_start_period_do_not_count() -> None:
    verdict = Verdict(startup=False)
    for _ in range(9):
        verdict.add(False, SETTINGS, in_start_period=True)
    assert (verdict.status, verdict.streak) == ("starting", 0)
    verdict.add(True, SETTINGS, in_start_period=True)
    assert verdict.status == "healthy"
    for _ in range(3):
        verdict.add(False, SETTINGS, in_start_period=True)
    assert verdict.status == "unhealthy"


def test_startup_wants_successes_in_a_row() -> None:
    verdict = Verdict(startup=True)
    for good in (True, False, True, True):
        assert not verdict.add(good, SETTINGS, in_start_period=False)
    assert verdict.passed
    assert verdict.status == "starting"


def test_startup_that_never_comes() -> None:
    verdict = Verdict(startup=True)
    assert not verdict.add(False, SETTINGS, in_start_period=False)
    assert verdict.add(False, SETTINGS, in_start_period=False)
    unlimited = {**SETTINGS, "startup": {"retries": 0, "success": 0}}
    verdict = Verdict(startup=True)
    assert not any(verdict.add(False, unlimited, in_start_period=False) for _ in range(50))


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["/bin/sh", "-c", "echo hi; exit 7"], 7, b"hi\n"),
        (["/bin/sh", "-c", "kill -9 $$"], -9, b""),
        (["/nowhere"], 127, b"missing\n"),
        (["/etc/passwd"], 126, b"denied\n"),
    ],
)
def test_program_runs_a_command_for_each_byte(words: list[str], code: int, said: bytes) -> None:
    program = steps.Steps()
    program.serve(4)
    program.add("clone", 17, mode=steps.FORK)
    program.add("chdir", program.text("/"), mode=steps.NOTE)
    program.add("chdir", program.text("/nowhere"), mode=steps.UNLESS_NOTED)
    program.add("execve", program.text(words[0]), program.array(words), program.array(["A=b"]), mode=steps.EXECUTE)
    memory = os.memfd_create("test")
    os.write(memory, program.image(5, "missing\n", "denied\n"))
    pipes = [os.pipe() for _ in range(3)]
    (asked, ask), (answer, answers), (output, outputs) = pipes
    pid = os.fork()
    if pid == 0:
        copies = [os.dup(fd) for fd in (memory, asked, answers, outputs)]
        high = os.dup2(copies[0], 100)
        for number, fd in ((1, copies[3]), (2, copies[3]), (4, copies[1]), (5, copies[2])):
            os.dup2(fd, number)
        os.closerange(6, 100)
        os.execve(high, ["steps"], {})
    for _ in range(3):
        os.write(ask, b"x")
        assert os.waitstatus_to_exitcode(int.from_bytes(os.read(answer, 4), "little")) == code
        assert (os.read(output, 100) if said else b"") == said
    for fd in (ask, asked, answer, answers, output, outputs, memory):
        os.close(fd)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
