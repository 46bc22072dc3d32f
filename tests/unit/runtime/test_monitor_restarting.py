"""When a container is started again: the policies, and how long that is waited for."""

from __future__ import annotations

import marshal
import os
import time
from pathlib import Path

import pytest

from runtime.monitor import restarting
from runtime.monitor.loop import Loop
from runtime.monitor.resuming import Resumed


@pytest.mark.parametrize(
    ("policy", "most", "code", "restarts", "expected"),
    [
        ("no", 0, 1, 0, False),
        ("always", 0, 0, 1000, True),
        ("unless-stopped", 0, 137, 3, True),
        ("on-failure", 0, 0, 0, False),
        ("on-failure", 0, 1, 1000, True),
        ("on-failure", 2, 1, 1, True),
        ("on-failure", 2, 1, 2, False),
    ],
)
def test_policy(policy: str, most: int, code: int, restarts: int, expected: bool) -> None:
    assert restarting.wanted(policy, most, code, restarts) is expected


def test_delays_double_up_to_a_minute_and_begin_again_after_a_good_run() -> None:
    delays, delay = [], 0.0
    for _ in range(12):
        delay = restarting.next_delay(delay, 0.5)
        delays.append(round(delay, 3))
    assert delays == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 60.0, 60.0]
    assert restarting.next_delay(60.0, 10.0) == 0.1


@pytest.fixture(name="ended")
def ended_loop(tmp_path: Path) -> Loop:
    loop = Loop()
    loop.directory = str(tmp_path).encode()
    loop.relaunch = [b"/bin/false"]
    loop.settings = {"restart": ("always", 0)}
    loop.began = time.monotonic()
    return loop


def test_plan_says_that_the_container_waits(ended: Loop, tmp_path: Path) -> None:
    assert restarting.plan(ended, 1)
    assert (tmp_path / "restarting").exists()
    assert ended.restarts == 1
    assert ended.resume_at == pytest.approx(time.monotonic() + 0.1, abs=0.05)


def test_wanted_end_is_followed_by_no_start(ended: Loop, tmp_path: Path) -> None:
    (tmp_path / "stopped").touch()
    assert not restarting.plan(ended, 1)
    assert os.listdir(tmp_path) == ["stopped"]


def test_health_check_starts_again_whatever_the_policy_says_and_does_not_count(ended: Loop) -> None:
    ended.settings, ended.again = {}, True
    assert restarting.plan(ended, 137)
    assert (ended.restarts, ended.delay) == (0, 0.0)


def test_engine_takes_what_the_monitor_left(tmp_path: Path) -> None:
    path = tmp_path / "state"
    state = {"sync": -1, "lock": -1, "restarts": 3, "size": (24, 80), "clients": []}
    path.write_bytes(marshal.dumps(state))
    resumed = Resumed(os.open(path, os.O_RDONLY))
    assert (resumed.restarts, resumed.size, resumed.fds()) == (3, (24, 80), [])


@pytest.mark.parametrize("content", [b"", b"nonsense", marshal.dumps([1]), marshal.dumps({"sync": 1})])
def test_what_no_monitor_left_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not the state of a monitor"):
        Resumed(os.open(path, os.O_RDONLY))
