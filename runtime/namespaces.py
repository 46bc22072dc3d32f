"""The namespaces of a container: which are made, which are joined by path, and in what order."""

from __future__ import annotations

import _socket
import fcntl
import posix
import struct

from runtime import procfs, syscalls
from runtime.errors import OCIRuntimeError, SpecError
from runtime.kernel import (
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWTIME,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# type in the specification: (clone flag, name in /proc/PID/ns); mount and user change what later joins may do.
KINDS = {
    "user": (CLONE_NEWUSER, "user"),
    "ipc": (CLONE_NEWIPC, "ipc"),
    "uts": (CLONE_NEWUTS, "uts"),
    "network": (CLONE_NEWNET, "net"),
    "pid": (CLONE_NEWPID, "pid"),
    "cgroup": (CLONE_NEWCGROUP, "cgroup"),
    "time": (CLONE_NEWTIME, "time"),
    "mount": (CLONE_NEWNS, "mnt"),
}
_NS_GET_USERNS, _NS_GET_NSTYPE = 0xB701, 0xB703
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1


class NamespacePlan:
    """`new`: the clone flags of those to make. `joins`: (flag, open fd, path) of the others, user first, mount last."""

    __slots__ = ("joins", "new", "time_offsets")

    def __init__(self, linux: dict[str, Any]) -> None:
        self.new = 0
        self.joins: list[tuple[int, int, str]] = []
        listed = list(enumerate(linux.get("namespaces") or ()))
        wanted = {namespace["type"]: (index, namespace.get("path")) for index, namespace in listed}
        try:
            for kind, (flag, _name) in KINDS.items():
                if kind in wanted:
                    self._add(kind, flag, *wanted[kind])
        except BaseException:
            self.close()
            raise
        self.time_offsets = _time_offsets(linux.get("timeOffsets") or {})
        if self.time_offsets and not self.new & CLONE_NEWTIME:
            self.close()
            raise SpecError("linux.timeOffsets needs a new time namespace")

    def _add(self, kind: str, flag: int, index: int, path: str | None) -> None:
        if not path:
            self.new |= flag
            return
        if not path.startswith("/"):
            raise SpecError(f"linux.namespaces[{index}].path is not an absolute path: `{path}`")
        self.joins.append((flag, open_namespace(kind, flag, path, f"linux.namespaces[{index}].path"), path))

    def joined(self, flag: int) -> bool:
        """Tell whether a namespace of this kind is joined by path."""
        return any(joined == flag for joined, _fd, _path in self.joins)

    def shares_mounts(self) -> bool:
        """Tell whether the container stays in the runtime's mount namespace."""
        return not (self.new & CLONE_NEWNS or self.joined(CLONE_NEWNS))

    def needs_second_fork(self) -> bool:
        """Tell whether a process must change its own namespaces before it forks the container's.

        A pid or time namespace holds only children; a new user namespace must not come before joins of others (their
        owner's rights would be lost), and a joined one must come before the new ones that it shall own.
        """
        joined_before = self.joined(CLONE_NEWPID) or self.joined(CLONE_NEWTIME) or self.joined(CLONE_NEWUSER)
        return joined_before or bool(self.time_offsets) or bool(self.new & CLONE_NEWUSER and self.joins)

    def close(self) -> None:
        """Close the namespaces to join."""
        for _flag, fd, _path in self.joins:
            posix.close(fd)
        self.joins = []


def open_namespace(kind: str, flag: int, path: str, name: str) -> int:
    """Open a namespace's file and make sure that it is one of this kind; `name` is the field that has the path."""
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK)
    except OSError as error:
        raise OCIRuntimeError(f"{name}: open the {kind} namespace `{path}`: {error.strerror}") from error
    try:
        found = fcntl.ioctl(fd, _NS_GET_NSTYPE)
    except OSError:
        found = 0
    if found != flag:
        posix.close(fd)
        raise SpecError(f"{name}: `{path}` is not a {kind} namespace")
    return fd


def owns_mounts() -> bool:
    """Tell whether this process's mount namespace belongs to its own user namespace (ioctl_ns(2))."""
    mounts = posix.open("/proc/self/ns/mnt", posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        owner = fcntl.ioctl(mounts, _NS_GET_USERNS)
    except PermissionError:
        # The owner is further out than we can see.
        return False
    finally:
        posix.close(mounts)
    try:
        return posix.fstat(owner).st_ino == posix.stat("/proc/self/ns/user").st_ino
    finally:
        posix.close(owner)


def _time_offsets(offsets: dict[str, Any]) -> str:
    lines = []
    for clock, offset in offsets.items():
        if clock not in ("monotonic", "boottime"):
            raise SpecError(f"linux.timeOffsets has an unknown clock: `{clock}`")
        lines.append(f"{clock} {int(offset.get('secs') or 0)} {int(offset.get('nanosecs') or 0)}\n")
    return "".join(lines)


def join(joins: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Enter the namespaces; return those that refused, which may be possible in a later user namespace."""
    refused = []
    for flag, fd, path in joins:
        try:
            syscalls.setns(fd, flag)
        except PermissionError:
            refused.append((flag, fd, path))
        except OSError as error:
            raise OCIRuntimeError(f"join the namespace `{path}`: {error.strerror}") from error
    return refused


def join_all(joins: list[tuple[int, int, str]]) -> None:
    """Enter the namespaces.

    The user namespace comes last, because it takes the host's rights away, and what was refused comes once more after
    it, because it gives the rights over what belongs to it.
    """
    refused = join([entry for entry in joins if entry[0] != CLONE_NEWUSER])
    refused += join([entry for entry in joins if entry[0] == CLONE_NEWUSER])
    if refused:
        refused = join(refused)
    if refused:
        raise OCIRuntimeError(f"join the namespace `{refused[0][2]}`: Operation not permitted")


def write_time_offsets(proc: int, offsets: str) -> None:
    """Set the clocks of the new time namespace of this process's children, on the host's procfs."""
    procfs.write(proc, "self/timens_offsets", offsets.encode())


def raise_loopback() -> None:
    """Bring `lo` up in this network namespace."""
    end = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC)
    try:
        request = fcntl.ioctl(end.fileno(), _SIOCGIFFLAGS, struct.pack("16sh22x", b"lo", 0))
        flags = struct.unpack_from("16sh", request)[1]
        fcntl.ioctl(end.fileno(), _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | _IFF_UP))
    finally:
        end.close()
