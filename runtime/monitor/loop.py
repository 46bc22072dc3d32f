"""The monitor's loop: the container's output to log and clients, its input from clients, until it ends.

The same code runs twice: in the process that was forked from the command, for the container's first second, and then
in a bare interpreter. So it, and all that it imports, gets by with posix, select, time and _signal; `freeze` and `thaw`
carry the state over as plain values (see reexec.py). An idle monitor sleeps in poll(2) without any timeout.
"""

from __future__ import annotations

import posix
import select
import time

from runtime.moments import milliseconds_until
from runtime.monitor import connection, control, readiness
from runtime.monitor.clients import MAXIMUM, Client
from runtime.monitor.eventlog import EventLog
from runtime.monitor.log import STDERR, STDOUT, Log, journal_log
from runtime.monitor.oom import kills

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Iterator
    from types import FrameType
    from typing import Any

    from runtime.monitor.connection import Connection
    from runtime.monitor.dormant import Poller
    from runtime.monitor.health import Health
    from runtime.monitor.journald import JournalLog
    from runtime.monitor.resolver import Resolver
else:
    import _signal

# What one read of output brings at most. With twice as much, the copies that the log makes of it would pass the limit
# from which the C library gives memory back at once: a page fault for every 4 KiB, and half the throughput.
_CHUNK = 32768
_PACKET = 65536  # A client's packet must be read whole.
_IN = select.POLLIN
_OUT = select.POLLOUT
_HANGUP = select.POLLHUP | select.POLLERR
_IGNORED = (_signal.SIGHUP, _signal.SIGINT, _signal.SIGQUIT, _signal.SIGPIPE, _signal.SIGUSR1, _signal.SIGUSR2)
# The state that moves into the bare interpreter as it is; log and clients are objects of their own.
_FDS = tuple("pidfd console peer stdin stdout stderr listener ctl lock sync memory notifications".split())
_VALUES = (
    "id directory pid cgroups oom slice_kills state_dir deletion exit_path on_exit unsent stdin_ends line status "
    "size settings spare relaunch restarts delay began resume_at kill_at times_out terminated sleeper"
).split()


class Loop:
    """The state of one monitor. An fd of -1 is one that is closed or was never there."""

    id: str
    directory: bytes
    pid: int = 0
    cgroups: list[bytes]
    slice_kills: int = -1  # For want of memory, when it began; see oom.py.
    state_dir: bytes
    deletion: list[bytes]
    exit_path: bytes
    on_exit: list[bytes]
    log: Log | JournalLog

    def __init__(self) -> None:
        self.pidfd = self.console = self.peer = self.stdin = self.stdout = self.stderr = -1
        self.listener = self.ctl = self.lock = self.sync = self.memory = self.notifications = -1
        self.events = EventLog("", 0, "", "")
        self.oom = False  # The kernel has killed for want of memory.
        self.clients: list[Client] = []
        self.unsent = b""  # Input that the container has not taken yet.
        self.stdin_ends = False  # Close the container's input once `unsent` is gone.
        self.line = b""  # The beginning of a line from the ctl fifo.
        self.status: int | None = None  # The container's wait status.
        self.size = (0, 0)  # Of the terminal, as last told.
        self.settings: dict[str, Any] = {}  # What can change while the container runs; see settings.py.
        self.relaunch: list[bytes] = []  # The command line that starts the container again.
        # See restarting.py: starts after the first; the last delay; when this run began, and when the next one will.
        self.restarts = 0
        self.delay = self.began = self.resume_at = 0.0
        self.again = False  # The container is to be started again whatever the policy says.
        self.kill_at = 0.0  # When the container is killed; 0 for never.
        self.times_out = False  # That is the end of the time that it was given at its creation.
        self.health: Health | None = None
        self.network: Connection | None = None  # What connects the container.
        self.resolver: Resolver | None = None  # Answers the container's questions for names.
        self.sleeper = b""  # The program that this process is while nothing happens; see dormant.py.
        self.spare = b""  # The code of modules that are needed once a container without names gets some.
        self.poked = False  # Somebody wants us to look what is wanted of us.
        self.terminated = False  # We were told to end.
        self.full = False  # No fd was left for one more client.
        self.wake = -1
        self.poller: select.poll | Poller = select.poll()
        self.masks: dict[int, int] = {}

    def freeze(self) -> dict[str, Any]:
        """Return the state as values that marshal can write."""
        state: dict[str, Any] = {name: getattr(self, name) for name in (*_FDS, *_VALUES)}
        state["events"] = self.events.freeze()
        state["log"] = (type(self.log) is Log, self.log.freeze())
        state["health"] = self.health and self.health.freeze()
        state["clients"] = [client.freeze() for client in self.clients]
        state["network"] = self.network and connection.freeze(self.network)
        state["resolver"] = self.resolver and self.resolver.freeze()
        return state

    @staticmethod
    def thaw(state: dict[str, Any]) -> Loop:
        """Make the loop again from what `freeze` returned."""
        loop = Loop()
        for name in (*_FDS, *_VALUES):
            setattr(loop, name, state[name])
        loop.events = EventLog.thaw(state["events"])
        is_file, log = state["log"]
        loop.log = Log.thaw(log) if is_file else journal_log(log)
        loop.health = control.thawed(state["health"]) if state["health"] else None
        loop.clients = [Client.thaw(client) for client in state["clients"]]
        if state["network"]:
            loop.network = connection.thaw(*state["network"])
        if state["resolver"]:
            from runtime.monitor.resolver import Resolver

            loop.answer_names(Resolver.thaw(state["resolver"]))
        return loop

    def needs_journald(self) -> bool:
        """Tell whether something is sent to the journal."""
        return bool(self.events.journal) or type(self.log) is not Log

    def fds(self) -> list[int]:
        """Return the fds that must survive an exec."""
        own = [*(getattr(self, name) for name in _FDS), *(self.health.fds() if self.health else ())]
        own += [*(self.network.fds() if self.network else ()), *(self.resolver.fds() if self.resolver else ())]
        return [fd for fd in [*own, *self.log.fds(), *(client.fd for client in self.clients)] if fd >= 0]

    def health_changed(self, status: str) -> None:
        """Tell who waits for a healthy container."""
        if status == "healthy":
            readiness.announce(self)

    def signal(self, number: int) -> None:
        """Send a signal to the container, if it is still there."""
        try:
            _signal.pidfd_send_signal(self.pidfd, number)
        except OSError:
            pass

    def catch_signals(self) -> None:
        """Ignore what a terminal or a careless kill sends; have SIGTERM and SIGCHLD wake the loop."""
        read_end, write_end = posix.pipe2(posix.O_CLOEXEC | posix.O_NONBLOCK)
        self.wake = read_end
        _signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        for number in _IGNORED:
            _signal.signal(number, _signal.SIG_IGN)
        for number in (_signal.SIGTERM, _signal.SIGCHLD):
            _signal.signal(number, _nothing)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, ())

    def serve(self, deadline: float | None) -> bool:
        """Look after the container until it has ended (True), or until the deadline (False)."""
        try:
            return self._serve(deadline)
        except Exception:
            # Out of memory, or a bug of ours. Nobody can be told; at least the exit record will be true.
            for fd in [*(fd for fd, _ in self._outputs()), *(client.fd for client in self.clients)]:
                posix.close(fd)
            self.stdout = self.stderr = self.console = -1
            self.clients = []
            while self.status is None:
                select.select([self.pidfd], [], [])
                self._reap()
            return True

    def _serve(self, deadline: float | None) -> bool:
        while self.status is None:
            self._update_masks()
            if self.health and not (self.clients or self.kill_at or self.resolver or deadline):
                events = self.health.watch(self)
            else:
                events = self.poller.poll(self._timeout(deadline))
            for fd, event in events:
                if fd in self.masks:
                    self._dispatch(fd, event)
            if self.clients:
                self._cut_off_stalled()
            if self.kill_at or self.health or self.resolver:
                self._keep_time()
            if deadline is not None and time.monotonic() >= deadline:
                return self.status is not None
        return True

    def flush_clients(self) -> None:
        """After the container's end: wait until the clients have taken what they will take."""
        while any(client.pending for client in self.clients):
            self._update_masks()
            for fd, event in self.poller.poll(self._timeout(None)):
                if fd in self.masks:
                    self._dispatch(fd, event)
            self._cut_off_stalled()

    def rest(self, deadline: float) -> None:
        """After the container's end: look after the clients until the deadline, or until somebody pokes us."""
        self.poked = False
        while not self.poked and time.monotonic() < deadline:
            self._update_masks()
            for fd, event in self.poller.poll(self._timeout(deadline)):
                if fd in self.masks:
                    self._dispatch(fd, event)
            self._cut_off_stalled()

    def drain(self) -> None:
        """Take what the container's pipes still hold.

        What survived it may write for ever: a pipe's capacity is all that can be left by the container itself.
        """
        for fd, stream in self._outputs():
            left = 2 << 20
            while left > 0:
                data = _read(fd)
                if not data:
                    break
                left -= len(data)
                self._emit(stream, data)

    def _keep_time(self) -> None:
        now = time.monotonic()
        if self.kill_at and now >= self.kill_at:
            self.kill_at = 0.0
            self.signal(_signal.SIGKILL)
        if self.health and self.status is None:
            self.health.tick(self, now)
        if self.resolver:
            self.resolver.tick(now)

    def close_resolver(self) -> None:
        """Answer no more names: the sockets would keep the container's network namespace."""
        if self.resolver:
            for fd in self.resolver.detach():
                self.forget(fd)
            self.resolver = None

    def answer_names(self, resolver: Resolver) -> None:
        """Have a resolver answer the container's questions for names."""
        resolver.close_with(self.forget)
        self.resolver = resolver

    def _cut_off_stalled(self) -> None:
        """Drop the clients that have taken nothing for too long."""
        now = time.monotonic()
        for client in [client for client in self.clients if client.stalled(now)]:
            self._drop(client)

    def _timeout(self, deadline: float | None) -> int | None:
        moments = [client.deadline for client in self.clients if client.pending and not client.primary]
        if deadline is not None:
            moments.append(deadline)
        if self.status is None:
            moments += [self.kill_at] if self.kill_at else []
            moments += [self.health.moment()] if self.health else []
            moments += self.resolver.moments() if self.resolver else []
        return milliseconds_until(min(moments)) if moments else None

    def _outputs(self) -> Iterator[tuple[int, int]]:
        for fd, stream in ((self.stdout, STDOUT), (self.stderr, STDERR), (self.console, STDOUT)):
            if fd >= 0:
                yield fd, stream

    def _interests(self) -> dict[int, int]:
        """Return what to wait for. An fd that is not here raises no event, not even of hang-up."""
        wanted = {fd: _IN for fd in (self.wake, self.sync, self.ctl, self.listener) if fd >= 0}
        if self.listener >= 0 and (self.full or len(self.clients) >= MAXIMUM):
            del wanted[self.listener]
        if self.memory >= 0:
            wanted[self.memory] = select.POLLPRI
        if self.status is None:
            wanted[self.pidfd] = _IN
            if not any(client.pending for client in self.clients):
                wanted.update((fd, _IN) for fd, _ in self._outputs())
            if self.notifications >= 0:
                wanted[self.notifications] = _IN
            if self.health:
                wanted.update((fd, _IN) for fd in self.health.heard_by)
            if self.network:
                wanted.update((fd, _IN) for fd in self.network.waits_for())
            if self.resolver:
                wanted.update(self.resolver.waits_for())
        if self.unsent:
            wanted[self.stdin] = wanted.get(self.stdin, 0) | _OUT
        for client in self.clients:
            if client.pending or not (client.readable and self.unsent):
                wanted[client.fd] = (_OUT if client.pending else 0) | (
                    _IN if client.readable and not self.unsent else 0
                )
        return wanted

    def _update_masks(self) -> None:
        wanted = self._interests()
        if wanted == self.masks:
            return
        for fd in self.masks.keys() - wanted.keys():
            self.poller.unregister(fd)
        for fd, mask in wanted.items():
            if self.masks.get(fd) != mask:
                self.poller.register(fd, mask)
        self.masks = wanted

    def forget(self, fd: int) -> None:
        """Close an fd that may be polled."""
        if self.masks.pop(fd, None) is not None:
            self.poller.unregister(fd)
        posix.close(fd)

    def _dispatch(self, fd: int, event: int) -> None:
        if fd == self.stdin and self.unsent:
            self._feed(b"")
        if fd == self.stdout or fd == self.stderr or fd == self.console:
            if event & (_IN | _HANGUP):
                self._output(fd)
        elif fd == self.pidfd:
            self._reap()
        elif fd == self.wake:
            self.take_signals()
        elif fd == self.listener:
            self._accept()
        elif fd == self.ctl:
            control.obey(self)
        elif fd == self.sync:
            self._command()
        elif fd == self.memory:
            self._watch_memory()
        elif fd == self.notifications:
            readiness.relay(self)
        elif self.health and fd in self.health.heard_by:
            self.health.heard(self, fd)
        elif self.network and fd in self.network.waits_for():
            self.forget(self.network.heard(fd))
        elif self.resolver and self.resolver.has(fd):
            self.resolver.heard(fd, event)
        else:
            self._client(fd, event)

    def _watch_memory(self) -> None:
        count = kills(self.memory)
        if count:  # Once is enough; -1 when the cgroup is gone.
            self.oom = count > 0
            self.forget(self.memory)
            self.memory = -1

    def _output(self, fd: int) -> None:
        data = _read(fd)
        if data:
            self._emit(STDERR if fd == self.stderr else STDOUT, data)
        elif data is not None:
            self._close_output(fd)

    def _emit(self, stream: int, data: bytes) -> None:
        self.log.write(stream, data)
        for client in list(self.clients):
            if not client.send(stream, data):
                self._drop(client)

    def _close_output(self, fd: int) -> None:
        if fd == self.console:
            self.console = self.stdin = -1
            self.unsent = b""
        elif fd == self.stdout:
            self.stdout = -1
        else:
            self.stderr = -1
        self.forget(fd)

    def _feed(self, data: bytes) -> None:
        """Write input to the container, and keep what it does not take now."""
        self.unsent += data
        if self.stdin < 0:
            self.unsent = b""
            return
        try:
            while self.unsent:
                self.unsent = self.unsent[posix.write(self.stdin, self.unsent) :]
        except BlockingIOError:
            return
        except OSError:
            self.unsent = b""
            self.stdin_ends = True
        if self.stdin_ends:
            self._close_stdin()

    def end_stdin(self) -> None:
        """Close the container's input after what is still to be written; a terminal's stays open."""
        self.stdin_ends = True
        if not self.unsent:
            self._close_stdin()

    def _close_stdin(self) -> None:
        if self.stdin >= 0 and self.stdin != self.console:
            self.forget(self.stdin)
            self.stdin = -1

    def _client(self, fd: int, event: int) -> None:
        client = next((client for client in self.clients if client.fd == fd), None)
        if client is None:
            return
        if event & _OUT and not client.flush():
            self._drop(client)
        elif event & _IN and client.readable:
            self._input(client, hung_up=bool(event & select.POLLHUP))
        elif event & _HANGUP:
            self._drop(client)

    def _input(self, client: Client, *, hung_up: bool) -> None:
        data = _read(client.fd, _PACKET)
        if data:
            client.feeds = True
            self._feed(data)
        elif data is not None:
            client.readable = False
            if hung_up:
                self._drop(client)
            else:
                self.end_stdin()

    def _drop(self, client: Client) -> None:
        """Close a client. One that fed the input and went without a word ends the input, as a pipe would."""
        if client.primary and self.sync >= 0:
            self._command()  # Perhaps it said that it detaches.
        if client in self.clients:
            self.clients.remove(client)
            self.forget(client.fd)
            self.full = False
            if client.feeds:
                self.end_stdin()

    def _command(self) -> None:
        """Hear the command that started the container: it detaches, or it is gone."""
        message = _read(self.sync)
        if message == b"detach":
            for client in self.clients:
                client.feeds = client.feeds and not client.primary
        elif message is not None:
            self.forget(self.sync)
            self.sync = -1
            if self.settings.get("ends_with_command") and self.status is None:
                self.signal(_signal.SIGKILL)

    def _accept(self) -> None:
        import _socket  # at the first client: most monitors never have one

        listener = _socket.socket(fileno=self.listener)
        try:
            fd, _ = listener._accept()  # type: ignore[attr-defined]
        except BlockingIOError:
            return
        except OSError:
            self.full = True
            return
        finally:
            listener.detach()
        posix.set_blocking(fd, False)
        self.clients.append(Client(fd))

    def take_signals(self) -> None:
        """Act on the signals that came since the last look."""
        numbers = _read(self.wake) or b""
        if _signal.SIGCHLD in numbers:
            self._reap()
        if _signal.SIGTERM in numbers:
            control.terminate(self)

    def _reap(self) -> None:
        """Take the container's status, and bury the orphans that came to its subreaper."""
        try:
            while True:
                pid, status = posix.waitpid(-1, posix.WNOHANG)
                if not pid:
                    return
                if pid == self.pid:
                    self.status = status
                    if self.memory >= 0:
                        self._watch_memory()  # poll(2) may tell of a kill 10 ms late, when the cgroup is gone
        except OSError:
            # No child is left: had the container's status been lost, its end would never come.
            if self.status is None:
                self.status = 255 << 8


def _nothing(number: int, frame: FrameType | None) -> None:
    """Let the signal only wake poll(2), through the wakeup fd."""


def _read(fd: int, size: int = _CHUNK) -> bytes | None:
    """Read what there is: empty at the end (EIO of a terminal included), None for nothing now."""
    try:
        return posix.read(fd, size)
    except BlockingIOError:
        return None
    except OSError:
        return b""
