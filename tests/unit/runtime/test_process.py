from __future__ import annotations

import os
import time

from runtime import process


def test_a_process_is_known_by_pid_and_start_time() -> None:
    started = process.start_time(os.getpid())
    assert started is not None
    assert process.is_alive(os.getpid(), started)
    assert process.is_alive(os.getpid(), None)
    assert not process.is_alive(os.getpid(), started + 1)


def test_there_are_no_processes_below_one() -> None:
    assert not process.is_alive(0, None)
    assert not process.is_alive(-1, None)


def test_a_zombie_is_dead() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    deadline = time.monotonic() + 10
    while process.is_alive(child, None) and time.monotonic() < deadline:
        time.sleep(0.001)
    assert not process.is_alive(child, None)
    assert process.start_time(child) is not None
    os.waitpid(child, 0)
    assert process.start_time(child) is None


def test_what_dies_is_told_from_what_lives() -> None:
    assert not process.is_dying(os.getpid())
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert process.is_dying(child)
    os.waitpid(child, 0)
    assert process.is_dying(child)
