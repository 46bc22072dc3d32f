"""The processes of running containers, seen from the host: those of the cgroup, else those of the pid namespace."""

from __future__ import annotations

import os

from pod.containers import runtimes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.config import Config
    from runtime.cgroups import Cgroup

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class Process:
    """One process, as /proc/PID/stat tells it (proc_pid_stat(5))."""

    __slots__ = ("command", "fields", "pid")

    def __init__(self, pid: int, text: str) -> None:
        self.pid = pid
        head, _, rest = text.rpartition(")")
        self.command = head.partition("(")[2]
        self.fields = rest.split()  # from the state on, which is the third

    def number(self, field: int) -> int:
        """Return a field by its number in the manual."""
        return int(self.fields[field - 3])

    @property
    def parent(self) -> int:
        """The pid of the parent."""
        return self.number(4)

    @property
    def cpu_ticks(self) -> tuple[int, int]:
        """How long it has run, in user and in kernel mode."""
        return self.number(14), self.number(15)


def of(config: Config, container_id: str, pid: int) -> list[Process]:
    """Return the processes of a running container, whose first is `pid`; by pid."""
    cgroup = cgroup_of(config, container_id, pid)
    pids = cgroup.pids() if cgroup is not None else in_namespace(pid)
    found = (read(one) for one in sorted(pids))
    return [one for one in found if one is not None]


def cgroup_of(config: Config, container_id: str, pid: int) -> Cgroup | None:
    """Return the cgroup that a running container has of its own."""
    from runtime.errors import OCIRuntimeError

    try:
        return runtimes.cgroup(config, container_id, pid)
    except (OCIRuntimeError, OSError):
        return None  # it has ended meanwhile


def read(pid: int) -> Process | None:
    """Return a process; None if it has ended."""
    text = read_file(f"/proc/{pid}/stat")
    return Process(pid, text) if text else None


def read_file(path: str) -> str:
    """Return what a file of /proc says; empty if its process has ended, or is somebody else's."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def in_namespace(pid: int) -> list[int]:
    """Return the processes of the pid namespace of one, or the descendants of that if the namespace is our own."""
    wanted, own = _namespace(pid), _namespace("self")
    everything = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    if wanted and wanted != own:
        return [one for one in everything if _namespace(one) == wanted]
    parents = {one: process.parent for one in everything if (process := read(one)) is not None}
    found = [pid]
    for one in found:  # which grows
        found += [child for child, parent in parents.items() if parent == one]
    return found


def _namespace(pid: int | str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return ""
