"""Which processes hear a signal, by what the kernel says of them."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from pod.containers.processes.deafness import is_deaf

_BLOCKED = "signal.signal(15, signal.SIG_IGN); signal.pthread_sigmask(signal.SIG_BLOCK, [15]); "


@pytest.mark.parametrize(
    ("program", "deaf"),
    [
        ("signal.signal(15, signal.SIG_IGN); signal.pause()", True),
        ("signal.signal(15, lambda *_: None); signal.pause()", False),
        ("signal.pause()", False),  # it ends, for it is not PID 1 of a namespace
        (_BLOCKED + "signal.pause()", False),
        (_BLOCKED + "signal.sigwait([15])", False),
    ],
)
def test_who_hears(program: str, deaf: bool) -> None:
    process = subprocess.Popen([sys.executable, "-I", "-S", "-c", f"import signal; {program}"])
    try:
        deadline = time.monotonic() + 30
        while not _waits(process.pid) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert is_deaf(process.pid, signal.SIGTERM) is deaf
    finally:
        process.kill()
        process.wait()


def _waits(pid: int) -> bool:
    with open(f"/proc/{pid}/wchan", encoding="ascii") as file:
        return file.read().startswith(("do_sigtimedwait", "__do_sys_pause", "__x64_sys_pause", "do_pause", "sys_pause"))


def test_signal_kill_is_heard_by_all() -> None:
    assert not is_deaf(1, signal.SIGKILL)
