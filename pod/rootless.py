"""Entering the user namespace of a rootless user, in-process and while still single-threaded.

All containers of a user share one namespace. Any living process in it keeps it: `<runroot>/userns` names the commands
that are in it, every monitor is another, and so is a container that outlived its monitor. A command joins the namespace
of such a process, or makes a new one and has the setuid helpers newuidmap(1) and newgidmap(1) write its maps. Nobody
stays behind just to hold it.
"""

from __future__ import annotations

import fcntl
import posix

from pod.containers.status import parse_record, read_record
from pod.errors import PodError
from pod.lock import take
from runtime import kernel, process, syscalls
from runtime.errors import CommandNotFoundError, IdNotMappedError, NotExecutableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pod.config import Config
    from runtime.errors import OCIRuntimeError

_NS_GET_PARENT = 0xB702  # ioctl_ns(2)


class IdRange:
    """A range of subordinate IDs of a user, see subuid(5)."""

    __slots__ = ("count", "start")

    def __init__(self, start: int, count: int) -> None:
        self.start = start
        self.count = count


def in_user_namespace() -> bool:
    """Tell whether this process has already been mapped: ID 0 inside a namespace that is not the host's."""
    if posix.geteuid() != 0:
        return False
    with open("/proc/self/uid_map", encoding="utf-8") as file:
        return file.read().split() != ["0", "0", "4294967295"]


def has_single_id() -> bool:
    """Tell whether the namespace that this process is in maps no more than one user ID."""
    with open("/proc/self/uid_map", encoding="utf-8") as file:
        return sum(int(line.split()[2]) for line in file) == 1


def enter(config: Config) -> None:
    """Put this process into the namespace of its user, as root of it."""
    if in_user_namespace():
        return
    lock = _lock(config)
    try:
        holders = _living(config)
        if not _join_existing(config, holders):
            holders = []
            _create(config)
        _record(config, [*holders, (posix.getpid(), process.start_time(posix.getpid()) or 0)])
    finally:
        posix.close(lock)
    posix.setresgid(0, 0, 0)
    posix.setresuid(0, 0, 0)


def forget(config: Config) -> None:
    """Remove the record of who is in the namespace, unless others are: who comes next must find them."""
    lock = _lock(config)
    try:
        if all(pid == posix.getpid() for pid, _ in _living(config)):
            for name in ("userns", "userns.lock"):
                try:
                    posix.unlink(f"{config.runroot}/{name}")
                except FileNotFoundError:
                    pass
    finally:
        posix.close(lock)


def join(pid: int) -> None:
    """Move from the host into the user namespace of a process of the same user."""
    descriptor = posix.open(f"/proc/{pid}/ns/user", posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        syscalls.setns(descriptor, kernel.CLONE_NEWUSER)
    finally:
        posix.close(descriptor)


def subordinate_ids(path: str, user: str, uid: int) -> list[IdRange]:
    """Return the ranges that subuid(5) or subgid(5) gives to a user, by name or by number."""
    ranges = []
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                fields = line.strip().split(":")
                if len(fields) == 3 and fields[0] in (user, str(uid)) and fields[1].isdigit() and fields[2].isdigit():
                    ranges.append(IdRange(int(fields[1]), int(fields[2])))
    except OSError:
        return []
    return ranges


def missing_pieces(config: Config) -> tuple[str, str] | None:
    """Return what keeps this user from more than one ID and the line that mends it, or None."""
    user = _user_name(config.uid)
    for path in ("/etc/subuid", "/etc/subgid"):
        if not subordinate_ids(path, user, config.uid):
            option = "--add-subuids 100000-165535 --add-subgids 100000-165535"
            return f"{path} gives user {user} no IDs", f"as root: usermod {option} {user}"
    for name in ("newuidmap", "newgidmap"):
        if _which(name) is None:
            return f"{name} is not installed", "as root: apt install uidmap"
    return None


def explain_single_id(config: Config, error: OCIRuntimeError) -> None:
    """Give an error without a better hint the one that it may come of having one ID only, if that is so."""
    hopeless = error.hint or isinstance(error, (CommandNotFoundError, NotExecutableError))
    if hopeless and not isinstance(error, IdNotMappedError):
        return
    missing = missing_pieces(config) if config.rootless and has_single_id() else None
    if missing is not None:
        error.hint = f"only one ID is mapped, because {missing[0]}; {missing[1]}"


def _lock(config: Config) -> int:
    """Take the lock of the record."""
    while True:
        try:
            return take(f"{config.runroot}/userns.lock")
        except FileNotFoundError:
            from os import makedirs

            makedirs(config.runroot, mode=0o700, exist_ok=True)


def _living(config: Config) -> list[tuple[int, int]]:
    """Return the commands that are in the namespace; the caller holds the lock."""
    return [known for known in _commands(config) if process.is_alive(*known)]


def _commands(config: Config) -> list[tuple[int, int]]:
    """Return the commands that entered the namespace, living or not."""
    try:
        with open(f"{config.runroot}/userns", encoding="utf-8", errors="replace") as file:
            return [known for line in file if (known := parse_record(line)) is not None]
    except OSError:
        return []


def _record(config: Config, holders: list[tuple[int, int]]) -> None:
    """Write down who is in the namespace; the caller holds the lock."""
    path = f"{config.runroot}/userns"
    try:
        with open(f"{path}.new", "w", encoding="utf-8") as file:
            file.write("".join(f"{pid} {start_time}\n" for pid, start_time in holders))
        posix.rename(f"{path}.new", path)
    except OSError:
        pass  # full: the monitors are records as well, and what ends or removes containers must go on


def _join_existing(config: Config, holders: list[tuple[int, int]]) -> bool:
    for pid, start_time in _candidates(config, holders):
        descriptors: list[int] = []
        try:
            descriptors.append(posix.open(f"/proc/{pid}/ns/user", posix.O_RDONLY | posix.O_CLOEXEC))
            # The descriptor holds the namespace; only now is it certain whose it is.
            if process.is_alive(pid, start_time):
                _climb(descriptors)
                syscalls.setns(descriptors[-1], kernel.CLONE_NEWUSER)
                return True
        except OSError:
            continue
        finally:
            for descriptor in descriptors:
                posix.close(descriptor)
    return False


def _candidates(config: Config, holders: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    yield from holders
    try:
        names = posix.listdir(f"{config.runroot}/containers")
    except OSError:
        return
    for kind in ("monitor", "pid"):
        for name in names:
            known = read_record(f"{config.runroot}/containers/{name}/{kind}")
            if known is not None:
                yield known


def _climb(descriptors: list[int]) -> None:
    """Go up from a namespace to the one that is a child of ours: a container may have one of its own inside of that.

    Raises PermissionError for a namespace that is ours or lies outside of it.
    """
    own = posix.stat("/proc/self/ns/user")
    while True:
        parent = fcntl.ioctl(descriptors[-1], _NS_GET_PARENT)
        seen = posix.fstat(parent)
        if (seen.st_dev, seen.st_ino) == (own.st_dev, own.st_ino):
            posix.close(parent)
            return
        descriptors.append(parent)


def _create(config: Config) -> None:
    uid, gid = posix.getuid(), posix.getgid()
    if missing_pieces(config) is not None:
        syscalls.unshare(kernel.CLONE_NEWUSER)
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"0 {uid} 1")
        _write("/proc/self/gid_map", f"0 {gid} 1")
        return
    user = _user_name(uid)
    helpers = [
        _Helper("newuidmap", _arguments(uid, subordinate_ids("/etc/subuid", user, uid))),
        _Helper("newgidmap", _arguments(gid, subordinate_ids("/etc/subgid", user, uid))),
    ]
    try:
        syscalls.unshare(kernel.CLONE_NEWUSER)
    except OSError as error:
        for helper in helpers:  # all are let go before any is waited for: each holds the pipes of those before it
            helper.cancel()
        for helper in helpers:
            helper.wait()
        raise PodError(
            f"cannot make a user namespace: {error.strerror}",
            hint="as root: sysctl -w kernel.unprivileged_userns_clone=1 user.max_user_namespaces=15000",
        ) from error
    for helper in helpers:
        helper.go()
    for helper in helpers:
        helper.finish()


class _Helper:
    """A setuid program that is forked before this process leaves the host's namespace, and let go after."""

    def __init__(self, name: str, arguments: list[str]) -> None:
        self.name = name
        target = str(posix.getpid())
        program = _which(name)
        assert program is not None
        reader, self._writer = posix.pipe()
        self._pid = posix.fork()
        if self._pid == 0:
            posix.close(self._writer)
            if posix.read(reader, 1):
                posix.execv(program, [name, target, *arguments])
            posix._exit(1)
        posix.close(reader)

    def go(self) -> None:
        posix.write(self._writer, b"1")
        posix.close(self._writer)

    def cancel(self) -> None:
        posix.close(self._writer)

    def wait(self) -> int:
        return posix.waitpid(self._pid, 0)[1]

    def finish(self) -> None:
        if self.wait() != 0:
            what = "uid" if self.name == "newuidmap" else "gid"
            raise PodError(
                f"{self.name} failed to map the user namespace",
                hint=f"check that {_which(self.name)} is setuid root and that the ranges in /etc/sub{what} are right",
            )


def _arguments(own: int, ranges: list[IdRange]) -> list[str]:
    arguments = ["0", str(own), "1"]
    inside = 1
    for found in ranges:
        arguments += [str(inside), str(found.start), str(found.count)]
        inside += found.count
    return arguments


def _user_name(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _which(name: str) -> str | None:
    for directory in ("/usr/bin", "/bin", "/usr/local/bin", "/usr/sbin", "/sbin"):
        path = f"{directory}/{name}"
        if posix.access(path, posix.X_OK):
            return path
    return None


def _write(path: str, text: str) -> None:
    descriptor = posix.open(path, posix.O_WRONLY | posix.O_CLOEXEC)
    try:
        posix.write(descriptor, text.encode())
    finally:
        posix.close(descriptor)
