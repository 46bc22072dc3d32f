"""The files and directories of cgroupfs: one operation each, errors in words."""

from __future__ import annotations

import posix
import stat
from errno import EACCES, EBUSY, EINVAL, ENODEV, ENOENT, ENOSPC, ENOTEMPTY, EPERM, EROFS
from time import monotonic, sleep

from runtime.cgroups.errors import CgroupError, CgroupUnavailableError
from runtime.errors import SpecError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

DENIED = (EACCES, EPERM, EROFS)
DELEGATION_HINT = "an ordinary user needs a cgroup v2 that is delegated to him: a systemd user session has one"
REMOVE_SECONDS = 2.0
_SIGKILL = 9


def read(path: str) -> str:
    """Return the content of a kernel file, stripped."""
    fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        parts = []
        while part := posix.read(fd, 65536):
            parts.append(part)
        return b"".join(parts).decode().strip()
    finally:
        posix.close(fd)


def write(path: str, *values: str) -> None:
    """Put values into a kernel file, each by a system call of its own; OSError."""
    fd = posix.open(path, posix.O_WRONLY | posix.O_CLOEXEC)
    try:
        for value in values:
            posix.write(fd, value.encode())
    finally:
        posix.close(fd)


def explain(error: OSError, path: str, value: str) -> CgroupError:
    """Return the error for a value that could not be written."""
    attempt = f"write {value} to {path}: {error.strerror}"
    if error.errno == ENOENT:
        return CgroupUnavailableError(f"{attempt}: this kernel or this cgroup does not have the setting")
    if error.errno in DENIED:
        return CgroupUnavailableError(attempt, hint=DELEGATION_HINT)
    return CgroupError(attempt)


class Setting:
    """One value for one file of one controller; if the file is missing, `fallback` instead, if there is one."""

    __slots__ = ("controller", "fallback", "file", "optional", "value")

    def __init__(
        self, controller: str, file: str, value: str, *, fallback: Setting | None = None, optional: bool = False
    ) -> None:
        self.controller = controller
        self.file = file
        self.value = value
        self.fallback = fallback
        self.optional = optional

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Setting) and repr(self) == repr(other)

    def __repr__(self) -> str:
        more = f" or {self.fallback!r}" if self.fallback else " or nothing" if self.optional else ""
        return f"{self.file}={self.value}{more}"


def apply(settings: Iterable[Setting], directories: dict[str, str]) -> None:
    """Write all settings; `directories` says where each controller's files are.

    Limits that must not cross each other (memory and memory plus swap, period and quota) can be refused in one order
    and be taken in the other: what the kernel calls invalid is tried again when all others are written.
    """
    refused = []
    for setting in settings:
        directory = directories.get(setting.controller)
        if directory is None:
            raise CgroupUnavailableError(
                f"set {setting.file} to {setting.value}: the cgroup controller {setting.controller} is not available",
                hint=DELEGATION_HINT,
            )
        try:
            _set(setting, directory)
        except OSError as error:
            if error.errno not in (EINVAL, EBUSY):
                raise explain(error, f"{directory}/{setting.file}", setting.value) from error
            refused.append((setting, directory))
    for setting, directory in refused:
        try:
            _set(setting, directory)
        except OSError as error:
            raise explain(error, f"{directory}/{setting.file}", setting.value) from error


def _set(setting: Setting, directory: str) -> None:
    try:
        write(f"{directory}/{setting.file}", setting.value)
    except FileNotFoundError:
        if setting.fallback is not None:
            _set(setting.fallback, directory)
        elif not setting.optional:
            raise


def components(path: str) -> list[str]:
    """Split a path below a hierarchy's mount point; refuse what would lead out of it."""
    names = [name for name in path.split("/") if name not in ("", ".")]
    if not names or ".." in names or "\0" in path:
        raise SpecError(f"linux.cgroupsPath: {path!r} does not name a cgroup")
    return names


def inner(directory: str, path: str) -> str:
    """Return a cgroup that exists below another one; the path may not lead out of it."""
    if ".." in path.split("/") or "\0" in path:
        raise CgroupError(f"{path} is not a sub cgroup path")
    names = [name for name in path.split("/") if name not in ("", ".")]
    found = "/".join((directory, *names))
    if not posix.access(found, posix.F_OK):
        raise CgroupError(f"enter cgroup {found}: it does not exist")
    return found


def make(base: str, path: str, *, entered: bool = False) -> list[str]:
    """Make a cgroup below `base`; return the directories to remove at the end, deepest first.

    Directories on the way that do not exist are made and marked with the sticky bit: whoever leaves last removes them.
    One that another process removes in between is made again. A cgroup with processes is somebody else's, unless the
    container has `entered` it.
    """
    names = components(path)
    ancestors = ["/".join((base, *names[:count])) for count in range(1, len(names))]
    target = "/".join((base, *names))
    while True:
        try:
            posix.mkdir(target, 0o755)
            break
        except FileNotFoundError:
            if not posix.access(base, posix.F_OK):
                raise
            for ancestor in ancestors:
                try:
                    posix.mkdir(ancestor, 0o1755)
                except (FileExistsError, FileNotFoundError):
                    pass
        except FileExistsError:
            if not entered and _is_occupied(target):
                raise CgroupError(f"create cgroup {target}: it exists and has processes") from None
            break
        except OSError:
            remove(to_remove(base, path)[1:], seconds=0)
            raise
    return to_remove(base, path)


def to_remove(base: str, path: str) -> list[str]:
    """Return a cgroup, and those above it that are to go with the last container in them, deepest first."""
    names = components(path)
    directories = ["/".join((base, *names[:count])) for count in range(len(names), 0, -1)]
    return [directories[0], *(directory for directory in directories[1:] if _is_shared(directory))]


def _is_occupied(path: str) -> bool:
    try:
        return bool(read(f"{path}/cgroup.procs"))
    except OSError:
        return False


def _is_shared(path: str) -> bool:
    try:
        return bool(posix.stat(path).st_mode & stat.S_ISVTX)
    except OSError:
        return False


def remove(paths: Iterable[str], *, seconds: float = REMOVE_SECONDS) -> list[str]:
    """Remove cgroups, with those that the container made inside; return what is left because processes live there.

    A process that has just ended keeps its cgroup busy for a moment: hence the patience. Directories that several
    containers share, those above another one, go with the last of them: meanwhile one may have taken them away, and the
    next have made them anew.
    """
    deadline = monotonic() + seconds
    known = list(paths)
    left = []
    for path in known:
        if any(one.startswith(f"{path}/") for one in known):
            _remove_if_empty(path)
        elif not _remove_patiently(path, deadline):
            left.append(path)
    return left


def _remove_if_empty(path: str) -> bool:
    try:
        posix.rmdir(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        if error.errno not in (EBUSY, ENOTEMPTY):
            raise CgroupError(f"remove cgroup {path}: {error.strerror}") from error
        return False
    return True


def _remove_patiently(path: str, deadline: float) -> bool:
    pause = 0.0005
    while True:
        if _remove_if_empty(path):
            return True
        if _is_shared(path):
            return False
        for child in children(path):
            _remove_patiently(child, deadline)
        if monotonic() > deadline:
            return False
        sleep(pause)
        pause = min(pause * 2, 0.05)


def children(path: str) -> list[str]:
    """Return the cgroups directly below one."""
    try:
        with posix.scandir(path) as entries:
            return [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def pids(path: str) -> list[int]:
    """Return the processes of a cgroup and of all below it."""
    try:
        result = [int(line) for line in read(f"{path}/cgroup.procs").split()]
    except OSError as error:
        if error.errno in (ENOENT, ENODEV):  # removed just now
            return []
        raise CgroupError(f"read {path}/cgroup.procs: {error.strerror}") from error
    for child in children(path):
        result += pids(child)
    return result


def counter(path: str, key: str) -> int:
    """Return one value of a file of `key value` lines; 0 if there is none."""
    try:
        for line in read(path).splitlines():
            name, _, value = line.partition(" ")
            if name == key:
                return int(value)
    except OSError:
        pass
    return 0


def enter(path: str, pid: int) -> None:
    """Move a process with all its threads."""
    try:
        write(f"{path}/cgroup.procs", str(pid))
    except OSError as error:
        hint = ""
        if error.errno == EINVAL:
            hint = "a process with a realtime scheduling policy cannot enter a cgroup without a realtime budget"
        elif error.errno == ENOSPC:
            hint = "cpuset.cpus or cpuset.mems is empty"
        raise CgroupError(f"move process {pid} to {path}: {error.strerror}", hint=hint) from error


def kill_all(list_pids: Callable[[], list[int]], freeze: Callable[[], None], thaw: Callable[[], None]) -> None:
    """Send SIGKILL to all processes until there are none; give up, silently, after a while."""
    deadline = monotonic() + REMOVE_SECONDS
    while processes := list_pids():
        try:
            freeze()
        except OSError:
            pass
        for pid in processes:
            try:
                posix.kill(pid, _SIGKILL)
            except ProcessLookupError:
                pass
        thaw()
        if monotonic() > deadline:
            return
        sleep(0.002)
