"""Containers that live on without their records: the runroot was wiped, though the machine has not been rebooted.

Their monitors still watch them, and bear the container's ID as their last argument (see runtime.monitor.reexec).
"""

from __future__ import annotations

import posix

from pod.containers.status import Status, is_lost, observe
from runtime import process
from runtime.monitor.bare import NAME
from runtime.monitor.oom import read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pod.config import Config


def seen(config: Config, container_id: str) -> Status:
    """Return what a container does, as `observe`, but running if it lives on without its records."""
    status = observe(config, container_id)
    return survivors(config, {container_id: status}).get(container_id, status)


def survivors(config: Config, known: dict[str, Status]) -> dict[str, Status]:
    """Return what those of the containers do, by ID, that are not what their records make them seem: they live on.

    Looks at the machine's processes only if there is a container that has neither a process nor an end on record.
    """
    ids = [key for key, one in known.items() if one.is_guess and is_lost(config, key)]
    found = {}
    for identity, pids in monitors(ids).items():
        first = next((pid for monitor in pids for pid in _first_of(children(monitor))), 0)
        found[identity] = Status("running", pid=first, monitor_pid=pids[0], started=known[identity].started)
    return found


def monitors(container_ids: Iterable[str]) -> dict[str, list[int]]:
    """Return the user's processes that are monitors of these containers, by the container's ID."""
    wanted = {identity.encode(): identity for identity in container_ids}
    found: dict[str, list[int]] = {}
    if not wanted:
        return found
    user = posix.geteuid()
    for name in posix.listdir("/proc"):
        words = read(f"/proc/{name}/cmdline").split(b"\0") if name.isdigit() else []
        if len(words) < 3 or words[-2] not in wanted or words[0].rpartition(b"/")[2] != NAME:
            continue
        try:
            if posix.stat(f"/proc/{name}").st_uid == user:
                found.setdefault(wanted[words[-2]], []).append(int(name))
        except OSError:
            continue  # it has just ended
    return found


def children(pid: int) -> list[int]:
    """Return the children of a process; none if it has ended."""
    return [int(child) for child in read(f"/proc/{pid}/task/{pid}/children").split()]


def _first_of(pids: list[int]) -> list[int]:
    """Return the processes in the order in which one is likely a container's first: that of its namespace, the oldest.

    Others are the probe of health checks, and what was orphaned in a container without a namespace of its own.
    """
    ages = {pid: process.start_time(pid) for pid in pids}
    living = sorted((age, pid) for pid, age in ages.items() if age is not None)
    return sorted((pid for _, pid in living), key=lambda pid: not _is_init(pid))


def _is_init(pid: int) -> bool:
    lines = read(f"/proc/{pid}/status").splitlines()
    return any(line.startswith(b"NSpid:") and line.split()[-1] == b"1" for line in lines)
