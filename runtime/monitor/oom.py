"""Whether the kernel's out-of-memory killer struck in a container's cgroup.

Both versions of the memory controller count the kills: v1 in memory.oom_control (since Linux 4.13), v2 in
memory.events. The cgroup is the container's alone, so it is enough to read the counter at the end, if it is still there
then. systemd removes a cgroup of its own the moment that the last process has ended, so v2's file is watched as well.
If it was gone before that was heard, the counter of its slice tells; that counts others below the slice, too, so it is
asked for a container with a limit alone, which SIGKILL ended.
"""

from __future__ import annotations

import posix

_FILES = (b"/memory.events", b"/memory.oom_control")


def oom_killed(cgroups: list[bytes]) -> bool:
    """Say whether a process was killed for want of memory in one of these cgroup directories."""
    return any(_kills(directory + name) > 0 for directory in cgroups for name in _FILES)


def watch(cgroups: list[bytes]) -> int:
    """Open v2's counter so that poll(2) tells of the next kill by POLLPRI; -1 if there is none."""
    for directory in cgroups:
        try:
            fd = posix.open(directory + b"/memory.events", posix.O_RDONLY | posix.O_CLOEXEC)
        except OSError:
            continue
        kills(fd)  # what is told is what changed since the last read
        return fd
    return -1


def kills_in_slice(cgroups: list[bytes]) -> int:
    """Return how many processes were killed below systemd's slice of a container with a limit; -1 without either."""
    for directory in cgroups:
        if _slice(directory) and read(directory + b"/memory.max")[:1].isdigit():
            return _kills(_slice(directory) + b"/memory.events")
    return -1


def killed_unseen(cgroups: list[bytes], before: int) -> bool:
    """Say whether something was killed for want of memory since then, if a container's own cgroup is gone."""
    if before < 0 or any(read(directory + b"/memory.events") for directory in cgroups):
        return False
    return any(_kills(_slice(directory) + b"/memory.events") > before for directory in cgroups)


def _slice(directory: bytes) -> bytes:
    while directory and not directory.endswith(b".slice"):
        directory = directory.rpartition(b"/")[0]
    return directory


def kills(fd: int) -> int:
    """Return how many processes were killed; -1 when the cgroup is gone."""
    try:
        return _count(posix.pread(fd, 4096, 0))
    except OSError:
        return -1


def _kills(path: bytes) -> int:
    return _count(read(path))


def _count(text: bytes) -> int:
    for line in text.split(b"\n"):
        key, _, value = line.partition(b" ")
        if key == b"oom_kill" and value.isdigit():
            return int(value)
    return 0


def read(path: bytes | str) -> bytes:
    """Return what a file of the kernel's says, at most 64 KiB; nothing if it is not there."""
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return posix.read(fd, 65536)
    except OSError:
        return b""
    finally:
        posix.close(fd)
