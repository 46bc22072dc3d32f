"""Which processes a container has, as the host numbers them."""

from __future__ import annotations

import posix

from runtime import kill, process
from runtime import status as states


def pids(status: states.Status) -> list[int]:
    """Return the processes of a container; none if it has ended.

    Without a cgroup they are those in its pid namespace; if that is ours, or we may not look, its first process and
    the descendants of that.
    """
    cgroup = kill.cgroup_of(status)
    if cgroup is not None:
        return sorted(cgroup.pids())
    if not process.is_alive(status.pid, status.start_time):
        return []
    namespace = _namespace(status.pid)
    everybody = [int(name) for name in posix.listdir("/proc") if name.isdigit()]
    if namespace and namespace != _namespace(posix.getpid()):
        return sorted(pid for pid in everybody if _namespace(pid) == namespace)
    return _descendants(status.pid, everybody)


def _namespace(pid: int) -> str:
    try:
        return posix.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return ""


def _descendants(first: int, everybody: list[int]) -> list[int]:
    parents = {pid: process.parent(pid) for pid in everybody}
    found = {first}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found)
