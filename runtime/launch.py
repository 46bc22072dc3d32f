"""What `create` and `exec` share on the parent's side: the filter, the process's limits, its pid file, its end."""

from __future__ import annotations

import _socket
import posix

from runtime import jsontext, rlimits, sync
from runtime.errors import OCIRuntimeError, SpecError
from runtime.identity import Filter, allows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.spec import Process

    Document = dict[str, Any]

_SIGKILL = 9
_LONGEST_SOCKET_PATH = 100


def read_filter(document: Document, root: str, state: Document) -> Filter:
    """Return the compiled seccomp filter of a configuration, from the cache below the runtime's root if possible.

    If an agent is to decide about some calls, the connection to it is made here: on the host's side, before anything
    of the container. `state` is what it will be told; a pid of 0 in it stands for the process itself.
    """
    profile = (document.get("linux") or {}).get("seccomp")
    annotations = document.get("annotations") or {}
    if not profile:
        return Filter()
    from runtime import seccomp

    strict = annotations.get("run.oci.seccomp_fail_unknown_syscall", "0") not in ("", "0", "false")
    program = _read_program(annotations)
    passes = not program and allows(profile, "execveat")
    program = program or seccomp.cached(profile, f"{root}/.cache", strict=strict)
    result = Filter(program, seccomp.filter_flags(profile), allows_execveat=passes)
    if seccomp.notifies(profile):
        from runtime.seccomp.listener import Listener

        path = profile.get("listenerPath") or annotations.get("run.oci.seccomp.receiver")
        if not path:
            raise SpecError("linux.seccomp: SCMP_ACT_NOTIFY needs a listenerPath")
        result.listener = Listener(_connect_agent(path), profile.get("listenerMetadata") or "", state)
    elif profile.get("listenerMetadata") and not profile.get("listenerPath"):
        raise SpecError("linux.seccomp: listenerMetadata needs a listenerPath")
    return result


def _read_program(annotations: Document) -> bytes:
    """Return the filter that crun's annotation brings ready-made, in place of the compiled profile."""
    text = annotations.get("run.oci.seccomp_bpf_data")
    if not text:
        return b""
    from binascii import a2b_base64

    try:
        program = a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise SpecError(f"the annotation run.oci.seccomp_bpf_data: {error}") from error
    if not program or len(program) % 8:
        raise SpecError("the annotation run.oci.seccomp_bpf_data is no array of struct sock_filter")
    return program


def _connect_agent(path: str) -> _socket.socket:
    directory, _slash, name = path.rpartition("/")
    try:
        return connect(directory or "/", name)
    except (OSError, ValueError) as error:
        raise OCIRuntimeError(f"connect to the seccomp agent at `{path}`: {sync.describe(error)}") from error


def check_preserved(count: int, others: tuple[int, ...] = ()) -> None:
    """Refuse to preserve descriptors that the caller has not opened; to be called before any of our own is opened.

    In the gaps our own would come to lie, and be inherited by the container (CVE-2024-21626).
    """
    for number in (*range(3, 3 + count), *others):
        try:
            posix.fstat(number)
        except OSError as error:
            raise SpecError(f"preserve {count + len(others)} descriptors: number {number} is not open") from error


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
    try:
        posix.unlink(temporary)
    except FileNotFoundError:
        pass
    # In a directory like /tmp somebody else may have put a link there.
    fd = posix.open(temporary, posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_CLOEXEC, 0o644)
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
