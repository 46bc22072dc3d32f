"""`pause` and `resume`: all processes of a container stopped where they are, and let go on, by its cgroup."""

from __future__ import annotations

from runtime import kill
from runtime import status as states
from runtime.errors import NotRunningError, OCIRuntimeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.cgroups import Cgroup

PAUSED = "paused"


def pause(root: str, container_id: str) -> None:
    """Stop all processes of a created or running container; return when the kernel has done it."""
    status = states.load(root, container_id)
    now = current(status)
    if now not in ("created", "running"):
        how = "it is paused already" if now == PAUSED else "container not running"
        raise NotRunningError(f"cannot pause container `{container_id}`: {how}")
    _cgroup(status).freeze(True)


def resume(root: str, container_id: str) -> None:
    """Let a paused container go on."""
    status = states.load(root, container_id)
    if current(status) != PAUSED:
        raise NotRunningError(f"cannot resume container `{container_id}`: container not paused")
    _cgroup(status).freeze(False)


def current(status: states.Status) -> str:
    """Return the status of a container as `Status.status` does, or that it is paused."""
    now = status.status()
    return PAUSED if now in ("created", "running") and is_frozen(kill.cgroup_of(status)) else now


def state(status: states.Status) -> dict[str, Any]:
    """Return the state of a container, which may be paused."""
    return status.state(current(status))


def is_frozen(cgroup: Cgroup | None) -> bool:
    """Tell whether the processes of a cgroup are stopped."""
    if cgroup is None:
        return False
    from runtime.cgroups import files

    path, frozen = freezer(cgroup)
    try:
        return files.read(path) == frozen
    except OSError:
        # Gone with its last process, or in a layout without a freezer.
        return False


def freezer(cgroup: Cgroup) -> tuple[str, str]:
    """Return the file that tells whether a cgroup's processes are stopped, and what it holds then."""
    directories = cgroup.directories()
    legacy = directories.get("freezer")
    return (f"{legacy}/freezer.state", "FROZEN") if legacy else (f"{directories.get('')}/cgroup.freeze", "1")


def _cgroup(status: states.Status) -> Cgroup:
    cgroup = kill.cgroup_of(status)
    if cgroup is None:
        raise OCIRuntimeError(
            f"pause container `{status.id}`: it has no cgroup, which alone can stop all processes",
            hint="create it with linux.cgroupsPath, where you may make cgroups",
        )
    return cgroup
