"""The forked monitor: from the fork to the container's start, and its first second.

It comes out of a process that may hold databases, terminals and half-written output. So it closes every fd that is not
its own, runs none of its parent's finalizers (it leaves by _exit or exec only), and says what goes wrong over the sync
socket alone.
"""

from __future__ import annotations

import fcntl
import gc
import posix
import select
import time

from runtime import process, syscalls
from runtime.errors import CommandNotFoundError, OCIRuntimeError
from runtime.jsontext import dumps
from runtime.monitor import bare, control, ending, eventlog, listener, oom, readiness
from runtime.monitor.clients import Client
from runtime.monitor.log import Log, journal_log
from runtime.monitor.loop import Loop
from runtime.monitor.reexec import reexec

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Callable, Sequence
    from typing import Any, NoReturn

    from runtime.monitor.connection import Connection
    from runtime.monitor.journald import JournalLog
    from runtime.monitor.resolver import Settings as ResolverSettings
    from runtime.monitor.spawn import Container, MonitorConfig
else:
    import _signal

_FIRST_SECOND = 1.0
_LOCK_PATIENCE = 10.0
_TIOCGPTPEER = 0x5441
_LAST_FD = 0x7FFFFFFF


class Stdio:
    """The container's ends of its standard streams; -1 where a terminal takes their place.

    `caller` is a socket that hangs up when the command which waits for the container has gone; -1 for none.
    """

    __slots__ = ("caller", "stderr", "stdin", "stdout")

    def __init__(self, stdin: int = -1, stdout: int = -1, stderr: int = -1) -> None:
        self.caller = -1
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr


def run(config: MonitorConfig, create: Callable[[Stdio], Container], sync: int, primary: int) -> NoReturn:
    """Be the monitor: create the container, wait for the word to start it, and look after it until its end."""
    try:
        streams = _own_streams() if config.log_driver == "passthrough" else []
        leave_parent(sorted({sync, primary, *config.keep_fds, *streams}))
        posix.setsid()
        loop = new_loop(config)
        loop.sync = sync
        loop.clients.append(Client(primary, primary=True, feeds=config.stdin))
        try:
            _make_files(config, loop)
            container = make(config, create, loop, streams)
        except BaseException as error:
            _fail(loop, error)
        _start(config, loop, container)
        look_after(loop, config)
    finally:
        posix._exit(1)


def look_after(loop: Loop, config: MonitorConfig) -> NoReturn:
    """Look after a container that has started, to its end: after a second in a bare interpreter."""
    loop.began = time.monotonic()
    if loop.settings.get("timeout"):
        loop.kill_at, loop.times_out = loop.began + loop.settings["timeout"], True
    if loop.wake < 0:
        loop.catch_signals()
    if loop.settings.get("notify_at_start"):
        readiness.announce(loop)
    if config.health is not None:
        _watch_health(loop, config.health)
    if not loop.serve(loop.began + _FIRST_SECOND):
        reexec(loop)
        loop.serve(None)
    ending.finish(loop, slim=reexec)


def _watch_health(loop: Loop, health: Callable[[int], dict[str, Any] | None]) -> None:
    """Begin the health checks; a container that has ended by now has none."""
    try:
        control.take_settings(loop, {**loop.settings, "health": health(loop.pid)})
    except Exception:
        return  # it cannot be probed, which its state will show: starting, for ever
    if loop.health:
        loop.health.write()


def new_loop(config: MonitorConfig) -> Loop:
    """Return a loop that knows what the monitor was told."""
    loop = Loop()
    loop.id = config.id
    loop.directory = _bytes(config.directory)
    loop.exit_path = _bytes(config.exit_path)
    loop.on_exit = [_bytes(argument) for argument in config.on_exit]
    loop.relaunch = [_bytes(argument) for argument in config.relaunch]
    loop.settings = config.settings
    loop.sleeper = config.sleeper
    loop.events = config.events
    loop.log = Log(b"")
    return loop


def _own_streams() -> list[int]:
    """Return copies of the command's standard streams, for a container that gets them as its own."""
    found = []
    for fd in range(3):
        try:
            found.append(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3))
        except OSError:  # closed
            null = posix.open("/dev/null", posix.O_RDWR | posix.O_CLOEXEC)
            found.append(fcntl.fcntl(null, fcntl.F_DUPFD_CLOEXEC, 3))
            posix.close(null)
    return found


def _fail(loop: Loop, error: BaseException) -> NoReturn:
    """Tell that there is no container, and leave nothing of it."""
    if loop.pid:
        posix.kill(loop.pid, ending.KILL)
        ending.delete_container(loop)
    if loop.lock >= 0:
        ending.remove_files(loop.directory, (b"monitor", b"attach", b"ctl"))
    ending.leave([] if ending.tell(loop.sync, describe(error)) else loop.on_exit)


def leave_parent(kept: list[int], blocked: Sequence[int] = ()) -> None:
    """Drop what this process has of the command: signal handlers, standard streams, every fd but `kept`.

    All signals but those `blocked` may come from then on.
    """
    gc.disable()
    _signal.set_wakeup_fd(-1)
    ending.default_signals()
    _signal.signal(_signal.SIGPIPE, _signal.SIG_IGN)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, blocked)
    first = 3
    for fd in kept:
        posix.closerange(first, fd)
        first = fd + 1
    posix.closerange(first, _LAST_FD)
    null = posix.open("/dev/null", posix.O_RDWR)
    for fd in range(3):
        posix.dup2(null, fd)
    if null > 2:
        posix.close(null)
    posix.umask(0o022)
    syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
    bare.set_name()


def _make_files(config: MonitorConfig, loop: Loop) -> None:
    """Take the place of the container's monitor, and forget what an earlier one left."""
    loop.lock = _lock(loop.directory)
    ending.remove_files(loop.directory, (b"pid", b"attach", b"ctl", b"start"))
    _unlink(loop.exit_path)
    write_process(loop.directory + b"/monitor", posix.getpid())


def make(
    config: MonitorConfig, create: Callable[[Stdio], Container], loop: Loop, streams: Sequence[int] = ()
) -> Container:
    """Make the container and the ways to it; what fails leaves only files behind.

    `streams` are what a container without log gets as its standard streams (the driver `passthrough`).
    """
    directory = loop.directory
    loop.log = _log(config)
    try:
        loop.log.open()
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise OCIRuntimeError(f"failed to open log file {config.log_path}: {reason}") from error
    loop.listener = listener.listen(directory)
    loop.ctl = _open_control(directory)
    if config.terminal:
        stdio = Stdio()
    elif config.log_driver == "passthrough":
        stdio = Stdio(*streams) if streams else _nowhere()
    else:
        stdio = _pipes(loop, keep_stdin=config.stdin)
    stdio.caller = loop.sync
    container = create(stdio)
    for fd in {stdio.stdin, stdio.stdout, stdio.stderr, *streams} - {-1}:
        posix.close(fd)
    _take_over(loop, container)
    if config.connect is not None:
        _connect(loop, container, config.connect)
    return container


def _connect(
    loop: Loop,
    container: Container,
    connect: Callable[[int, int, str], tuple[Connection, ResolverSettings | None]],
) -> None:
    """Connect the container to its networks."""
    namespace = f"/proc/{container.pid}/ns/net" if container.network is None else f"/proc/self/fd/{container.network}"
    loop.network, settings = connect(container.pid, container.start_time, namespace)
    if settings is not None:
        from runtime.monitor import resolver_sockets

        resolver_sockets.answer_names(loop, namespace, settings)


def _log(config: MonitorConfig) -> Log | JournalLog:
    """Return the log that was asked for; `none` and `passthrough` have none."""
    if config.log_driver == "journald":
        return journal_log((config.journal, config.log_fields))
    path = _bytes(config.log_path) if config.log_driver == "k8s-file" else b""
    return Log(path, limit=config.log_limit, files=config.log_files, notice=_bytes(config.directory) + b"/lost")


def _nowhere() -> Stdio:
    """Return streams for a container that is started again when the command whose streams it had is gone."""
    return Stdio(*(posix.open("/dev/null", posix.O_RDWR | posix.O_CLOEXEC) for _ in range(3)))


def _take_over(loop: Loop, container: Container) -> None:
    """Note what the loop needs to know of the container."""
    loop.pid = container.pid
    loop.cgroups = [_bytes(path) for path in container.cgroups]
    loop.memory, loop.slice_kills = oom.watch(loop.cgroups), oom.kills_in_slice(loop.cgroups)
    loop.state_dir = _bytes(container.state_dir)
    loop.deletion = [_bytes(argument) for argument in container.deletion]
    loop.pidfd = posix.pidfd_open(container.pid)
    loop.notifications = container.notifications
    if container.console is not None:
        loop.console = loop.stdin = container.console
        posix.set_inheritable(loop.console, False)
        posix.set_blocking(loop.console, False)
        try:
            # With one slave end always open, the master never reports the hang-up that it otherwise would while
            # no process of the container has the terminal open.
            loop.peer = fcntl.ioctl(loop.console, _TIOCGPTPEER, posix.O_RDWR | posix.O_NOCTTY | posix.O_CLOEXEC)
        except OSError:
            loop.peer = -1
    for fd in (loop.stdin, loop.stdout, loop.stderr, *(client.fd for client in loop.clients)):
        if fd >= 0:
            posix.set_blocking(fd, False)


def _start(config: MonitorConfig, loop: Loop, container: Container) -> None:
    """Start the container when the command says so, or another one; without the word nothing is left of it."""
    posix.chdir("/")
    try:
        write_process(loop.directory + b"/pid", container.pid, container.start_time)
    except OSError:
        ending.abort(loop)
    loop.events.reach(eventlog.MADE)
    document = dumps({"pid": container.pid, "start_time": container.start_time})
    # What runs already may well have ended before the word comes.
    waits = container.start is not None
    word = b""
    if ending.tell(loop.sync, document.encode()):
        word = _hear(loop.sync, loop.pidfd if waits else -1)
    if word == b"hold" and waits:
        word = _hold(loop, feeds=config.stdin)
    if word != b"start":
        ending.abort(loop)
    try:
        if container.start is not None:
            container.start()
        if container.network is not None:
            posix.close(container.network)  # until now commands could find it here only (see pod.networks.connecting)
    except BaseException as error:
        ending.tell(loop.sync, describe(error))
        ending.abort(loop, 127 if isinstance(error, CommandNotFoundError) else 126)
    loop.events.reach(eventlog.STARTED)
    ending.tell(loop.sync, b'{"started":true}')
    posix.set_blocking(loop.sync, False)


def _hold(loop: Loop, *, feeds: bool) -> bytes:
    """Let the command go, wait for another one that comes to start the container, and return what that says.

    That one is then what the first would have been: with its end of the sync socket, and the primary client, to which
    it has connected before. Nothing if the container's process has ended meanwhile, or is to end by a SIGTERM for us.
    """
    door = listener.listen(loop.directory, listener.START)
    ending.tell(loop.sync, b'{"held":true}')
    posix.close(loop.clients.pop().fd)
    posix.close(loop.sync)
    loop.sync = -1
    poller = select.poll()
    poller.register(door, select.POLLIN)
    poller.register(loop.pidfd, select.POLLIN)
    loop.catch_signals()
    poller.register(loop.wake, select.POLLIN)
    while door not in (ready := dict(poller.poll())):
        if loop.pidfd in ready or _signal.SIGTERM in posix.read(loop.wake, 4096):
            return b""
    loop.sync = listener.accept(door)
    posix.close(door)
    ending.remove_files(loop.directory, (listener.START.encode(),))
    try:
        client = listener.accept(loop.listener)
    except BlockingIOError:
        return b""
    posix.set_blocking(client, False)
    loop.clients.append(Client(client, primary=True, feeds=feeds))
    return _hear(loop.sync, loop.pidfd)


def _hear(sync: int, pidfd: int) -> bytes:
    """Return what the command says; nothing if it has gone, or if the process of `pidfd` has ended meanwhile."""
    poller = select.poll()
    for fd in (sync, pidfd):
        if fd >= 0:
            poller.register(fd, select.POLLIN)
    if sync not in dict(poller.poll()):
        return b""
    try:
        return posix.read(sync, 4096)
    except OSError:
        return b""


def describe(error: BaseException) -> bytes:
    """Write an error so that the command can raise it again: its class among runtime.errors, message, hint."""
    if isinstance(error, OSError) and error.strerror:
        message = f"`{error.filename}`: {error.strerror.lower()}" if error.filename else error.strerror.lower()
    else:
        message = str(error) or type(error).__name__
    known = [kind.__name__ for kind in type(error).__mro__ if kind.__module__ == OCIRuntimeError.__module__]
    document = {
        "error": known[0] if known else OCIRuntimeError.__name__,
        "message": message[:32768],
        "hint": str(getattr(error, "hint", ""))[:4096],
    }
    return dumps(document).encode()


def _lock(directory: bytes) -> int:
    """Take the lock that a monitor holds for life; one that is just ending is waited for."""
    fd = posix.open(directory + b"/lock", posix.O_RDWR | posix.O_CREAT | posix.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + _LOCK_PATIENCE
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise OCIRuntimeError("another monitor looks after this container already") from None
            time.sleep(0.01)
        else:
            return fd


def _pipes(loop: Loop, *, keep_stdin: bool) -> Stdio:
    """Make the container's standard streams; our ends go to the loop."""
    if keep_stdin:
        stdin, loop.stdin = posix.pipe2(posix.O_CLOEXEC)
    else:
        stdin = posix.open("/dev/null", posix.O_RDONLY | posix.O_CLOEXEC)
    loop.stdout, stdout = posix.pipe2(posix.O_CLOEXEC)
    loop.stderr, stderr = posix.pipe2(posix.O_CLOEXEC)
    # The container's user opens /dev/stdout anew, and it is not the owner of these pipes.
    for fd in (stdin, stdout, stderr) if keep_stdin else (stdout, stderr):
        posix.fchmod(fd, 0o777)
    return Stdio(stdin, stdout, stderr)


def _open_control(directory: bytes) -> int:
    path = directory + b"/ctl"
    posix.mkfifo(path, 0o600)
    # Open for writing as well: so there is always a writer, and never a hang-up.
    return posix.open(path, posix.O_RDWR | posix.O_NONBLOCK | posix.O_CLOEXEC)


def write_process(path: bytes, pid: int, start_time: int | None = None) -> None:
    """Write who a process is, in one step."""
    if start_time is None:
        start_time = process.start_time(pid)
    temporary = path + b".tmp"
    fd = posix.open(temporary, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, 0o600)
    try:
        posix.write(fd, b"%d %d\n" % (pid, start_time or 0))
    finally:
        posix.close(fd)
    posix.rename(temporary, path)


def _unlink(path: bytes) -> None:
    try:
        posix.unlink(path)
    except FileNotFoundError:
        pass


def _bytes(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")
