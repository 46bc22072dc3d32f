"""When and where a process runs: its CPU scheduler, the priority of its I/O, its CPUs.

`process.scheduler`, `.ioPriority` and `.execCPUAffinity`, as sched_setattr(2), ioprio_set(2), sched_setaffinity(2) take
them.
"""

from __future__ import annotations

import posix
import struct

from runtime import syscalls
from runtime.errors import OCIRuntimeError, SpecError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_POLICIES = {
    "SCHED_OTHER": 0,
    "SCHED_FIFO": 1,
    "SCHED_RR": 2,
    "SCHED_BATCH": 3,
    "SCHED_ISO": 4,
    "SCHED_IDLE": 5,
    "SCHED_DEADLINE": 6,
}
_FLAGS = {
    "SCHED_FLAG_RESET_ON_FORK": 0x01,
    "SCHED_FLAG_RECLAIM": 0x02,
    "SCHED_FLAG_DL_OVERRUN": 0x04,
    "SCHED_FLAG_KEEP_POLICY": 0x08,
    "SCHED_FLAG_KEEP_PARAMS": 0x10,
    "SCHED_FLAG_UTIL_CLAMP_MIN": 0x20,
    "SCHED_FLAG_UTIL_CLAMP_MAX": 0x40,
}
# Which policies a field means something to.
_FIELDS = {
    "nice": ("SCHED_OTHER", "SCHED_BATCH"),
    "priority": ("SCHED_FIFO", "SCHED_RR"),
    "runtime": ("SCHED_DEADLINE",),
    "deadline": ("SCHED_DEADLINE",),
    "period": ("SCHED_DEADLINE",),
}
_IO_CLASSES = {"IOPRIO_CLASS_RT": 1, "IOPRIO_CLASS_BE": 2, "IOPRIO_CLASS_IDLE": 3}
_IO_CLASS_SHIFT = 13
_IOPRIO_WHO_PROCESS = 1
_MOST_CPUS = 8192


class Schedule:
    """How a process is to be scheduled; what is None or empty stays as it was inherited."""

    __slots__ = ("attributes", "final_cpus", "initial_cpus", "io_priority", "policy")

    def __init__(self) -> None:
        self.policy = ""
        self.attributes = b""
        self.io_priority: int | None = None
        self.initial_cpus: list[int] = []
        self.final_cpus: list[int] = []

    def apply(self, pid: int) -> None:
        """Schedule a process that has entered its cgroup, which may have limits of its own on real time."""
        try:
            if self.attributes:
                syscalls.sched_setattr(pid, self.attributes)
        except OSError as error:
            raise OCIRuntimeError(f"set the scheduler {self.policy} (process.scheduler): {error.strerror}") from error
        try:
            if self.io_priority is not None:
                syscalls.ioprio_set(_IOPRIO_WHO_PROCESS, pid, self.io_priority)
        except OSError as error:
            raise OCIRuntimeError(f"set the priority of I/O (process.ioPriority): {error.strerror}") from error


def read_schedule(process: dict[str, Any]) -> Schedule:
    """Read what a process's configuration says."""
    schedule = Schedule()
    if process.get("scheduler"):
        schedule.policy = process["scheduler"]["policy"]
        schedule.attributes = _attributes(process["scheduler"])
    io_priority = process.get("ioPriority")
    if io_priority:
        schedule.io_priority = _IO_CLASSES[io_priority["class"]] << _IO_CLASS_SHIFT | (io_priority.get("priority") or 0)
    affinity = process.get("execCPUAffinity") or {}
    schedule.initial_cpus = read_list(affinity.get("initial") or "", "process.execCPUAffinity.initial", _MOST_CPUS)
    schedule.final_cpus = read_list(affinity.get("final") or "", "process.execCPUAffinity.final", _MOST_CPUS)
    return schedule


def _attributes(scheduler: dict[str, Any]) -> bytes:
    """Return a struct sched_attr (56 bytes, Linux 5.3)."""
    policy = scheduler["policy"]
    for key, policies in _FIELDS.items():
        if scheduler.get(key) and policy not in policies:
            raise SpecError(f"process.scheduler.{key} is for {' and '.join(policies)}, not for {policy}")
    flags = 0
    for name in scheduler.get("flags") or ():
        flags |= _FLAGS[name]
    nice, priority, runtime, deadline, period = (scheduler.get(key) or 0 for key in _FIELDS)
    return struct.pack("=IIQiIQQQII", 56, _POLICIES[policy], flags, nice, priority, runtime, deadline, period, 0, 0)


def read_list(text: str, name: str, most: int) -> list[int]:
    """Return the numbers of a list like `0-3,7`, in order; `name` is the field that has it."""
    numbers: set[int] = set()
    for part in text.replace(" ", "").split(",") if text.strip() else ():
        first, dash, last = part.partition("-")
        ends = (first, last if dash else first)
        if not all(end.isascii() and end.isdigit() and len(end) < 6 and int(end) < most for end in ends):
            raise SpecError(f"{name} is not a list of numbers below {most} and ranges like `0-3,7`: `{text}`")
        if int(ends[0]) > int(ends[1]):
            raise SpecError(f"{name} has a range that ends before it begins: `{part}`")
        numbers.update(range(int(ends[0]), int(ends[1]) + 1))
    return sorted(numbers)


def restrict(cpus: list[int], name: str) -> None:
    """Let this process run on these CPUs only, if there are any; `name` is the field that says so."""
    try:
        if cpus:
            posix.sched_setaffinity(0, cpus)
    except OSError as error:
        raise OCIRuntimeError(f"set the CPUs of the process (process.{name}): {error.strerror}") from error
