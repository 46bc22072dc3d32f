"""What a container has used, and that it ran out of memory, as the documents of runc's `events`."""

from __future__ import annotations

import posix
import select
from time import monotonic

from runtime import kill, process
from runtime import status as states
from runtime.cgroups import files, statistics
from runtime.errors import NotRunningError, OCIRuntimeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Event = dict[str, Any]


def usage(root: str, container_id: str) -> Event:
    """Return one event of type stats."""
    status = _load(root, container_id)
    return _stats(status, _directories(status))


def follow(root: str, container_id: str, seconds: float) -> Iterator[Event]:
    """Yield an event of type stats every so many seconds, and one of type oom when it happens, until the end."""
    status = _load(root, container_id)
    directories = _directories(status)
    try:
        pidfd = posix.pidfd_open(status.pid)
    except ProcessLookupError:
        return
    watch = _watch(directories)
    try:
        if not process.is_alive(status.pid, status.start_time):
            return
        waiting = select.poll()
        waiting.register(pidfd, select.POLLIN)
        if watch is not None:
            waiting.register(watch.fd, watch.events)
        due = monotonic() + seconds
        while True:
            ready = [fd for fd, _events in waiting.poll(max(due - monotonic(), 0) * 1000)]
            if watch is not None and ready and watch.struck():
                yield {"type": "oom", "id": status.id}
            if pidfd in ready:
                return
            if monotonic() >= due:
                yield _stats(status, directories)
                due += seconds
    finally:
        posix.close(pidfd)
        if watch is not None:
            watch.close()


def _load(root: str, container_id: str) -> states.Status:
    status = states.load(root, container_id)
    if status.status() not in ("created", "running"):
        raise NotRunningError(f"cannot watch container `{container_id}`: container not running")
    return status


def _directories(status: states.Status) -> dict[str, str]:
    cgroup = kill.cgroup_of(status)
    if cgroup is None:
        raise OCIRuntimeError(f"container `{status.id}` has no cgroup, which alone counts what it uses")
    return cgroup.directories()


def _stats(status: states.Status, directories: dict[str, str]) -> Event:
    return {"type": "stats", "id": status.id, "data": statistics.read(directories)}


class _PolledWatch:
    """Cgroup v2: the kernel counts kills in memory.events, and wakes who polls it when a number there changes."""

    __slots__ = ("_count", "events", "fd")

    def __init__(self, directory: str) -> None:
        self.fd = posix.open(f"{directory}/memory.events", posix.O_RDONLY | posix.O_CLOEXEC)
        self.events = select.POLLPRI
        self._count = self._read()

    def struck(self) -> bool:
        """Tell whether it happened since the last call."""
        before, self._count = self._count, self._read()
        return self._count > before

    def _read(self) -> int:
        try:
            # By this very descriptor: reading is what lets the kernel wake us again.
            lines = posix.pread(self.fd, 4096, 0).decode().splitlines()
        except OSError:
            return self._count
        return int(dict(line.split(" ", 1) for line in lines).get("oom_kill", 0))

    def close(self) -> None:
        """Stop watching."""
        posix.close(self.fd)


class _EventWatch:
    """Cgroup v1: the kernel writes to an eventfd (Documentation/admin-guide/cgroup-v1/memory.rst, section 10)."""

    __slots__ = ("_control", "_path", "events", "fd")

    def __init__(self, directory: str) -> None:
        self._path = f"{directory}/memory.oom_control"
        self.events = select.POLLIN
        self._control = posix.open(self._path, posix.O_RDONLY | posix.O_CLOEXEC)
        self.fd = posix.eventfd(0, posix.EFD_CLOEXEC | posix.EFD_NONBLOCK)
        try:
            files.write(f"{directory}/cgroup.event_control", f"{self.fd} {self._control}")
        except OSError:
            self.close()
            raise

    def struck(self) -> bool:
        """Tell whether it happened since the last call; the kernel also wakes us when the cgroup is removed."""
        try:
            posix.read(self.fd, 8)
        except BlockingIOError:
            return False
        return posix.access(self._path, posix.F_OK)

    def close(self) -> None:
        """Stop watching."""
        posix.close(self.fd)
        posix.close(self._control)


def _watch(directories: dict[str, str]) -> _EventWatch | _PolledWatch | None:
    legacy = directories.get("memory")
    try:
        return _EventWatch(legacy) if legacy else _PolledWatch(directories.get("", ""))
    except OSError:
        # There is no memory controller for this container.
        return None
