"""Removing what is left of a container whose records are damaged: by what the kernel says, not by files of ours."""

from __future__ import annotations

import os
import stat

from pod.containers import pause, status
from pod.containers.remains import lost, strays
from runtime.monitor import ending

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pod.config import Config

_CGROUPS = "/sys/fs/cgroup"


def salvage(config: Config, container_id: str, *, monitor: bool = False) -> None:
    """Kill the container's processes, and remove its cgroups and its state at our own runtime. Idempotent.

    With `monitor` that is killed as well; else one that is known is left to record the end.

    Its processes are those in cgroups that bear its ID, and the children of its monitor, which the first one is.
    """
    pause.thaw(config, container_id)
    strays.end(_processes(config, container_id, monitor=monitor))
    state_dir = f"{config.runtime_root}/{container_id}"
    ending.remove_container([os.fsencode(path) for path in _cgroups(container_id)], os.fsencode(state_dir))
    if os.path.isdir(state_dir):
        from storage import gc

        gc.remove_tree(state_dir)


def _processes(config: Config, container_id: str, *, monitor: bool) -> Iterator[int]:
    """Give the monitors of the container, which would start it again, then their children and the first process."""
    directory = config.monitor_dir(container_id)
    known = [pid for pid in (status.living(f"{directory}/monitor"),) if pid]
    monitors = known or lost.monitors([container_id]).get(container_id, [])
    children = [child for pid in monitors for child in lost.children(pid)]
    yield from (*(() if known and not monitor else monitors), *children)
    first = status.living(f"{directory}/pid")
    if first:
        yield first


def _cgroups(container_id: str) -> list[str]:
    """Return the container's cgroups, one of each hierarchy, and those above that go with the last who is in there."""
    found: list[str] = []
    for directory, names, _ in os.walk(_CGROUPS):
        own = [name for name in names if container_id in name]
        found += [f"{directory}/{name}" for name in own]
        names[:] = [name for name in names if name not in own]
    return [*found, *dict.fromkeys(path for one in found for path in _shared(os.path.dirname(one)))]


def _shared(directory: str) -> Iterator[str]:
    """Give a cgroup and those above it as far as they were made for containers (see runtime.cgroups.files.make)."""
    while directory.startswith(f"{_CGROUPS}/") and os.stat(directory).st_mode & stat.S_ISVTX:
        yield directory
        directory = os.path.dirname(directory)
