"""`kill`: a signal for a container's first process, or for all of its processes."""

from __future__ import annotations

import posix

from runtime import status as states
from runtime import syscalls
from runtime.errors import NotRunningError, OCIRuntimeError
from runtime.process import is_alive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.cgroups import Cgroup

_SIGKILL = 9


def kill(root: str, container_id: str, signal: int, *, all: bool = False) -> None:
    """Send a signal; NotRunningError if the container has ended. `all`: to every process of it, be it none."""
    status = states.load(root, container_id)
    running = bool(status.pid) and is_alive(status.pid, status.start_time)
    if all:
        _kill_all(status, signal)
    elif running:
        send(status.pid, status.start_time, signal)
    else:
        raise NotRunningError(f"cannot signal container `{container_id}`: container not running")
    if signal == _SIGKILL:
        thaw(status)


def thaw(status: states.Status) -> None:
    """Let a paused container go on: with cgroup v1 a frozen process does not even die."""
    cgroup = cgroup_of(status)
    if cgroup is not None:
        try:
            cgroup.freeze(False)
        except (OSError, OCIRuntimeError):
            # It may be gone with its last process, or there may be no freezer: then nothing is frozen.
            pass


def send(pid: int, start_time: int, signal: int) -> None:
    """Signal this very process, not another that has its pid meanwhile; fine if it has just ended."""
    try:
        pidfd = posix.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if is_alive(pid, start_time):
            syscalls.pidfd_send_signal(pidfd, signal)
    except ProcessLookupError:
        pass
    except OSError as error:
        raise OCIRuntimeError(f"send signal {signal} to process {pid}: {error.strerror}") from error
    finally:
        posix.close(pidfd)


def cgroup_of(status: states.Status) -> Cgroup | None:
    """Return the cgroup of a container, if it has one."""
    if not status.cgroup_path:
        return None
    from runtime import cgroups

    if status.systemd_unit:
        return cgroups.of_unit(status.systemd_bus, status.systemd_unit, status.cgroup_path)
    return cgroups.plan(status.cgroup_path, status.cgroups)


def _kill_all(status: states.Status, signal: int) -> None:
    cgroup = cgroup_of(status)
    if cgroup is None:
        if status.pid:
            send(status.pid, status.start_time, signal)
        return
    if signal == _SIGKILL:
        # At once, or frozen meanwhile: none can fork away.
        cgroup.kill()
        return
    for pid in cgroup.pids():
        try:
            posix.kill(pid, signal)
        except ProcessLookupError:
            pass
