"""Cgroups of containers, by the kernel's files: v1, v2, and v1 with a unified hierarchy beside it (hybrid).

    cgroup = plan(spec["linux"]["cgroupsPath"])          or plan_unit(...), which systemd makes
    cgroup.create()
    ... a child enters (see `enter_by`), or is moved by `cgroup.enter(pid)` ...
    cgroup.adopt(pid)
    cgroup.apply(spec["linux"]["resources"])
    cgroup.remove()

Nothing is left behind: directories on the way to the container's that had to be made go with the last container.
"""

from __future__ import annotations

import posix

from runtime.cgroups import files, mounts
from runtime.cgroups.errors import CgroupError, CgroupUnavailableError
from runtime.cgroups.limits import has_limits
from runtime.errors import SpecError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Protocol

    from runtime.cgroups.systemd import SystemdCgroup
    from runtime.cgroups.systemd_start import NewSystemdCgroup

    class Cgroup(Protocol):
        """A container's cgroup, whatever the layout; no method needs the others to have been called."""

        @property
        def paths(self) -> list[str]: ...  # after `adopt` what is to be removed: directories, each before its parent
        @property
        def denies_meanwhile(self) -> bool: ...  # `apply` denies every device before it allows those of the rules
        def create(self, *, entered: bool = False) -> None: ...
        def adopt(self, pid: int) -> None: ...
        def enter(self, pid: int) -> None: ...
        def entrances(self, *, unified: bool) -> list[int]: ...
        def clone_fd(self) -> int: ...
        def apply(self, resources: dict[str, Any]) -> None: ...
        def remove(self, *, kill: bool = False) -> None: ...
        def kill(self) -> None: ...
        def freeze(self, on: bool) -> None: ...
        def directories(self) -> dict[str, str]: ...
        def below(self, places: dict[str, str]) -> Cgroup: ...
        def pids(self) -> list[int]: ...
        def oom_count(self) -> int: ...
        def delegate(self, uid: int, gid: int) -> None: ...


__all__ = [
    "CgroupError",
    "CgroupUnavailableError",
    "enter_by",
    "has_limits",
    "of_unit",
    "plan",
    "plan_unit",
    "remove_paths",
]


def plan(
    cgroups_path: str, made: Sequence[str] = (), *, mountpoint: str = "/sys/fs/cgroup", proc: str = "/proc/self"
) -> Cgroup:
    """Return the cgroup that a spec's `cgroupsPath` names; nothing is made yet, or the directories `made`.

    An absolute path is one below the mount points, a relative one is below the cgroup of the caller, in v2 beside it,
    as with runc: of the one who made the cgroup, so later callers, who may be elsewhere, must say what was made.
    """
    if not cgroups_path:
        raise SpecError("linux.cgroupsPath: it is empty")
    hierarchies = mounts.read(files.read(f"{proc}/mountinfo"), files.read(f"{proc}/cgroup"), mountpoint)
    if made and not cgroups_path.startswith("/"):
        for hierarchy in hierarchies:
            mounts.place(hierarchy, cgroups_path, made)
    unified = next((hierarchy for hierarchy in hierarchies if hierarchy.is_v2), None)
    legacy = [hierarchy for hierarchy in hierarchies if not hierarchy.is_v2]
    if legacy:
        from runtime.cgroups.v1 import CgroupV1
        from runtime.cgroups.v2 import CgroupV2

        return CgroupV1(legacy, cgroups_path, None if unified is None else CgroupV2(unified, cgroups_path, alone=False))
    if unified is None:
        raise CgroupUnavailableError(f"no cgroup hierarchy is mounted at or below {mountpoint}")
    if not made:
        # The caller's own has a process, the caller: so no controllers could be switched on below it.
        unified.own = unified.own.rpartition("/")[0]
    from runtime.cgroups.v2 import CgroupV2

    return CgroupV2(unified, cgroups_path)


def plan_unit(bus: str, cgroups_path: str, container_id: str, spec: dict[str, Any]) -> NewSystemdCgroup:
    """Return the cgroup of a unit that systemd, found on a bus, is to make as `slice:prefix:name` says."""
    from runtime.cgroups.systemd_start import NewSystemdCgroup

    return NewSystemdCgroup(bus, cgroups_path, container_id, spec)


def of_unit(bus: str, unit: str, path: str) -> SystemdCgroup:
    """Return the cgroup of a unit that systemd has made; without an absolute path one that it may not have made."""
    from runtime.cgroups.systemd import SystemdCgroup

    return SystemdCgroup(bus, unit, plan(path) if path.startswith("/") else None, path)


def enter_by(entrances: list[int]) -> None:
    """Let the calling process, which must be single-threaded, enter by the fds of `Cgroup.entrances`, and close them.

    For the new child itself, at any time before it starts its program: the fds carry the right to enter. To write
    0 into `tasks` is the one way into v1 that takes no lock for which the kernel waits 10 ms and more; for v2
    clone3(CLONE_INTO_CGROUP) is (`Cgroup.clone_fd`), so ask for entrances without `unified` when using that.
    """
    for fd in entrances:
        posix.write(fd, b"0")
        posix.close(fd)


def remove_paths(paths: list[str]) -> list[str]:
    """Remove what `Cgroup.paths` listed, possibly in another process; return what is left because it is in use."""
    return files.remove(paths)
