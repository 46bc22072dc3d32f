"""User and group mappings of a user namespace (user_namespaces(7))."""

from __future__ import annotations

import posix

from runtime import syscalls
from runtime.errors import OCIRuntimeError, SpecError
from runtime.kernel import CLONE_NEWUSER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Mapping = tuple[int, int, int]

_MOST_LINES = 340
_ALL_IDS = 2**32
_SIGCHLD = 17
_HELPER_PATHS = ("/usr/bin", "/usr/local/bin", "/bin")


def read_mappings(entries: list[dict[str, Any]] | None, name: str) -> list[Mapping]:
    """Return (container, host, count) of each entry; SpecError for what the kernel would not take."""
    mappings: list[Mapping] = []
    if len(entries or ()) > _MOST_LINES:
        raise SpecError(f"{name} has more than {_MOST_LINES} entries")
    for index, entry in enumerate(entries or ()):
        mapping = (entry["containerID"], entry["hostID"], entry["size"])
        for side, key in enumerate(("containerID", "hostID")):
            first, count = mapping[side], mapping[2]
            if first + count > _ALL_IDS:
                raise SpecError(f"{name}[{index}].size {count} leads beyond the last ID")
            if any(first < other[side] + other[2] and other[side] < first + count for other in mappings):
                raise SpecError(f"{name}[{index}].{key} {first} is in another entry's range")
        mappings.append(mapping)
    return mappings


def maps(mappings: list[Mapping], number: int) -> bool:
    """Tell whether an ID of the container is mapped."""
    return any(first <= number < first + count for first, _host, count in mappings)


def write(pid: int, uids: list[Mapping], gids: list[Mapping]) -> None:
    """Map the IDs of the new user namespace of `pid`: by ourselves where we may, else by newuidmap and newgidmap."""
    try:
        _write_map(pid, "gid_map", gids)
        _write_map(pid, "uid_map", uids)
        return
    except PermissionError:
        pass
    if _is_own_single(uids, posix.geteuid()) and _is_own_single(gids, posix.getegid()):
        # Without privileges the group map may be written only when setgroups(2) is given up.
        _write_file(f"/proc/{pid}/setgroups", b"deny")
        _write_map(pid, "gid_map", gids)
        _write_map(pid, "uid_map", uids)
        return
    _run_helper("newgidmap", pid, gids)
    _run_helper("newuidmap", pid, uids)


def open_namespace(uids: list[Mapping], gids: list[Mapping]) -> int:
    """Return the fd of a new user namespace with these mappings, for idmapped mounts; needs the host's privileges."""
    reading, writing = posix.pipe2(posix.O_CLOEXEC)
    try:
        pid, pidfd = syscalls.clone3(CLONE_NEWUSER, _SIGCHLD)
        if pid == 0:
            # Held open by the parent until it has what it wants; nothing of Python's happens here.
            posix.close(writing)
            posix.read(reading, 1)
            posix._exit(0)
        posix.close(pidfd)
        try:
            write(pid, uids, gids)
            return posix.open(f"/proc/{pid}/ns/user", posix.O_RDONLY | posix.O_CLOEXEC)
        finally:
            posix.close(writing)
            writing = -1
            posix.waitpid(pid, 0)
    finally:
        posix.close(reading)
        if writing >= 0:
            posix.close(writing)


def _is_own_single(mappings: list[Mapping], own: int) -> bool:
    return len(mappings) == 1 and mappings[0][1:] == (own, 1)


def _write_map(pid: int, name: str, mappings: list[Mapping]) -> None:
    # The kernel takes one write only.
    text = "".join(f"{container} {host} {count}\n" for container, host, count in mappings)
    try:
        _write_file(f"/proc/{pid}/{name}", text.encode())
    except PermissionError:
        raise
    except OSError as error:
        raise OCIRuntimeError(f"write the {name} of the container: {error.strerror}") from error


def _write_file(path: str, content: bytes) -> None:
    fd = posix.open(path, posix.O_WRONLY | posix.O_CLOEXEC)
    try:
        posix.write(fd, content)
    finally:
        posix.close(fd)


def _run_helper(name: str, pid: int, mappings: list[Mapping]) -> None:
    path = next((f"{directory}/{name}" for directory in _HELPER_PATHS if posix.access(f"{directory}/{name}", 1)), "")
    if not path:
        raise OCIRuntimeError(f"map the container's IDs: {name} is not installed", hint="apt install uidmap")
    arguments = [name, str(pid), *(str(number) for mapping in mappings for number in mapping)]
    child = posix.posix_spawn(path, arguments, {})
    status = posix.waitpid(child, 0)[1]
    if status:
        raise OCIRuntimeError(
            f"map the container's IDs: {name} refused them", hint="see the user's ranges in /etc/subuid and /etc/subgid"
        )
