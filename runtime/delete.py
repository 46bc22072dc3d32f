"""`delete`: remove what is left of a container: processes (by force), cgroups, state."""

from __future__ import annotations

import posix
import select

from runtime import hooks, kill
from runtime import status as states
from runtime.errors import ContainerNotFoundError, OCIRuntimeError
from runtime.spec import load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.cgroups import Cgroup

_SIGKILL = 9
_PATIENCE = 10_000


def delete(root: str, container_id: str, *, force: bool = False) -> list[str]:
    """Delete a container that has ended or not been started; with `force` also one that runs, or that is missing.

    Return warnings: which poststop hooks failed.
    """
    try:
        status = states.load(root, container_id)
    except ContainerNotFoundError:
        if force:
            return []
        raise
    now = status.status()
    if now == "running" and not force:
        raise OCIRuntimeError(f"cannot delete container `{container_id}`: it is running")
    if now in ("running", "created"):
        end(status)
    cgroup = kill.cgroup_of(status)
    if cgroup is not None:
        _remove_cgroup(cgroup)
    if status.mount_id:
        from runtime.mounting import shared as shared_mounts

        shared_mounts.detach(status.rootfs, status.mount_id)
    spec = _configuration(status)
    states.remove_directory(status.directory)
    return hooks.run_poststop(spec, status.state("stopped"))


def _remove_cgroup(cgroup: Cgroup) -> None:
    """Remove the cgroup; what outlived the first process, without a pid namespace of its own, is killed."""
    try:
        cgroup.remove()
    except OCIRuntimeError:
        cgroup.remove(kill=True)


def _configuration(status: states.Status) -> dict[str, object]:
    try:
        return load(f"{status.directory}/{states.CONFIG}")
    except OCIRuntimeError:
        # `create` was killed before it wrote that down, or the file is damaged: there is still a container to delete.
        return {}


def end(status: states.Status) -> None:
    """Kill the container's first process and wait until it is gone; its pid namespace goes with it."""
    try:
        pidfd = posix.pidfd_open(status.pid)
    except ProcessLookupError:
        return
    try:
        kill.send(status.pid, status.start_time, _SIGKILL)
        kill.thaw(status)
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        if not poll.poll(_PATIENCE):
            raise OCIRuntimeError(f"delete container `{status.id}`: its process {status.pid} does not end")
    finally:
        posix.close(pidfd)
