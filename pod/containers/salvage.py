"""Removing what is left of a container whose records are damaged: by what the kernel says, not by files of ours."""

from __future__ import annotations

import os

from pod.containers import status
from runtime.monitor import ending

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pod.config import Config

_CGROUPS = "/sys/fs/cgroup"


def salvage(config: Config, container_id: str) -> None:
    """Kill the container's processes, and remove its cgroups and its state at our own runtime. Idempotent.

    Its processes are those in cgroups that bear its ID, and the children of its monitor, which the first one is.
    """
    for pid in _first_processes(config, container_id):
        try:
            os.kill(pid, 9)
        except OSError:
            pass
    state_dir = f"{config.runtime_root}/{container_id}"
    ending.remove_container([os.fsencode(path) for path in _cgroups(container_id)], os.fsencode(state_dir))
    if os.path.isdir(state_dir):
        from storage import gc

        gc.remove_tree(state_dir)


def _first_processes(config: Config, container_id: str) -> Iterator[int]:
    directory = config.monitor_dir(container_id)
    living = status.living(f"{directory}/pid")
    if living:
        yield living
    monitor = status.living(f"{directory}/monitor")
    try:
        with open(f"/proc/{monitor}/task/{monitor}/children", encoding="ascii") as file:
            yield from map(int, file.read().split())
    except OSError:
        pass  # there is none


def _cgroups(container_id: str) -> list[str]:
    """Return the container's cgroups, one of each hierarchy."""
    found = []
    for directory, names, _ in os.walk(_CGROUPS):
        own = [name for name in names if container_id in name]
        found += [f"{directory}/{name}" for name in own]
        names[:] = [name for name in names if name not in own]
    return found
