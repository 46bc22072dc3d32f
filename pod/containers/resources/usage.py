"""What running containers use at a moment: processors, memory, network, block devices, processes.

From the files of the container's cgroup; where it has none of its own (an ordinary user's without delegation), added up
over its processes. Figures and names are those of podman-stats(1).
"""

from __future__ import annotations

import time

from pod.containers import status
from pod.containers.processes import running as processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.engine import Engine
    from pod.state import Container
    from runtime.cgroups import Cgroup

_SECOND = 1_000_000_000


class Usage:
    """The counters of one container; all zero unless it runs."""

    def __init__(self, container: Container) -> None:
        self.id = container.id
        self.name = container.name
        self.moment = time.time_ns()
        self.started = self.moment
        self.cpu = 0  # nanoseconds
        self.cpu_system = 0
        self.per_cpu: list[int] = []
        self.memory = 0
        self.memory_limit = 0
        self.network = (0, 0)  # received, sent
        self.blocks = (0, 0)  # read, written
        self.pids = 0

    @property
    def up(self) -> int:
        """Nanoseconds since the start."""
        return max(self.moment - self.started, 0)

    @property
    def average_cpu(self) -> float:
        """Percent of one processor since the start."""
        return 100 * self.cpu / self.up if self.up else 0.0

    def cpu_since(self, before: Usage | None) -> float:
        """Percent of one processor since an earlier look, or since the start if that was in between."""
        if before is None or before.started != self.started or self.moment <= before.moment:
            return self.average_cpu
        return 100 * max(self.cpu - before.cpu, 0) / (self.moment - before.moment)

    @property
    def memory_percent(self) -> float:
        """Percent of the limit."""
        return 100 * self.memory / self.memory_limit if self.memory_limit else 0.0


def measure(engine: Engine, container: Container) -> Usage:
    """Return what a container has used."""
    found = Usage(container)
    seen = status.observe(engine.config, container.id)
    if not seen.pid:
        return found
    found.started = int(seen.started * _SECOND)
    cgroup = processes.cgroup_of(engine.config, container.id, seen.pid)
    if cgroup is not None:
        _by_cgroup(found, cgroup)
    else:
        _by_processes(found, seen.pid)
    found.moment = time.time_ns()
    total = _total_memory()
    found.memory_limit = min(found.memory_limit or total, total)
    if container.config["namespaces"]["network"] != "host":
        found.network = _network(seen.pid)
    return found


def _by_cgroup(found: Usage, cgroup: Cgroup) -> None:
    from runtime.cgroups import statistics

    data = statistics.read(cgroup.directories())
    usage = data["cpu"]["usage"]
    found.cpu, found.cpu_system, found.per_cpu = usage["total"], usage["kernel"], usage.get("percpu") or []
    memory = (data["memory"] or {}).get("usage") or {}
    found.memory, found.memory_limit = memory.get("usage", 0), memory.get("limit", 0)
    found.pids = data["pids"].get("current") or len(cgroup.pids())
    amounts = {"Read": 0, "Write": 0}
    for entry in data["blkio"].get("ioServiceBytesRecursive") or ():
        if entry.get("op") in amounts:
            amounts[entry["op"]] += entry["value"]
    found.blocks = amounts["Read"], amounts["Write"]


def _by_processes(found: Usage, pid: int) -> None:
    reads = writes = 0
    for one in processes.in_namespace(pid):
        process = processes.read(one)
        if process is None:
            continue
        user, system = process.cpu_ticks
        found.cpu += (user + system) * _SECOND // processes.TICKS
        found.cpu_system += system * _SECOND // processes.TICKS
        found.memory += process.number(24) * processes.PAGE
        found.pids += process.number(20)  # threads, which pids.current counts too
        for line in processes.read_file(f"/proc/{one}/io").splitlines():
            name, _, value = line.partition(": ")
            reads += int(value) if name == "read_bytes" else 0
            writes += int(value) if name == "write_bytes" else 0
    found.blocks = reads, writes


def _network(pid: int) -> tuple[int, int]:
    """Return the bytes that the interfaces of a process's network namespace, but the loopback, received and sent."""
    received = sent = 0
    for line in processes.read_file(f"/proc/{pid}/net/dev").splitlines()[2:]:
        name, _, rest = line.partition(":")
        fields = rest.split()
        if name.strip() != "lo" and len(fields) >= 9:
            received, sent = received + int(fields[0]), sent + int(fields[8])
    return received, sent


def _total_memory() -> int:
    for line in processes.read_file("/proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return 0
