"""Which process is meant: a pid together with the time at which that process started; and whose root we are."""

from __future__ import annotations

_ZOMBIE_STATES = (b"Z", b"X", b"x")
_PF_EXITING = 4  # of the kernel's flags for a task (proc(5), field 9)
_SIGKILL = 9


def _stat_fields(pid: int) -> list[bytes] | None:
    """Return the fields of /proc/PID/stat after the command name, or None if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            text = file.read(1024)
    except OSError:
        return None
    # The name (field 2) may itself contain spaces and parentheses: the last one closes it.
    fields = text[text.rfind(b")") + 2 :].split()
    return fields if len(fields) > 19 else None


def start_time(pid: int) -> int | None:
    """Return the start time of a process in clock ticks since boot, or None if it is gone (proc(5), field 22)."""
    fields = _stat_fields(pid)
    return int(fields[19]) if fields else None


def parent(pid: int) -> int | None:
    """Return the parent of a process, or None if it is gone (proc(5), field 4)."""
    fields = _stat_fields(pid)
    return int(fields[1]) if fields else None


def is_alive(pid: int, start_time: int | None) -> bool:
    """Tell whether this very process still runs; a zombie does not."""
    if pid <= 0:
        return False
    fields = _stat_fields(pid)
    if fields is None or fields[0] in _ZOMBIE_STATES:
        return False
    return start_time is None or int(fields[19]) == start_time


def is_dying(pid: int) -> bool:
    """Tell whether a process has been killed, be it that it has not come to its end: SIGKILL awaits it, or it exits."""
    fields = _stat_fields(pid)
    if fields is None or fields[0] in _ZOMBIE_STATES or int(fields[6]) & _PF_EXITING:
        return True
    try:
        with open(f"/proc/{pid}/status", "rb", buffering=0) as file:
            lines = file.read(8192).splitlines()
    except OSError:
        return True
    pending = [int(line.split()[1], 16) for line in lines if line.startswith((b"SigPnd:", b"ShdPnd:"))]
    return any(signals >> (_SIGKILL - 1) & 1 for signals in pending)


def in_user_namespace() -> bool:
    """Tell whether this process's root is not the host's: its user namespace does not map every ID to itself."""
    with open("/proc/self/uid_map", encoding="utf-8") as file:
        return file.read().split() != ["0", "0", "4294967295"]


def cgroups_of(pid: int | str = "self") -> dict[str, str]:
    """Return the path of a process's cgroup by the hierarchy's controllers ("" for v2), from /proc/PID/cgroup."""
    with open(f"/proc/{pid}/cgroup", "rb", buffering=0) as file:
        text = file.read(65536).decode()
    found = {}
    for line in text.splitlines():
        _number, controllers, path = line.split(":", 2)
        found[controllers] = path
    return found
