"""The user's side of an attached container: terminal, standard streams, signals and detach keys.

attach() moves bytes between our standard streams and the monitor until the container ends or the user detaches. Signal
handlers act at once, for a write to a slow terminal may block for long; the wakeup fd only makes sure that a signal
which comes just before poll(2) does not wait for the next event.
"""

from __future__ import annotations

import posix
import select
import sys
from errno import EAGAIN, EBADF, EIO, EISDIR, ENOTCONN

from pod.cli.terminal import hold_signals, release_signals
from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Callable
    from types import FrameType
    from typing import Any, Literal
else:
    import _signal

_CHUNK = 8192
_PACKET = 65536
_STDERR = 3
_END_OF_INPUT = b"\x04"
# Not forwarded: what the kernel sends about ourselves, and what stops a background job that touches its terminal
# (with a handler in place, its read would be tried again for ever).
_NEVER = {
    _signal.SIGKILL,
    _signal.SIGSTOP,
    _signal.SIGCHLD,
    _signal.SIGPIPE,
    _signal.SIGURG,
    _signal.SIGWINCH,
    _signal.SIGTTIN,
    _signal.SIGTTOU,
    _signal.SIGSEGV,
    _signal.SIGBUS,
    _signal.SIGFPE,
    _signal.SIGILL,
}
# Not forwarded from a terminal that is in raw mode: it was hung up, or is to be given back for a while.
_OF_THE_CONSOLE = frozenset((_signal.SIGHUP, _signal.SIGTSTP))
_FATAL = (_signal.SIGHUP, _signal.SIGINT, _signal.SIGQUIT, _signal.SIGTERM, _signal.SIGUSR1, _signal.SIGUSR2)


def attach(
    fd: int,
    *,
    stdin: bool,
    terminal: bool,
    detach_keys: str,
    sig_proxy: bool,
    relay: Callable[[int], None],
    resize: Callable[[int, int], None],
    muted: tuple[int, ...] = (),
) -> Literal["ended", "detached"]:
    """Connect our standard streams to the container behind the attach connection `fd`, which is closed at the end.

    `relay` passes a signal on to the container, with sig_proxy. What comes for a `muted` one of 1 and 2 is dropped.

    At the end of the container signals wait, until `release_signals`.

    Raises BrokenPipeError when nobody reads our output any more. The terminal is as it was in any case.
    """
    keys = parse_detach_keys(detach_keys) if terminal else b""
    signals = _Signals()
    console = _Console(resize) if terminal and stdin and posix.isatty(0) else None
    pump = _Pump(fd, keys, stdin=stdin, terminal=terminal, muted=muted)
    try:
        if console is not None:
            console.enter(signals)
        elif terminal:
            _pass_size(resize)
        if sig_proxy:
            signals.forward(relay, but=_OF_THE_CONSOLE if console is not None else frozenset())
        release_signals()
        ended = pump.run(signals.wake)
        if ended == "ended":
            # A service manager ends us, too, as soon as the monitor is gone; but there may be something to remove.
            hold_signals()
        return ended
    finally:
        if console is not None:
            console.leave()
        signals.restore()
        posix.close(fd)


def parse_detach_keys(text: str) -> bytes:
    """Return the bytes of a sequence such as "ctrl-p,ctrl-q"; empty means that there is no detaching.

    Raises PodError for a key that there is not.
    """
    keys = bytearray()
    for key in text.split(",") if text else ():
        control = key.removeprefix("ctrl-")
        if len(key) == 1 and key.isascii():
            keys += key.encode()
        elif len(control) == 1 and ((control.isascii() and control.isalpha()) or control in "@[\\]^_"):
            keys.append(ord(control.upper()) & 0x1F)
        else:
            raise PodError(
                f"invalid detach keys \"{text}\": unknown character: '{key}'",
                hint="write letters or ctrl-<letter>, separated by commas: ctrl-p,ctrl-q",
            )
    return bytes(keys)


class DetachScanner:
    """Finds the detach keys in what the user types; holds back what may be their beginning."""

    __slots__ = ("_held", "_keys")

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._held = b""

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """Return what is to be passed on, and whether the keys were pressed after it."""
        if not self._keys:
            return data, False
        data = self._held + data
        found = data.find(self._keys)
        if found >= 0:
            self._held = b""
            return data[:found], True
        held = min(len(data), len(self._keys) - 1)
        while not self._keys.startswith(data[len(data) - held :]):
            held -= 1
        self._held = data[len(data) - held :]
        return data[: len(data) - held], False

    def rest(self) -> bytes:
        """Return what is held back, when nothing more will come."""
        held, self._held = self._held, b""
        return held


class _Signals:
    """Signal handlers for the time of a session."""

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self.wake, self._wake_writer = posix.pipe2(posix.O_CLOEXEC | posix.O_NONBLOCK)
        self._wakeup_before = _signal.set_wakeup_fd(self._wake_writer, warn_on_full_buffer=False)

    def handle(self, number: int, handler: Callable[[int, FrameType | None], None]) -> None:
        """Set a handler until `restore`."""
        before = _signal.signal(number, handler)
        self._before.setdefault(number, before)

    def forward(self, relay: Callable[[int], None], *, but: frozenset[int]) -> None:
        """Pass every signal, `but` these, on to the container instead of heeding it."""
        for number in _signal.valid_signals():
            if number not in _NEVER and number not in but:
                self.handle(number, lambda number, frame: relay(number))

    def restore(self) -> None:
        """Put everything back."""
        for number, handler in self._before.items():
            _signal.signal(number, _signal.SIG_DFL if handler is None else handler)
        _signal.set_wakeup_fd(self._wakeup_before)
        for fd in (self.wake, self._wake_writer):
            posix.close(fd)


class _Console:
    """The user's terminal in raw mode: every key is the container's."""

    def __init__(self, resize: Callable[[int, int], None]) -> None:
        self._resize = resize
        self._before: list[Any] | None = None

    def enter(self, signals: _Signals) -> None:
        """Make the terminal raw; follow its size; put it back before a signal ends or stops us."""
        import termios

        self._termios = termios
        self._before = termios.tcgetattr(0)
        signals.handle(_signal.SIGWINCH, lambda number, frame: _pass_size(self._resize))
        signals.handle(_signal.SIGTSTP, self._stop)
        for number in _FATAL:
            signals.handle(number, self._die)
        self._make_raw()
        _pass_size(self._resize)

    def leave(self) -> None:
        """Make the terminal what it was."""
        if self._before is not None:
            try:
                self._termios.tcsetattr(0, self._termios.TCSADRAIN, self._before)
            except self._termios.error:
                pass  # It was hung up.

    def _make_raw(self) -> None:
        termios = self._termios
        mode = termios.tcgetattr(0)
        mode[0] &= ~(
            termios.BRKINT
            | termios.IGNBRK
            | termios.ICRNL
            | termios.INLCR
            | termios.IGNCR
            | termios.INPCK
            | termios.ISTRIP
            | termios.IXON
            | termios.PARMRK
        )
        mode[1] &= ~termios.OPOST
        mode[2] = mode[2] & ~(termios.CSIZE | termios.PARENB) | termios.CS8
        mode[3] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.IEXTEN | termios.ISIG)
        mode[6] = list(mode[6])
        mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
        termios.tcsetattr(0, termios.TCSANOW, mode)

    def _die(self, number: int, frame: FrameType | None) -> None:
        self.leave()
        _signal.signal(number, _signal.SIG_DFL)
        posix.kill(posix.getpid(), number)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.leave()
        posix.kill(posix.getpid(), _signal.SIGSTOP)
        self._make_raw()
        _pass_size(self._resize)


class _Pump:
    """Moves the bytes."""

    def __init__(self, fd: int, keys: bytes, *, stdin: bool, terminal: bool, muted: tuple[int, ...]) -> None:
        self.muted = muted
        self.fd = fd
        self.terminal = terminal
        self.reading = stdin
        self.scanner = DetachScanner(keys)
        self.unsent = b""
        self.ends = False  # Our input has ended; say so after `unsent`.
        self.line_is_empty = True
        posix.set_blocking(fd, False)

    def run(self, wake: int) -> Literal["ended", "detached"]:
        """Run until the container's end, or until the detach keys."""
        if self.reading and _is_closed(0):
            self._end_input()
        while True:
            poller = select.poll()
            poller.register(wake, select.POLLIN)
            poller.register(self.fd, select.POLLIN | (select.POLLOUT if self.unsent else 0))
            if self.reading and not self.unsent:
                poller.register(0, select.POLLIN)
            events = dict(poller.poll())
            if wake in events:
                _read(wake)
            if events.get(self.fd, 0) & ~select.POLLOUT and not self._output():
                return "ended"
            if 0 in events and not self._input():
                return "detached"
            if self.unsent:
                self._send()

    def _output(self) -> bool:
        """Write out one packet; False at the end."""
        try:
            packet = posix.read(self.fd, _PACKET)
        except BlockingIOError:
            return True
        except ConnectionResetError:
            # The monitor went without reading all of our input. What it wrote before is still there to be read.
            return True
        if not packet:
            return False
        stream = 2 if packet[0] == _STDERR else 1
        if stream not in self.muted:
            _write(stream, memoryview(packet)[1:])
        return True

    def _input(self) -> bool:
        """Take input; False when the user detaches."""
        data = _read(0)
        if data is None:
            return True
        if not data:
            self._end_input()
            return True
        data, detached = self.scanner.feed(data)
        self._queue(data)
        self._send()
        return not detached

    def _end_input(self) -> None:
        self.reading = False
        self._queue(self.scanner.rest())
        self.ends = True
        if self.terminal:
            # A terminal has no end of file but this key; on a line that is not empty it only sends the line.
            self.unsent += _END_OF_INPUT if self.line_is_empty else _END_OF_INPUT * 2
        self._send()

    def _queue(self, data: bytes) -> None:
        if data:
            self.unsent += data
            self.line_is_empty = data[-1:] in (b"\n", b"\r")

    def _send(self) -> None:
        """Send what the monitor takes now, and the end of the input when all is sent."""
        try:
            while self.unsent:
                sent = posix.write(self.fd, self.unsent[:_CHUNK])
                self.unsent = self.unsent[sent:]
        except BlockingIOError:
            return
        except OSError:
            self.unsent = b""
            self.reading = False
            return
        if self.ends and not self.terminal:
            self.ends = False
            _shutdown(self.fd)


def _shutdown(fd: int) -> None:
    from _socket import SHUT_WR, socket

    connection = socket(fileno=fd)
    try:
        connection.shutdown(SHUT_WR)
    except OSError as error:
        if error.errno != ENOTCONN:
            raise
    finally:
        connection.detach()


def _pass_size(resize: Callable[[int, int], None]) -> None:
    for fd in (0, 1, 2):
        try:
            size = posix.get_terminal_size(fd)
        except OSError:
            continue
        resize(size.lines, size.columns)
        return


def _is_closed(fd: int) -> bool:
    """Tell whether a standard stream was closed when the program began: its number may be another file's by now."""
    return (sys.__stdin__, sys.__stdout__, sys.__stderr__)[fd] is None


def _read(fd: int) -> bytes | None:
    """Read what there is; empty at the end, None when there is nothing now."""
    try:
        return posix.read(fd, _CHUNK)
    except BlockingIOError:
        return None
    except OSError as error:
        # Closed, a directory, or a terminal that was hung up or belongs to another session.
        if error.errno in (EBADF, EISDIR, EIO):
            return b""
        raise


def _write(fd: int, data: memoryview) -> None:
    """Write all to one of our own streams, however slow it is; one that is closed swallows it."""
    while data and not _is_closed(fd):
        try:
            data = data[posix.write(fd, data) :]
        except OSError as error:
            if error.errno == EBADF:
                return
            if error.errno != EAGAIN:
                raise
            # Somebody else made our stream non-blocking.
            poller = select.poll()
            poller.register(fd, select.POLLOUT)
            poller.poll()
