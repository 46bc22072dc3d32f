"""Whether the kernel's out-of-memory killer struck in a container's cgroup.

Both versions of the memory controller count the kills: v1 in memory.oom_control (since Linux 4.13), v2 in
memory.events. The cgroup is the container's alone, so the counter needs only to be read once, at the end; an event fd
would cost an idle monitor memory and would also fire for a cgroup that is merely removed.
"""

from __future__ import annotations

import posix

_FILES = (b"/memory.events", b"/memory.oom_control")


def oom_killed(cgroups: list[bytes]) -> bool:
    """Say whether a process was killed for want of memory in one of these cgroup directories."""
    return any(_kills(directory + name) > 0 for directory in cgroups for name in _FILES)


def _kills(path: bytes) -> int:
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return 0
    try:
        text = posix.read(fd, 4096)
    except OSError:
        return 0
    finally:
        posix.close(fd)
    for line in text.split(b"\n"):
        key, _, value = line.partition(b" ")
        if key == b"oom_kill" and value.isdigit():
            return int(value)
    return 0
