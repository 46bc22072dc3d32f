"""Cgroup v2: one directory for everything; controllers are switched on in all directories above it."""

from __future__ import annotations

import posix
from select import POLLPRI, poll
from time import monotonic

from runtime.cgroups import files
from runtime.cgroups.errors import CgroupError, CgroupUnavailableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.cgroups.mounts import Hierarchy

_FREEZE_SECONDS = 5.0
# What is given along with a cgroup, where the kernel does not tell.
_DELEGATED = "cgroup.procs cgroup.threads cgroup.subtree_control memory.oom.group"


class CgroupV2:
    """A container's directory in the unified hierarchy.

    In a hybrid layout (`alone=False`) most controllers are elsewhere: here only those that a limit needs are switched
    on, and devices are not guarded.
    """

    denies_meanwhile = False  # the rules for devices are one program

    def __init__(self, hierarchy: Hierarchy, path: str, *, alone: bool = True) -> None:
        below = path if path.startswith("/") else f"{hierarchy.own}/{path}"
        self._mountpoint = hierarchy.mountpoint
        self._names = files.components(below)
        self._alone = alone
        self._refused: dict[str, str] = {}  # controllers that could not be switched on, and why
        self.directory = "/".join((self._mountpoint, *self._names))
        self.paths = [self.directory]

    def create(self, *, entered: bool = False) -> None:
        """Make the directory (`entered`: the container's process is there); switch on all controllers on the way."""
        try:
            self.paths = files.make(self._mountpoint, "/".join(self._names), entered=entered)
            if self._alone:
                self._switch_on(None)
        except OSError as error:
            message = f"create cgroup {self.directory}: {error.strerror}"
            if error.errno in files.DENIED:
                raise CgroupUnavailableError(message, hint=files.DELEGATION_HINT) from error
            raise CgroupError(message) from error

    def _switch_on(self, wanted: set[str] | None) -> None:
        """Switch on controllers (None: all that there are) in every directory above the container's."""
        for depth in range(len(self._names)):
            directory = "/".join((self._mountpoint, *self._names[:depth]))
            available = files.read(f"{directory}/cgroup.controllers").split()
            present = files.read(f"{directory}/cgroup.subtree_control").split()
            missing = [name for name in available if name not in present and (wanted is None or name in wanted)]
            if missing:
                self._write_subtree_control(directory, missing)

    def _write_subtree_control(self, directory: str, controllers: list[str]) -> None:
        path = f"{directory}/cgroup.subtree_control"
        if _is_inhabited(directory):
            # What the kernel does not refuse here, as for cpu and pids, would let no process into the cgroups below.
            reason = f"switch on controllers in {path}: there are processes in {directory} itself"
            self._refused.update(dict.fromkeys(controllers, reason))
            return
        try:
            files.write(path, " ".join(f"+{name}" for name in controllers))
            for name in controllers:
                self._refused.pop(name, None)
            return
        except OSError:
            pass  # All or nothing: one by one tells which cannot be had.
        for name in controllers:
            try:
                files.write(path, f"+{name}")
            except OSError as error:
                self._refused[name] = f"write +{name} to {path}: {error.strerror}"

    def adopt(self, pid: int) -> None:
        """Do nothing: by `clone_fd` or `entrances` a process has entered before its parent could move it."""

    def enter(self, pid: int) -> None:
        """Move a process with its threads."""
        files.enter(self.directory, pid)

    def entrances(self, *, unified: bool) -> list[int]:
        """Open the file by which a process enters: see `runtime.cgroups.enter_by`; none without `unified`."""
        return [posix.open(f"{self.directory}/cgroup.procs", posix.O_WRONLY | posix.O_CLOEXEC)] if unified else []

    def clone_fd(self) -> int:
        """Open the directory for clone3(CLONE_INTO_CGROUP)."""
        return posix.open(self.directory, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC)

    def apply(self, resources: dict[str, Any]) -> None:
        """Set limits and device rules; what is not mentioned is left as it is."""
        from runtime.cgroups.v2_settings import settings

        self.check(resources)
        wanted = settings(resources)
        controllers = {setting.controller for setting in wanted}
        if not self._alone and wanted:
            self._switch_on(controllers)
        for name in controllers & set(self._refused):
            raise CgroupUnavailableError(self._refused[name], hint=files.DELEGATION_HINT)
        if wanted:
            present = {*files.read(f"{self.directory}/cgroup.controllers").split(), "cgroup"}
            files.apply(wanted, dict.fromkeys(present, self.directory))
        rules = resources.get("devices")
        if rules and self._alone:
            from runtime.cgroups import devices_bpf

            devices_bpf.guard(self.directory, rules)

    def remove(self, *, kill: bool = False) -> None:
        """Remove the directory; with `kill` end what still runs in it first."""
        if kill:
            self.kill()
        left = files.remove(self.all_paths())
        if left:
            raise CgroupError(f"remove cgroup {left[0]}: processes {self.pids()} are still running")

    def all_paths(self) -> list[str]:
        """Return what is to be removed, as it is now."""
        return files.to_remove(self._mountpoint, "/".join(self._names))

    def kill(self) -> None:
        """Send SIGKILL to all processes."""
        if not self.kill_at_once():
            files.kill_all(self.pids, lambda: None, lambda: None)

    def kill_at_once(self) -> bool:
        """Let the kernel kill all; False if it cannot (before 5.14)."""
        try:
            files.write(f"{self.directory}/cgroup.kill", "1")
        except OSError:
            return False
        return True

    def freeze(self, on: bool) -> None:
        """Stop all processes, or let them go on; returns when the kernel has done it."""
        path = f"{self.directory}/cgroup.freeze"
        value = str(int(on))
        try:
            files.write(path, value)
            if not self._wait_frozen(value):
                files.write(path, "0")
                raise CgroupError(f"write {value} to {path}: not reached within {_FREEZE_SECONDS:.0f} s")
        except OSError as error:
            raise files.explain(error, path, value) from error

    def directories(self) -> dict[str, str]:
        """Return where the files are, under "": no controller has a directory of its own."""
        return {"": self.directory}

    def below(self, places: dict[str, str]) -> CgroupV2:
        """Return a cgroup that exists below this one; `places`: its path, under the key ""."""
        if list(places) != [""]:
            raise CgroupError("cgroup v2 has one hierarchy: name a path, and no controller")
        inner = CgroupV2.__new__(CgroupV2)
        inner.__dict__.update(self.__dict__)
        inner.directory = files.inner(self.directory, places[""])
        return inner

    def _wait_frozen(self, value: str) -> bool:
        """Wait until cgroup.events says so; the kernel announces changes of this file as POLLPRI."""
        deadline = monotonic() + _FREEZE_SECONDS
        fd = posix.open(f"{self.directory}/cgroup.events", posix.O_RDONLY | posix.O_CLOEXEC)
        try:
            events = poll()
            events.register(fd, POLLPRI)
            while f"frozen {value}" not in posix.pread(fd, 4096, 0).decode():
                remaining = deadline - monotonic()
                if remaining <= 0:
                    return False
                events.poll(min(remaining, 0.1) * 1000)
            return True
        finally:
            posix.close(fd)

    def pids(self) -> list[int]:
        """Return all processes, those of nested cgroups included."""
        return files.pids(self.directory)

    def oom_count(self) -> int:
        """Return how many processes the kernel has killed here for lack of memory."""
        return files.counter(f"{self.directory}/memory.events", "oom_kill")

    def delegate(self, uid: int, gid: int) -> None:
        """Give the cgroup to a user, limits excepted."""
        try:
            names = files.read("/sys/kernel/cgroup/delegate")
        except FileNotFoundError:
            names = _DELEGATED
        for name in ("", *names.split()):
            try:
                posix.chown(f"{self.directory}/{name}", uid, gid)
            except FileNotFoundError:
                pass

    def check(self, resources: dict[str, Any]) -> None:
        """Refuse a memory limit below what is in use, if it says `checkBeforeUpdate`: the kernel would kill for it."""
        memory = resources.get("memory") or {}
        wanted = memory.get("limit") or -1
        if not memory.get("checkBeforeUpdate") or wanted < 0:
            return
        try:
            used = int(files.read(f"{self.directory}/memory.current"))
        except FileNotFoundError:
            return
        if wanted <= used:
            raise CgroupError(f"linux.resources.memory.limit: {wanted} is not more than the {used} bytes in use")


def _is_inhabited(directory: str) -> bool:
    """Tell whether a cgroup, not the root of all, has processes (cgroup-v2.rst, "No Internal Process Constraint")."""
    try:
        return posix.access(f"{directory}/cgroup.type", posix.F_OK) and bool(files.read(f"{directory}/cgroup.procs"))
    except OSError:
        return False
