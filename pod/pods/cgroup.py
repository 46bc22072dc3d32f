"""The control group of a pod: those of its containers are below it, and the limits of all of them are its own."""

from __future__ import annotations

from pod import systemd
from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.engine import Engine
    from pod.pods.create import PodOptions


def name(pod_id: str) -> str:
    """Return the name of a pod's control group: a directory, or with systemd part of the name of a slice."""
    return f"pod_{pod_id}"


def settle(engine: Engine, options: PodOptions) -> None:
    """Check parent and limits of a pod that is to be created. Raises PodError for what cannot be had."""
    parent = options.cgroup_parent
    is_slice = parent.endswith(".slice") and len(parent) > len(".slice")
    if systemd.bus(engine.config):
        if parent and not is_slice:
            raise PodError(
                "did not receive systemd slice as cgroup parent when using systemd to manage cgroups: invalid argument",
                hint="name a slice: --cgroup-parent my.slice",
            )
    elif is_slice:
        raise PodError("systemd slice received as cgroup parent when using cgroupfs: invalid argument")
    if ".." in parent.split("/"):
        raise PodError(f'invalid cgroup parent "{parent}": it leads out of the cgroups')
