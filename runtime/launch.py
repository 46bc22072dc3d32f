"""What `create` and `exec` share on the parent's side: the filter, the process's limits, its pid file, its end."""

from __future__ import annotations

import _socket
import posix

from runtime import jsontext, rlimits, sync
from runtime.errors import OCIRuntimeError, SpecError
from runtime.identity import Filter, allows_execveat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.spec import Process

    Document = dict[str, Any]

_SIGKILL = 9
_NOTIFY = "SCMP_ACT_NOTIFY"
_LONGEST_SOCKET_PATH = 100


def read_filter(linux: Document, root: str) -> Filter:
    """Return the compiled seccomp filter of a configuration, from the cache below the runtime's root if possible."""
    profile = linux.get("seccomp")
    if not profile:
        return Filter()
    actions = [profile.get("defaultAction"), *(rule.get("action") for rule in profile.get("syscalls") or ())]
    if _NOTIFY in actions:
        # Without a listener the kernel would answer ENOSYS to these calls: not what the profile asks for.
        raise SpecError(f"linux.seccomp: {_NOTIFY} is not supported yet")
    from runtime import seccomp

    program = seccomp.cached(profile, f"{root}/.cache")
    return Filter(program, seccomp.filter_flags(profile), allows_execveat=allows_execveat(profile))


def adjust(pid: int, process: Process) -> None:
    """Allow resource limits and set the OOM score of a process that waits, with the parent's rights."""
    rlimits.allow(pid, process.rlimits)
    set_oom_score(pid, process)


def set_oom_score(pid: int | str, process: Process) -> None:
    """Set the OOM score of a process, "self" for this one."""
    if process.oom_score_adj is None:
        return
    try:
        fd = posix.open(f"/proc/{pid}/oom_score_adj", posix.O_WRONLY | posix.O_CLOEXEC)
        try:
            posix.write(fd, str(process.oom_score_adj).encode())
        finally:
            posix.close(fd)
    except PermissionError:
        # Lowering it needs CAP_SYS_RESOURCE: what we have is then the lowest that can be. And the file of a process
        # that is not dumpable is not ours in a user namespace: such a process sets it by itself, before.
        pass


def asks_for_limits(resources: Document) -> bool:
    """Tell whether `linux.resources` has any limit (pure); rules for devices alone are none."""
    for name, section in resources.items():
        if name == "devices" or not section:
            continue
        values = section.values() if isinstance(section, dict) else [section]
        if any(value not in (None, 0, -1, "", False, [], {}) for value in values):
            return True
    return False


def write(path: str, document: object) -> None:
    """Write a JSON file for the runtime alone."""
    fd = posix.open(path, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, 0o600)
    try:
        posix.write(fd, jsontext.dumps(document).encode())
    finally:
        posix.close(fd)


def write_pid_file(path: str, pid: int) -> None:
    """Write a pid file, atomically."""
    directory, _slash, name = path.rpartition("/")
    temporary = f"{directory}/.{name}.new" if directory else f".{name}.new"
    fd = posix.open(temporary, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, 0o644)
    try:
        posix.write(fd, str(pid).encode())
    finally:
        posix.close(fd)
    posix.rename(temporary, path)


def send_pidfd(path: str, pid: int) -> None:
    """Send a pidfd of a process to the socket at `path`, as containerd wants it."""
    pidfd = posix.pidfd_open(pid)
    try:
        sync.send_fd(path, pidfd, "pidfd")
    finally:
        posix.close(pidfd)


def kill_child(pid: int) -> None:
    """Kill and reap a child of this process; its pid namespace dies with it."""
    try:
        posix.kill(pid, _SIGKILL)
        posix.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        pass


def listen(directory: str, name: str) -> _socket.socket:
    """Return a listening socket at directory/name."""
    end = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    with_path(directory, name, end.bind)
    end.listen(4)
    return end


def connect(directory: str, name: str) -> _socket.socket:
    """Connect to the socket at directory/name."""
    end = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    try:
        with_path(directory, name, end.connect)
    except BaseException:
        end.close()
        raise
    return end


def with_path(directory: str, name: str, use: Any) -> None:
    """Call bind or connect with the path, by way of /proc/self/fd if it is longer than a socket's address may be."""
    path = f"{directory}/{name}"
    if len(path.encode("utf-8", "surrogateescape")) < _LONGEST_SOCKET_PATH:
        use(path)
        return
    fd = posix.open(directory, posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC)
    try:
        use(f"/proc/self/fd/{fd}/{name}")
    finally:
        posix.close(fd)


def make_directories(path: str) -> None:
    """Make a runtime's root and its parents."""
    if not posix.access(path, posix.F_OK):
        above = path.rpartition("/")[0]
        if above:
            make_directories(above)
        try:
            posix.mkdir(path, 0o711)
        except FileExistsError:
            pass
        except OSError as error:
            raise OCIRuntimeError(f"make the runtime's directory `{path}`: {error.strerror}") from error
