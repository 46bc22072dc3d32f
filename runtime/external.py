"""Another OCI runtime in place of our library: runc, crun, or any program with their command line.

For the monitor, which must be a subreaper: a program that has made a process ends, and so the process becomes the
monitor's own child. What fails leaves nothing: no process, no cgroup, and of state only what `delete` finds.
Source of the command line: what podman and conmon send.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import posix
import select
import time
from errno import ENOENT

from runtime import capabilities, launch, process, syscalls
from runtime.errors import CommandNotFoundError, NotExecutableError, OCIRuntimeError
from runtime.jsontext import loads
from runtime.kernel import CLOSE_RANGE_CLOEXEC, MNT_DETACH, MS_BIND, MS_NODEV, MS_NOSUID, PR_SET_PDEATHSIG
from runtime.monitor import ending
from runtime.monitor.spawn import Container

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.console import ConsoleSocket
    from runtime.monitor.spawn import Stdio

    Document = dict[str, Any]

_SIGKILL = 9
_POLLRDHUP = 0x2000  # Linux; the select module does not have it
# How long a program may take for what cannot be interrupted: the command holds its signals during the start.
_START_PATIENCE = 30.0
_DELETE_PATIENCE = 20.0
_LONGEST_MESSAGE = 4096
# As podman tells them apart (getOCIRuntimeError): the words, the error, what is said of it.
_KINDS: tuple[tuple[tuple[str, ...], type[OCIRuntimeError], str], ...] = (
    (("permission denied", "operation not permitted"), NotExecutableError, "OCI runtime permission denied"),
    (
        ("executable file not found in", "no such file or directory", "open executable"),
        CommandNotFoundError,
        "OCI runtime attempted to invoke a command that was not found",
    ),
    # As our library does: the program is not one for this machine, or what it is to start in is no directory.
    (("exec format error", "chdir to cwd", "working directory"), NotExecutableError, "OCI runtime error"),
)


def _in_memory(path: str) -> None:
    """Mount a file of memory at a path, which this process and its children alone see."""
    place = f"{path}.memory"
    posix.mkdir(place, 0o700)
    syscalls.mount("tmpfs", place, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0700,size=1m")
    for file in (path, f"{place}/file"):
        posix.close(posix.open(file, posix.O_WRONLY | posix.O_CREAT | posix.O_CLOEXEC, 0o600))
    syscalls.mount(f"{place}/file", path, None, MS_BIND)
    syscalls.umount2(place, MNT_DETACH)
    posix.rmdir(place)


def pid_file_of(directory: str) -> str:
    """Return the file, in the directory that a program shares with us, into which it writes what it has made.

    Its command line has this path, and so has a process that it forked and that has not become the container's program.
    """
    return f"{directory}/oci-pid"


class ExternalRuntime:
    """A runtime that is a program."""

    __slots__ = ("_command", "_directory", "_environment", "_name", "_root", "_user_bus")

    def __init__(
        self, command: list[str], *, root: str, directory: str, environment: dict[str, str], user_bus: str = ""
    ) -> None:
        self._command = command  # the program, by its whole path, and its global options
        self._root = root  # where it keeps its state
        self._directory = directory  # a private one for what passes between it and us
        self._environment = environment
        self._user_bus = user_bus  # of the systemd of the user for whom we run, if that has the containers
        self._name = command[0].rpartition("/")[2]

    def create(
        self,
        container_id: str,
        bundle: str,
        spec: Document,
        stdio: Stdio,
        preserve: tuple[int, ...] = (),
        secrets: dict[str, str] | None = None,
    ) -> Container:
        """Create a container from the bundle, whose config.json is written here, to memory if it has `secrets` in it.

        These are variables of its process. The caller has a mount namespace of its own. crun keeps a copy in its state,
        as long as the container is there; runc does not.
        """
        if secrets:
            spec["process"]["env"] += [f"{name}={value}" for name, value in secrets.items()]
            _in_memory(f"{bundle}/config.json")
        cgroup_path = (spec.get("linux") or {}).get("cgroupsPath") or ""
        capabilities.drop_ungrantable(spec["process"])
        launch.write(f"{bundle}/config.json", spec)
        try:
            words = ["create", "--bundle", bundle]
            pid, console = self._make(words, container_id, spec["process"], stdio, bundle, preserve)
        except BaseException:
            self.delete(container_id, cgroup_path)
            raise
        return Container(
            pid=pid,
            start_time=process.start_time(pid) or 0,
            start=lambda: self._run(["start", container_id], patience=_START_PATIENCE),
            console=console,
            cgroups=_cgroup_directories(cgroup_path, pid),
            deletion=self._argv("delete", "--force", container_id),
        )

    def exec_process(
        self, container_id: str, document: Document, stdio: Stdio, preserve: tuple[int, ...] = ()
    ) -> Container:
        """Run a process in a running container."""
        if self._user_bus:
            from runtime.cgroups import systemd

            systemd.leave_session(self._user_bus)
        capabilities.drop_ungrantable(document)
        file = f"{self._directory}/process.json"
        launch.write(file, document)
        words = ["exec", "--process", file, "--detach"]
        pid, console = self._make(words, container_id, document, stdio, self._directory, preserve)
        return Container(pid=pid, start_time=process.start_time(pid) or 0, start=None, console=console)

    def delete(self, container_id: str, cgroup_path: str) -> None:
        """Delete a container, running or not, whole or not; what the program leaves in the cgroup goes as well."""
        try:
            self._run(["delete", "--force", container_id], patience=_DELETE_PATIENCE)
        except OCIRuntimeError:
            pass  # It may be gone, the program with it, or never have been made.
        if cgroup_path.startswith("/"):
            from runtime import cgroups

            try:
                cgroups.plan(cgroup_path).remove(kill=True)
            except cgroups.CgroupUnavailableError:
                pass

    def status(self, container_id: str) -> str:
        """Return what the program says that a container does: created, running, …; empty if it does not say."""
        import subprocess

        try:
            said = subprocess.run(
                self._argv("state", container_id),
                env=self._environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_DELETE_PATIENCE,
                check=True,
            )
            return str(loads(said.stdout.decode("utf-8", "replace"))["status"])
        except (OSError, subprocess.SubprocessError, ValueError, LookupError, TypeError):
            return ""

    def pause(self, container_id: str) -> None:
        """Stop all processes of a container."""
        self._run(["pause", container_id], patience=_DELETE_PATIENCE)

    def resume(self, container_id: str) -> None:
        """Let a paused container go on."""
        self._run(["resume", container_id], patience=_DELETE_PATIENCE)

    def update(self, container_id: str, resources: Document) -> None:
        """Change limits of a running container: `resources` is what of `linux.resources` changes."""
        file = f"{self._directory}/resources.json"
        launch.write(file, resources)
        try:
            self._run(["update", "--resources", file, container_id], patience=_DELETE_PATIENCE)
        finally:
            _unlink(file)

    def _make(
        self,
        words: list[str],
        container_id: str,
        document: Document,
        stdio: Stdio,
        directory: str,
        preserve: tuple[int, ...],
    ) -> tuple[int, int | None]:
        """Have the program make a process; return its pid and its terminal. `directory` is the program's own."""
        pid_file = pid_file_of(self._directory)
        _unlink(pid_file)
        if preserve != tuple(range(3, 3 + len(preserve))):
            raise OCIRuntimeError(f"{self._name}: it passes on no other descriptors than those from 3 on without a gap")
        count = ["--preserve-fds", str(len(preserve))] if preserve else []
        words = [*words, *count, "--pid-file", pid_file]
        console: ConsoleSocket | None = None
        try:
            if document.get("terminal"):
                from runtime.console import ConsoleSocket

                console = ConsoleSocket(directory)
                words += ["--console-socket", console.path]
            self._run([*words, container_id], stdio=stdio, directory=directory, preserve=preserve)
            pid = self._read_pid(pid_file)
            return pid, None if console is None else console.receive()
        except BaseException:
            _end_children()
            raise
        finally:
            if console is not None:
                console.close()

    def _read_pid(self, path: str) -> int:
        try:
            with open(path, "rb", buffering=0) as file:
                pid = int(file.read(32))
        except (FileNotFoundError, ValueError):
            raise OCIRuntimeError(f"{self._name}: it ended well, but made no process: OCI runtime error") from None
        if process.parent(pid) != posix.getpid():
            raise OCIRuntimeError(f"{self._name}: process {pid}, which it says it made, is not ours: OCI runtime error")
        return pid

    def _argv(self, *words: str) -> list[str]:
        return [*self._command, "--root", self._root, *words]

    def _run(
        self,
        words: list[str],
        *,
        stdio: Stdio | None = None,
        directory: str = "/",
        patience: float | None = None,
        preserve: tuple[int, ...] = (),
    ) -> None:
        """Run the program to its end; raise what it says of a failure.

        It is killed after `patience` seconds, and as soon as the caller behind `stdio` hangs up.
        """
        log = f"{self._directory}/oci-log"
        _unlink(log)
        streams = _Streams(stdio, hears=words[0] != "exec")
        try:
            argv = self._argv("--log", log, "--log-format", "json", *words)
            pid = _spawn(argv, self._environment, streams.fds, directory, preserve)
            ended = _wait(pid, streams, -1 if stdio is None else stdio.caller, patience)
            if ended is None:
                raise OCIRuntimeError(f"{self._name} {words[0]}: it did not come to an end and was killed")
            if ended:
                raise self._failure(words[0], ended, _read(log), streams.last_words())
        except OSError as error:
            raise OCIRuntimeError(f"execute `{self._command[0]}`: {error.strerror}") from error
        finally:
            streams.close()

    def _failure(self, verb: str, ended: int, log: str, said: str) -> OCIRuntimeError:
        """Return the error that the program wrote into its log, or said, or at least how it ended."""
        message = " ".join((_logged(log) or said or log).split())[:_LONGEST_MESSAGE]
        message = "".join(letter if letter.isprintable() else "?" for letter in message)
        if not message:
            code = posix.waitstatus_to_exitcode(ended)
            how = f"was killed by signal {-code}" if code < 0 else f"ended with exit status {code}"
            return OCIRuntimeError(f"{self._name} {verb}: it {how}, without a word: OCI runtime error")
        for signs, kind, meaning in _KINDS:
            if any(sign in message.lower() for sign in signs):
                return kind(f"{self._name}: {message}: {meaning}")
        return OCIRuntimeError(f"{self._name}: {message}: OCI runtime error")


class _Streams:
    """The standard streams of the program: the container's, else nothing, and what is to be heard of the program.

    With `hears` all that it says is taken away, so that it never waits for a reader: not for an exec, whose process
    writes into the same pipes before the program has ended.
    """

    __slots__ = ("_own", "_said", "fds", "heard")

    def __init__(self, stdio: Stdio | None, *, hears: bool = True) -> None:
        self._said = b""
        if stdio is not None and stdio.stdin >= 0:
            self._own: list[int] = []
            self.fds = (stdio.stdin, stdio.stdout, stdio.stderr)
            self.heard = [_reading_end(fd) for fd in self.fds[1:]] if hears else []
            return
        null = posix.open("/dev/null", posix.O_RDWR | posix.O_CLOEXEC)
        read_end, write_end = posix.pipe2(posix.O_CLOEXEC | posix.O_NONBLOCK)
        posix.set_blocking(write_end, True)
        self._own = [null, write_end]
        self.fds = (null, null, write_end)
        self.heard = [read_end]

    def take(self) -> None:
        """Take what has been said, of which only the beginning on stderr is kept."""
        for fd in self.heard:
            data = _read_fd(fd)
            if fd == self.heard[-1] and len(self._said) < _LONGEST_MESSAGE:
                self._said += data

    def last_words(self) -> str:
        """Return what a program that has failed said on stderr."""
        if not self.heard:
            self.heard = [_reading_end(self.fds[2])]
        self.take()
        return self._said[:_LONGEST_MESSAGE].decode("utf-8", "replace")

    def close(self) -> None:
        """Close what was opened here."""
        for fd in self._own + self.heard:
            posix.close(fd)


def _reading_end(pipe: int) -> int:
    """Return the other end of a pipe, which can be had by opening it anew."""
    return posix.open(f"/proc/self/fd/{pipe}", posix.O_RDONLY | posix.O_NONBLOCK | posix.O_CLOEXEC)


def _spawn(
    argv: list[str],
    environment: dict[str, str],
    streams: tuple[int, int, int],
    directory: str,
    preserve: tuple[int, ...] = (),
) -> int:
    """Start a program that dies with this process; OSError if it cannot be executed."""
    parent = posix.getpid()
    read_end, write_end = posix.pipe2(posix.O_CLOEXEC)
    pid = posix.fork()
    if pid == 0:
        try:
            ending.default_signals()
            syscalls.prctl(PR_SET_PDEATHSIG, _SIGKILL)
            if posix.getppid() != parent:
                posix._exit(1)
            for target, fd in enumerate(streams):
                posix.dup2(fd, target)
            syscalls.close_range(3, flags=CLOSE_RANGE_CLOEXEC)
            for fd in preserve:
                posix.set_inheritable(fd, True)
            _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
            posix.chdir(directory)
            posix.execve(argv[0], argv, environment)
        except OSError as error:
            posix.write(write_end, str(error.errno).encode())
        finally:
            posix._exit(127)
    posix.close(write_end)
    try:
        refused = posix.read(read_end, 16)
    finally:
        posix.close(read_end)
    if refused:
        posix.waitpid(pid, 0)
        raise OSError(int(refused), posix.strerror(int(refused)))
    return pid


def _wait(pid: int, streams: _Streams, caller: int, patience: float | None) -> int | None:
    """Return the wait status of a child; None if it had to be killed."""
    pidfd = posix.pidfd_open(pid)
    try:
        killed = not _ends(pidfd, streams, caller, patience)
        if killed:
            posix.kill(pid, _SIGKILL)
        status = posix.waitpid(pid, 0)[1]
        return None if killed else status
    finally:
        posix.close(pidfd)


def _ends(pidfd: int, streams: _Streams, caller: int, patience: float | None) -> bool:
    """Wait for the end of a process while taking what it says; False if it does not come."""
    poller = select.poll()
    for fd in (pidfd, *streams.heard):
        poller.register(fd, select.POLLIN)
    if caller >= 0:
        # It says nothing now: whatever there is to hear is its end.
        poller.register(caller, select.POLLIN | _POLLRDHUP)
    deadline = None if patience is None else time.monotonic() + patience
    while True:
        ready = dict(poller.poll(None if deadline is None else max(0, deadline - time.monotonic()) * 1000))
        if pidfd in ready:
            return True
        if caller in ready or (deadline is not None and time.monotonic() >= deadline):
            return False
        streams.take()


def _end_children() -> None:
    """Kill what a program that failed, or was killed, has left: all of it has come to this subreaper."""
    while True:
        children = _read(f"/proc/self/task/{posix.getpid()}/children").split()
        for pid in children:
            launch.kill_child(int(pid))
        if not children:
            return


def _cgroup_directories(path: str, pid: int) -> list[str]:
    """Return where the container's cgroups may be, in every hierarchy; of a unit the program and systemd know it."""
    if path and not path.startswith("/"):
        found = process.cgroups_of(pid)
        path = found.get("") or found.get("name=systemd") or ""
    if path in ("", "/"):
        return []
    from runtime import cgroups

    try:
        return cgroups.plan(path).paths
    except cgroups.CgroupUnavailableError:
        return []


def _logged(log: str) -> str:
    """Return the message of the last error in a log of JSON lines; empty if there is none."""
    for line in reversed(log.splitlines()):
        try:
            entry = loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and entry.get("level") in ("error", "fatal", "panic"):
            return str(entry.get("msg") or "")
    return ""


def _read(path: str) -> str:
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK)
    except OSError:
        return ""
    try:
        return _read_fd(fd).decode("utf-8", "replace")
    finally:
        posix.close(fd)


def _read_fd(fd: int) -> bytes:
    try:
        return posix.read(fd, 65536)
    except OSError:
        return b""


def _unlink(path: str) -> None:
    try:
        posix.unlink(path)
    except OSError as error:
        if error.errno != ENOENT:
            raise
