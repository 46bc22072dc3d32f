"""How a command gets a monitor for its container: fork, create, start, wait.

Command and monitor talk over the sync socket (SEQPACKET). The monitor says `{"pid":…}` when the container is created,
or `{"error":…}`; then the command says `start` and hears `{"started":true}` or an error; at the end `{"exit":CODE}`.
The command may say `detach` before it goes. If it goes before `start`, the monitor removes the container, unless it has
said `hold` and heard `{"held":true}`: then another command may `join` the monitor and go on in its place.
"""

from __future__ import annotations

import posix
import select
from _socket import AF_UNIX, MSG_NOSIGNAL, SHUT_WR, SOCK_CLOEXEC, SOCK_SEQPACKET, socket, socketpair

from runtime import errors
from runtime.jsontext import loads
from runtime.monitor import child, listener
from runtime.monitor.child import Stdio
from runtime.monitor.eventlog import EventLog

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from runtime.monitor.connection import Connection
    from runtime.monitor.resolver import Settings

__all__ = ["Container", "MonitorConfig", "MonitorLink", "Stdio", "spawn"]

_MESSAGE = 65536


class MonitorConfig:
    """What a monitor is told about its container."""

    __slots__ = (
        "connect",
        "directory",
        "events",
        "exit_path",
        "health",
        "id",
        "journal",
        "keep_fds",
        "log_driver",
        "log_fields",
        "log_files",
        "log_limit",
        "log_path",
        "on_exit",
        "relaunch",
        "settings",
        "sleeper",
        "stdin",
        "terminal",
    )

    def __init__(
        self,
        *,
        id: str,
        directory: str,
        terminal: bool = False,
        stdin: bool = False,
        log_driver: str = "k8s-file",
        log_path: str = "",
        log_limit: int = 0,
        log_files: int = 1,
        log_fields: bytes = b"",
        journal: str = "",
        exit_path: str,
        events: EventLog | None = None,
        on_exit: list[str] | None = None,
        relaunch: list[str] | None = None,
        settings: dict[str, Any] | None = None,
        health: Callable[[int], dict[str, Any] | None] | None = None,
        connect: Callable[[int, int, str], tuple[Connection, Settings | None]] | None = None,
        keep_fds: tuple[int, ...] = (),
        sleeper: bytes = b"",
    ) -> None:
        self.id = id
        self.directory = directory
        self.terminal = terminal
        self.stdin = stdin
        self.log_driver = log_driver
        self.log_path = log_path
        self.log_limit = log_limit  # bytes; 0 for none
        self.log_files = log_files
        self.journal = journal  # journald's socket
        self.log_fields = log_fields  # what every entry in the journal says
        self.exit_path = exit_path
        self.events = events or EventLog("", 0, "", "")
        self.on_exit = on_exit or []
        self.relaunch = relaunch or []  # What starts the container again; the number of a descriptor is added.
        self.settings = settings or {}  # What may change while the container runs (see settings.py), as plain values.
        self.health = health  # Returns the settings of the health checks; called with its pid once the container runs.
        # Connects the network namespace (its path) of a process, given its pid and start time as well; returns what is
        # to be given up at its end, and what its resolver is to know, if it has one.
        self.connect = connect
        self.sleeper = sleeper  # The program that the monitor becomes while nothing happens; none keeps it as it is.
        self.keep_fds = keep_fds  # Fds of the caller that `create` needs; all others are closed in the monitor.


class Container:
    """What `create` made: a process, and what is to be removed after its end.

    `start` lets a process run that waits for that; None for one that runs already. `network`: a descriptor of its
    network namespace, if that cannot be opened by its pid yet.
    """

    __slots__ = (
        "cgroups",
        "console",
        "deletion",
        "network",
        "notifications",
        "pid",
        "start",
        "start_time",
        "state_dir",
    )

    def __init__(
        self,
        *,
        pid: int,
        start_time: int,
        start: Callable[[], None] | None,
        console: int | None = None,
        cgroups: list[str] | None = None,
        state_dir: str = "",
        deletion: list[str] | None = None,
        network: int | None = None,
    ) -> None:
        self.pid = pid
        self.start_time = start_time
        self.console = console
        self.cgroups = cgroups or []
        self.state_dir = state_dir
        self.deletion = deletion or []  # the command line that deletes it, where its state is not ours
        self.network = network
        self.start = start
        self.notifications = -1  # a socket to which the container sends what its service manager is to know


class MonitorLink:
    """The command's end of the connection to a monitor that it forked."""

    __slots__ = ("_exit_code", "_pidfd", "_sync", "attach_fd", "monitor_pid", "pid", "start_time")

    def __init__(self, monitor_pid: int, sync: socket, attach_fd: int) -> None:
        self.monitor_pid = monitor_pid
        self.attach_fd = attach_fd  # An attach client from before the start; whoever takes it sets this to -1.
        self.pid = 0
        self.start_time = 0
        self._sync = sync
        self._pidfd = posix.pidfd_open(monitor_pid)
        self._exit_code: int | None = None

    def start(self) -> None:
        """Start the container; if that fails, the monitor has removed it when the error is raised."""
        try:
            self._sync.send(b"start", MSG_NOSIGNAL)
        except OSError:
            pass  # The answer tells why.
        self._receive()

    def hold(self) -> None:
        """Leave the container created, for another command to start it."""
        try:
            self._sync.send(b"hold", MSG_NOSIGNAL)
        except OSError:
            pass  # The answer tells why.
        self._receive()
        self._close_fds()

    def wait(self) -> int:
        """Wait for the end of the container and of its monitor; return the exit code, 128+n for signal n."""
        if self.attach_fd >= 0:
            # Nobody reads it: a client that takes nothing would hold up the container.
            posix.close(self.attach_fd)
            self.attach_fd = -1
        while (message := self._read()) is not None:
            self._exit_code = message.get("exit", self._exit_code)
        self.close()
        if self._exit_code is None:
            raise errors.OCIRuntimeError("the monitor of the container ended without telling an exit code")
        return self._exit_code

    def detach(self) -> None:
        """Listen no more: the monitor goes on alone."""
        try:
            self._sync.send(b"detach", MSG_NOSIGNAL)
        except OSError:
            pass
        self._close_fds()

    def close(self) -> None:
        """End the connection, and wait until the monitor has gone."""
        if self.attach_fd >= 0:
            posix.close(self.attach_fd)
            self.attach_fd = -1
        try:
            # Not closed yet: the monitor is to see that somebody is there to remove what is left. If it did that
            # itself, it would wait for the very locks that we may hold.
            self._sync.shutdown(SHUT_WR)
        except OSError:
            pass
        if self._pidfd >= 0:
            poller = select.poll()
            poller.register(self._pidfd, select.POLLIN)
            poller.poll()
        try:
            posix.waitpid(self.monitor_pid, 0)
        except OSError:
            pass  # it is not our child
        self._close_fds()

    def receive_created(self) -> None:
        """Wait until the container is created."""
        message = self._receive()
        self.pid = message["pid"]
        self.start_time = message["start_time"]

    def _receive(self) -> dict[str, Any]:
        """Return the monitor's next message; an error is raised once the monitor has gone."""
        message = self._read()
        if message is None or "error" in message:
            self.close()
            raise _error(message)
        return message

    def _read(self) -> dict[str, Any] | None:
        """Return the next message, or None when the monitor has gone, killed or not.

        Its end is not taken from the socket alone: a container's init that was forked from the monitor may hold
        a copy of that for a moment.
        """
        poller = select.poll()
        poller.register(self._sync.fileno(), select.POLLIN)
        poller.register(self._pidfd, select.POLLIN)
        ready = dict(poller.poll())
        if self._sync.fileno() in ready:
            try:
                text = self._sync.recv(_MESSAGE)
            except OSError:
                text = b""
            if text:
                message: dict[str, Any] = loads(text)
                return message
            poller.unregister(self._sync.fileno())
            poller.poll()
        return None

    def _close_fds(self) -> None:
        self._sync.close()
        for fd in (self._pidfd, self.attach_fd):
            if fd >= 0:
                posix.close(fd)
        self._pidfd = self.attach_fd = -1


def spawn(
    config: MonitorConfig, create: Callable[[Stdio], Container], meanwhile: Callable[[], None] | None = None
) -> MonitorLink:
    """Fork a monitor and have it create the container; the calling process must be single-threaded.

    `meanwhile` is called in this process while the monitor is at work: the place for imports that come later anyway.

    What fails in `create` is raised here, as the same class if it is one of runtime.errors, and leaves no process.
    """
    sync, monitor_sync = _pair()
    attach, monitor_attach = _pair()
    monitor_pid = _fork_for_service() if config.settings.get("in_service") else posix.fork()
    if monitor_pid == 0:
        child.run(config, create, monitor_sync.fileno(), monitor_attach.fileno())
    monitor_sync.close()
    monitor_attach.close()
    link = MonitorLink(monitor_pid, sync, attach.detach())
    try:
        if meanwhile is not None:
            meanwhile()
        link.receive_created()
    except BaseException:
        if link.attach_fd >= 0:
            link.close()
        raise
    return link


def _fork_for_service() -> int:
    """Fork a process that is nobody's child, so that a service manager adopts it: others it does not see the end of."""
    reading, writing = posix.pipe2(posix.O_CLOEXEC)
    between = posix.fork()
    if between == 0:
        try:
            pid = posix.fork()
        except OSError:
            posix._exit(1)
        if pid == 0:
            return 0
        posix.write(writing, b"%d" % pid)
        posix._exit(0)
    posix.close(writing)
    answer = posix.read(reading, 32)
    posix.close(reading)
    posix.waitpid(between, 0)
    if not answer:
        raise errors.OCIRuntimeError("the monitor of the container could not be started: too many processes")
    return int(answer)


def join(directory: str, monitor_pid: int, pid: int) -> MonitorLink:
    """Return a link to a monitor that holds a created container, as its own command had; OSError if there is none."""
    attach = listener.connect(directory)
    try:
        sync = socket(fileno=listener.connect(directory, listener.START))
        link = MonitorLink(monitor_pid, sync, attach)
    except BaseException:
        posix.close(attach)
        raise
    link.pid = pid
    return link


def _pair() -> tuple[socket, socket]:
    """Make a pair of sockets whose fds are not those of the standard streams, even if the caller has closed these."""
    low: list[socket] = []
    while True:
        pair = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC)
        if min(end.fileno() for end in pair) > 2:
            break
        low.extend(pair)
    for end in low:
        end.close()
    return pair


def _error(message: dict[str, Any] | None) -> errors.OCIRuntimeError:
    if message is None:
        return errors.OCIRuntimeError("the monitor of the container was killed")
    kind: type[errors.OCIRuntimeError] = getattr(errors, message["error"], errors.OCIRuntimeError)
    return kind(message["message"], hint=message["hint"])
