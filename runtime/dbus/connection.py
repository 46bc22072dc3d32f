"""A connection to a message bus: authentication, method calls, signals; one thread, every wait has an end."""

from __future__ import annotations

import _socket
from select import POLLIN, POLLOUT, poll
from time import monotonic

from runtime.dbus import message
from runtime.dbus.errors import BusError, CallError
from runtime.dbus.wire import WireError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from runtime.dbus.message import Message

BUS, BUS_PATH = "org.freedesktop.DBus", "/org/freedesktop/DBus"
SECONDS = 25.0  # libdbus's own patience with a method call
# The bus takes who we are from the kernel (SO_PEERCRED) when no user ID is named: so it is right in a user namespace
# too, where we do not know how the bus sees us. This is what systemd's own clients send.
_AUTHENTICATE = b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n"
_MAX_LINE = 16384


class Connection:
    """A connection to the bus at `address`; BusError if there is none."""

    def __init__(self, address: str, *, seconds: float = SECONDS) -> None:
        self.address = address
        self.seconds = seconds
        self._serial = 0
        self._buffer = b""
        self._signals: list[Message] = []
        self._socket = _connect(address, seconds)
        try:
            self._authenticate()
            (self.name,) = self.call(BUS, BUS_PATH, BUS, "Hello")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection; what was asked for stays."""
        self._socket.close()

    def call(
        self, destination: str, path: str, interface: str, member: str, signature: str = "", *values: Any
    ) -> tuple[Any, ...]:
        """Call a method and return what it returns; CallError if it answers with an error."""
        deadline = monotonic() + self.seconds
        self._serial += 1
        request = message.Message(message.CALL, self._serial, signature, values)
        request.destination, request.path = destination, path
        request.interface, request.member = interface, member
        method = f"{interface}.{member}"
        try:
            self._send(request.encode(), deadline)
        except WireError as error:
            raise BusError(f"call {method}: {error}") from error
        while True:
            answer = self._receive(deadline, f"an answer of {method}")
            if answer.kind == message.SIGNAL:
                self._signals.append(answer)
            elif answer.reply_to == self._serial and answer.kind == message.ERROR:
                text = answer.body[0] if answer.body and isinstance(answer.body[0], str) else ""
                raise CallError(method, answer.error, text)
            elif answer.reply_to == self._serial and answer.kind == message.RETURN:
                return answer.body

    def listen(self, rule: str) -> None:
        """Ask for the signals that a match rule describes; without this only those for us alone arrive."""
        self.call(BUS, BUS_PATH, BUS, "AddMatch", "s", rule)

    def wait(self, wanted: Callable[[Message], bool], seconds: float, what: str) -> Message:
        """Return the first signal, among those that have come already too, that is wanted; drop all before it."""
        deadline = monotonic() + seconds
        for signal in self._arriving(deadline, what):
            if wanted(signal):
                return signal
        raise AssertionError("unreachable: what arrives does not end but by an error")

    def _arriving(self, deadline: float, what: str) -> Iterator[Message]:
        while True:
            while self._signals:
                yield self._signals.pop(0)
            arrived = self._receive(deadline, what)
            if arrived.kind == message.SIGNAL:
                yield arrived

    def _authenticate(self) -> None:
        """Say who we are by the mechanism EXTERNAL (D-Bus specification, "Authentication Protocol")."""
        deadline = monotonic() + self.seconds
        self._send(_AUTHENTICATE, deadline)
        line = self._line(deadline)
        if line.rstrip() == b"DATA":
            line = self._line(deadline)
        if not line.startswith(b"OK "):
            raise BusError(f"connect to the bus at {self.address}: it rejects us: {line.decode('ascii', 'replace')}")

    def _line(self, deadline: float) -> bytes:
        while b"\r\n" not in self._buffer:
            if len(self._buffer) > _MAX_LINE:
                raise BusError(f"connect to the bus at {self.address}: its greeting does not end")
            self._buffer += self._read(deadline, "the end of the authentication")
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    def _receive(self, deadline: float, what: str) -> Message:
        try:
            self._fill(message.START, deadline, what)
            total = message.length(self._buffer)
            self._fill(total, deadline, what)
            data, self._buffer = self._buffer[:total], self._buffer[total:]
            return message.decode(data)
        except WireError as error:
            raise BusError(f"read from the bus at {self.address}: {error}") from error

    def _fill(self, count: int, deadline: float, what: str) -> None:
        while len(self._buffer) < count:
            self._buffer += self._read(deadline, what)

    def _read(self, deadline: float, what: str) -> bytes:
        self._poll(POLLIN, deadline, what)
        try:
            data = self._socket.recv(65536)
        except OSError as error:
            raise BusError(f"read from the bus at {self.address}: {error.strerror}") from error
        if not data:
            raise BusError(f"the bus at {self.address} has closed the connection while we waited for {what}")
        return data

    def _send(self, data: bytes, deadline: float) -> None:
        while data:
            self._poll(POLLOUT, deadline, "room for a message")
            try:
                data = data[self._socket.send(data) :]
            except OSError as error:
                raise BusError(f"write to the bus at {self.address}: {error.strerror}") from error

    def _poll(self, event: int, deadline: float, what: str) -> None:
        poller = poll()
        poller.register(self._socket.fileno(), event)
        remaining = deadline - monotonic()
        if remaining <= 0 or not poller.poll(remaining * 1000):
            raise BusError(f"the bus at {self.address}: gave up waiting for {what}")


def _connect(address: str, seconds: float) -> _socket.socket:
    """Connect to the first place of an address list that can be reached."""
    failure: Exception = ValueError("the address names no Unix socket")
    for place in places(address):
        end = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        try:
            end.settimeout(seconds)
            end.connect(place)
            end.setblocking(False)
            return end
        except OSError as error:
            end.close()
            failure = error
    cause = getattr(failure, "strerror", None) or str(failure)
    raise BusError(
        f"connect to the bus at {address}: {cause}",
        hint="the systemd cgroup manager needs systemd and its D-Bus: use --cgroup-manager=cgroupfs without them",
    )


def places(address: str) -> list[str]:
    """Return the Unix sockets of an address list (D-Bus specification, "Server Addresses")."""
    found = []
    for entry in address.split(";"):
        transport, _, rest = entry.partition(":")
        if transport != "unix":
            continue
        for pair in rest.split(","):
            key, _, value = pair.partition("=")
            if key in ("path", "abstract") and value:
                found.append(("\0" if key == "abstract" else "") + _unescape(value))
    return found


def _unescape(text: str) -> str:
    first, *rest = text.split("%")
    data = first.encode()
    for part in rest:
        try:
            data += bytes.fromhex(part[:2]) + part[2:].encode()
        except ValueError:
            data += b"%" + part.encode()
    return data.decode("utf-8", "surrogateescape")
