"""What results of health checks come to, and the program that probes."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from runtime import answers, probe, steps
from runtime.identity import Filter, allows
from runtime.kernel import CLONE_VM
from runtime.monitor.health import Health
from runtime.monitor.verdict import Verdict

ALL = [*probe.REPEATED, "execveat"]

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
def test_program_runs_a_command_again_and_again_unless_something_is_there(
    tmp_path: Path, words: list[str], code: int, said: bytes
) -> None:
    program = steps.Steps()
    program.share(6)
    program.repeat()
    program.add("faccessat", -100, program.text(str(tmp_path / "paused")), os.F_OK, mode=steps.UNLESS)
    program.add("clone", 17 | CLONE_VM, mode=steps.FORK)
    program.add("chdir", program.text("/"), mode=steps.NOTE)
    program.add("chdir", program.text("/nowhere"), mode=steps.UNLESS_NOTED)
    program.add("execve", program.text(words[0]), program.array(words), program.array(["A=b"]), mode=steps.EXECUTE)
    memory = os.memfd_create("test")
    os.write(memory, program.image(4, 50_000_000, "missing\n", "denied\n"))
    (told, teller), (output, outputs) = os.pipe(), os.pipe()
    page = answers.create(os.fsencode(tmp_path / "answers"))
    given = ((outputs, 1), (outputs, 2), (teller, 4), (page, 6))
    actions = [(os.POSIX_SPAWN_DUP2, fd, number) for fd, number in given]
    began = time.time_ns()
    pid = os.posix_spawn(f"/proc/self/fd/{memory}", ["steps"], {}, file_actions=actions)
    try:
        for number in range(3):
            os.read(told, 100)
            wish, [(first, last, status)], is_checking = answers.read(page, number)
            assert (wish, os.waitstatus_to_exitcode(status), is_checking) == (answers.LOUD, code, False)
            assert (os.read(output, 100) if said else b"") == said
            assert began <= first <= last <= time.time_ns()
            began = last + 50_000_000
        (tmp_path / "paused").touch()
        while answers.read(page, 0)[1][-1][2] != answers.SKIPPED:
            os.read(told, 100)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        for fd in (told, teller, output, outputs, memory, page):
            os.close(fd)


def test_program_tells_only_what_is_wished(tmp_path: Path) -> None:
    """Of successes it tells at the count that is wished, and a failure at once; the page keeps the last ones."""
    program = steps.Steps()
    program.share(6)
    program.repeat()
    program.add("clone", 17 | CLONE_VM, mode=steps.FORK)
    program.add("faccessat", -100, program.text(str(tmp_path / "failing")), os.F_OK, mode=steps.NOTE)
    program.add("chdir", program.text("/nowhere"), mode=steps.UNLESS_NOTED)
    program.add("execve", program.text("/bin/true"), program.array(["true"]), program.array([]), mode=steps.EXECUTE)
    memory = os.memfd_create("test")
    os.write(memory, program.image(4, 1_000_000, "missing\n", "denied\n"))
    told, teller = os.pipe()
    page = answers.create(os.fsencode(tmp_path / "answers"))
    (tmp_path / "failing").touch()
    actions = [(os.POSIX_SPAWN_DUP2, fd, number) for fd, number in ((teller, 4), (page, 6))]
    pid = os.posix_spawn(f"/proc/self/fd/{memory}", ["steps"], {}, file_actions=actions)
    seen = 0
    try:
        for _ in range(4):
            answers.wish(page, answers.quiet(seen))
            os.set_blocking(told, False)
            with contextlib.suppress(BlockingIOError):
                os.read(told, 4096)  # what it told before it saw that
            os.set_blocking(told, True)
            os.read(told, 40)
            _, found, _ = answers.read(page, seen)
            assert 48 <= len(found) <= 62
            assert not any(status for _, _, status in found)
            seen += len(found)
        (tmp_path / "failing").unlink()
        while not (status := memoryview(os.read(told, 40)).cast("q")[4]):
            pass
        assert status >> 8 == 126
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        for fd in (told, teller, memory, page):
            os.close(fd)


def test_record_does_not_grow_with_each_program_that_probes(tmp_path: Path) -> None:
    path = tmp_path / "health"
    health = Health({**SETTINGS, "file": os.fsencode(path)}, 0.0)
    for _ in range(20):
        health.write()
        health.write()
        os.close(health.record)
        health.record = -1  # as where one check is asked for, and another program does it
    assert path.stat().st_size < 200
    assert json.loads(path.read_text())["Status"] == "starting"


def test_a_page_is_found_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands look into it while the monitor makes it, for the first time or anew."""
    path, seen, fill = tmp_path / "answers", [], answers._fill

    def look_and_fill(fd: int) -> None:
        seen.append(answers.unheard(str(path)))
        fill(fd)

    monkeypatch.setattr(answers, "_fill", look_and_fill)
    for _ in range(2):
        os.close(answers.create(os.fsencode(path)))
    assert seen == [[], []]
    assert path.stat().st_size == answers.SIZE


def test_page_that_finds_no_room_is_not_left(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(OSError, match="No space left"):
            answers.create(os.fsencode(tmp_path / "answers"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("profile", "passes"),
    [
        ({"defaultAction": "SCMP_ACT_ALLOW"}, True),
        ({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ALL, "action": "SCMP_ACT_ALLOW"}]}, True),
        ({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ALL[1:], "action": "SCMP_ACT_ALLOW"}]}, False),
        (
            {
                "defaultAction": "SCMP_ACT_ALLOW",
                "syscalls": [{"names": ["clone"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "value": 1}]}],
            },
            False,
        ),
        ({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mount"], "action": "SCMP_ACT_KILL"}]}, True),
    ],
)
def test_whether_the_program_may_be_under_the_filter(profile: dict[str, Any], passes: bool) -> None:
    seccomp = Filter(b"x", allows_execveat=allows(profile, "execveat"))
    assert probe.passes({"linux": {"seccomp": profile}}, seccomp) is passes
    assert not probe.passes({"linux": {"seccomp": profile}}, Filter(b"x", allows_execveat=False))
