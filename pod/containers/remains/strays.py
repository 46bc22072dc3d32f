"""Processes that a program which made a container has left: who killed the monitor killed the program with it.

A runtime forks a container's first process early and writes its state late. Killed in between, it leaves a process of
which `delete` knows nothing, and without a cgroup nobody else does. It still bears the command line that we gave the
program, with a path that is this container's alone.
"""

from __future__ import annotations

import os
import select
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_SIGKILL = 9
_PATIENCE = 10.0  # seconds for killed processes to end


def end_those_of(path: str) -> None:
    """Kill the processes whose command line names a path, until there are none; give up after ten seconds."""
    deadline = time.monotonic() + _PATIENCE
    while (found := _naming(path)) and time.monotonic() < deadline:
        end(found, deadline)


def end(pids: Iterable[int], deadline: float | None = None) -> None:
    """Kill processes and wait for their end, at most until the deadline (monotonic), else for ten seconds."""
    deadline = time.monotonic() + _PATIENCE if deadline is None else deadline
    killed = [descriptor for descriptor in map(_kill, pids) if descriptor >= 0]
    for descriptor in killed:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
        os.close(descriptor)


def _kill(pid: int) -> int:
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return -1
    try:
        os.kill(pid, _SIGKILL)
    except OSError:
        pass  # it has just ended, or is not ours to end: then the wait shows it
    return descriptor


def _naming(path: str) -> list[int]:
    wanted = os.fsencode(path)
    found = []
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and int(name) != os.getpid():
                with open(f"/proc/{name}/cmdline", "rb") as file:
                    if wanted in file.read().split(b"\0"):
                        found.append(int(name))
        except OSError:
            continue
    return found
