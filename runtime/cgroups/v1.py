"""Cgroup v1: one directory per hierarchy; what v1 does not have may be in the unified hierarchy of a hybrid layout."""

from __future__ import annotations

import posix
from errno import EPERM
from time import monotonic, sleep

from runtime.cgroups import files
from runtime.cgroups.errors import CgroupError, CgroupUnavailableError
from runtime.cgroups.v1_settings import device_rules, settings
from runtime.process import in_user_namespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.cgroups.mounts import Hierarchy
    from runtime.cgroups.v2 import CgroupV2

_FREEZE_SECONDS = 5.0


class CgroupV1:
    """A container's directories in all v1 hierarchies, and in the unified one if that is mounted."""

    def __init__(self, hierarchies: list[Hierarchy], path: str, unified: CgroupV2 | None) -> None:
        self._unified = unified
        self._mountpoints: dict[str, str] = {}  # the container's directory in a hierarchy -> its mount point
        self._directories: dict[str, str] = {}  # controller -> the container's directory
        for hierarchy in hierarchies:
            below = path if path.startswith("/") else f"{hierarchy.own}/{path}"
            directory = "/".join((hierarchy.mountpoint, *files.components(below)))
            self._mountpoints[directory] = hierarchy.mountpoint
            self._directories.update(dict.fromkeys(hierarchy.controllers, directory))
        self.paths = [*self._mountpoints, *(unified.paths if unified else ())]

    def create(self, *, entered: bool = False) -> None:
        """Make all directories; hierarchies in which the caller may not are left out, unless that is all of them.

        `entered`: the container's process is in some of them already.
        """
        made: list[str] = []
        refused: OSError | None = None
        try:
            for directory, mountpoint in list(self._mountpoints.items()):
                try:
                    made += files.make(mountpoint, directory[len(mountpoint) :], entered=entered)
                except OSError as error:
                    if error.errno not in files.DENIED:
                        raise
                    refused = error
                    self._leave_out(directory)
            if self._unified is not None:
                try:
                    self._unified.create(entered=entered)
                    made += self._unified.paths
                except CgroupUnavailableError:
                    self._unified = None
            if "cpuset" in self._directories:
                directory = self._directories["cpuset"]
                _initialize_cpuset(self._mountpoints[directory], directory)
        except OSError as error:
            files.remove(made, seconds=0)
            raise CgroupError(f"create cgroup {error.filename or self.paths[0]}: {error.strerror}") from error
        except CgroupError:
            files.remove(made, seconds=0)
            raise
        self.paths = made
        if not self._mountpoints:
            raise CgroupUnavailableError(
                f"create cgroup: {refused.strerror if refused else 'no hierarchy is mounted'}",
                hint=files.DELEGATION_HINT,
            )

    def _leave_out(self, directory: str) -> None:
        del self._mountpoints[directory]
        self._directories = {name: other for name, other in self._directories.items() if other != directory}

    @property
    def denies_meanwhile(self) -> bool:
        """Tell whether `apply` denies every device for a moment: v1 takes rules one by one."""
        return "devices" in self._directories

    def adopt(self, pid: int) -> None:
        """Do nothing: by `entrances` a process has entered before its parent could move it."""

    def enter(self, pid: int) -> None:
        """Move a process with its threads into all hierarchies.

        Slow when nobody has moved a process lately: the kernel waits for an RCU grace period (10 ms and more).
        `entrances` is the fast way.
        """
        for directory in self._mountpoints:
            files.enter(directory, pid)
        if self._unified is not None:
            self._unified.enter(pid)

    def entrances(self, *, unified: bool) -> list[int]:
        """Open the files by which a single-threaded process enters: see `runtime.cgroups.enter_by`."""
        paths = [f"{directory}/tasks" for directory in self._mountpoints]
        fds = [posix.open(path, posix.O_WRONLY | posix.O_CLOEXEC) for path in paths]
        if unified and self._unified is not None:
            fds += self._unified.entrances(unified=True)
        return fds

    def clone_fd(self) -> int:
        """Open the directory for clone3(CLONE_INTO_CGROUP); -1 if there is no unified hierarchy."""
        return -1 if self._unified is None else self._unified.clone_fd()

    def apply(self, resources: dict[str, Any]) -> None:
        """Set limits and device rules; what is not mentioned is left as it is."""
        rest = dict(resources)
        if self._unified is not None:
            moved = {
                name: rest.pop(name)
                for name in ("hugepageLimits", "unified")
                if rest.get(name) and (name == "unified" or "hugetlb" not in self._directories)
            }
            if moved:
                self._unified.apply(moved)
        elif rest.get("unified"):
            from runtime.cgroups.v2_settings import unified

            setting = next(unified(rest))
            raise CgroupUnavailableError(f"set {setting.file} to {setting.value}: cgroup v2 is not mounted")
        files.apply(settings(rest), self._directories)
        rules = rest.get("devices")
        if rules and "devices" in self._directories:
            _set_devices(self._directories["devices"], rules)

    def remove(self, *, kill: bool = False) -> None:
        """Remove the directories; with `kill` end what still runs in them first."""
        if kill:
            self.kill()
        paths = []
        for directory, mountpoint in self._mountpoints.items():
            paths += files.to_remove(mountpoint, directory[len(mountpoint) :])
        left = files.remove(paths + (self._unified.all_paths() if self._unified is not None else []))
        if left:
            raise CgroupError(f"remove cgroup {left[0]}: processes {self.pids()} are still running")

    def kill(self) -> None:
        """Send SIGKILL to all processes, frozen meanwhile so that none can fork away."""
        if self._unified is not None and self._unified.kill_at_once():
            self._thaw_quietly()
            return
        files.kill_all(self.pids, lambda: self._write_freezer("FROZEN"), self._thaw_quietly)

    def freeze(self, on: bool) -> None:
        """Stop all processes, or let them go on; returns when the kernel has done it."""
        directory = self._directories.get("freezer")
        if directory is None:
            raise CgroupUnavailableError("freeze cgroup: the cgroup controller freezer is not available")
        wanted = "FROZEN" if on else "THAWED"
        deadline = monotonic() + _FREEZE_SECONDS
        path = f"{directory}/freezer.state"
        try:
            # A process that forks can slip through one attempt: the kernel's documentation says to write again.
            while True:
                files.write(path, wanted)
                if files.read(path) == wanted:
                    return
                if monotonic() > deadline:
                    files.write(path, "THAWED")
                    raise CgroupError(f"write {wanted} to {path}: not reached within {_FREEZE_SECONDS:.0f} s")
                sleep(0.001)
        except OSError as error:
            raise files.explain(error, path, wanted) from error

    def directories(self) -> dict[str, str]:
        """Return where the files of each controller are, those of the unified hierarchy under ""."""
        return {**self._directories, **(self._unified.directories() if self._unified is not None else {})}

    def below(self, places: dict[str, str]) -> CgroupV1:
        """Return cgroups that exist below this one's; `places`: a path for each controller, "" for all others."""
        for controller in places:
            if controller and controller not in self._directories:
                raise CgroupUnavailableError(f"the cgroup controller {controller} is not available")
        inner = CgroupV1.__new__(CgroupV1)
        inner.__dict__.update(self.__dict__)
        moved = {directory: files.inner(directory, self._place(directory, places)) for directory in self._mountpoints}
        inner._mountpoints = {moved[directory]: mountpoint for directory, mountpoint in self._mountpoints.items()}
        inner._directories = {name: moved[directory] for name, directory in self._directories.items()}
        return inner

    def _place(self, directory: str, places: dict[str, str]) -> str:
        named = (places[name] for name, other in self._directories.items() if other == directory and name in places)
        return next(named, places.get("", ""))

    def _write_freezer(self, state: str) -> None:
        if "freezer" in self._directories:
            files.write(f"{self._directories['freezer']}/freezer.state", state)

    def _thaw_quietly(self) -> None:
        try:
            self._write_freezer("THAWED")
        except OSError:
            pass

    def pids(self) -> list[int]:
        """Return all processes, those of nested cgroups included."""
        for controller in ("freezer", "pids", "name=systemd"):
            if controller in self._directories:
                return files.pids(self._directories[controller])
        return files.pids(next(iter(self._mountpoints))) if self._mountpoints else []

    def oom_count(self) -> int:
        """Return how many processes the kernel has killed here for lack of memory."""
        directory = self._directories.get("memory")
        return files.counter(f"{directory}/memory.oom_control", "oom_kill") if directory else 0

    def delegate(self, uid: int, gid: int) -> None:
        """Do nothing: v1 cannot be given to a user namespace safely."""


def _initialize_cpuset(mountpoint: str, directory: str) -> None:
    """Give a new cpuset, and new ones on the way to it, what its parent has: empty ones take no process."""
    for file in ("cpuset.cpus", "cpuset.mems"):
        _inherit(mountpoint, directory, file)


def _inherit(mountpoint: str, directory: str, file: str) -> str:
    value = files.read(f"{directory}/{file}")
    if not value and directory != mountpoint:
        value = _inherit(mountpoint, directory.rpartition("/")[0], file)
        files.write(f"{directory}/{file}", value)
    return value


def _set_devices(directory: str, rules: list[dict[str, Any]]) -> None:
    """Put the rules into force; in a user namespace nobody may, and permissions alone guard the devices."""
    first, lines = device_rules(rules)
    second = "devices.deny" if first == "devices.allow" else "devices.allow"
    path, value = f"{directory}/{first}", "a"
    try:
        files.write(path, value)
        if lines:
            path, value = f"{directory}/{second}", ", ".join(lines)
            files.write(path, *lines)
    except OSError as error:
        if error.errno == EPERM and in_user_namespace():
            return
        raise files.explain(error, path, value) from error
