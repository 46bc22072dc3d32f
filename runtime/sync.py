"""The socket by which a container's first process tells its parent how far it is, or why it failed.

One packet is one JSON array [kind, payload], possibly with file descriptors. A failure travels as the name of its class
in `runtime.errors`, its message and its hint, and is raised by the receiver as what it was.
"""

from __future__ import annotations

import _socket
import posix
import struct

from runtime import errors, jsontext
from runtime.errors import OCIRuntimeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PACKET = 128 * 1024
_RIGHTS = _socket.CMSG_SPACE(253 * 4)
_ERROR = "error"


def describe(error: BaseException) -> str:
    """Say in one line what went wrong: with the file if it is known, without Python's own decoration."""
    if isinstance(error, OSError) and error.strerror:
        name = error.filename
        if isinstance(name, bytes):
            name = name.decode("utf-8", "replace")
        return f"`{name}`: {error.strerror}" if name else error.strerror
    return str(error) or type(error).__name__


class ChannelClosedError(OCIRuntimeError):
    """The other side has gone without a word."""


class Channel:
    """One end of a socket pair."""

    __slots__ = ("_end",)

    def __init__(self, end: _socket.socket) -> None:
        self._end = end

    def fileno(self) -> int:
        """Return the file descriptor of this end."""
        return self._end.fileno()

    def close(self) -> None:
        """Close this end."""
        self._end.close()

    def send(self, kind: str, payload: Any = None, fds: tuple[int, ...] = ()) -> None:
        """Send one packet; a receiver that has gone is a ChannelClosedError."""
        packet = jsontext.dumps([kind, payload]).encode()
        rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack(f"={len(fds)}i", *fds))] if fds else []
        try:
            self._end.sendmsg([packet], rights, _socket.MSG_NOSIGNAL)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise ChannelClosedError("the other side of the container's start has gone") from error

    def send_error(self, error: BaseException, doing: str = "") -> None:
        """Send a failure; if nobody listens, that is all the same."""
        hint = error.hint if isinstance(error, OCIRuntimeError) else ""
        message = describe(error)
        if doing and not isinstance(error, OCIRuntimeError):
            message = f"{doing}: {message}"
        try:
            self.send(_ERROR, [type(error).__name__, message[:4096], hint])
        except OSError:
            pass

    def receive(self) -> tuple[str, Any, list[int]]:
        """Return (kind, payload, fds); kind is empty at the end; raises what the other side sent as a failure.

        `errno` is what the trampoline sends after a failed execve: 4 bytes, shorter than any packet of ours.
        """
        try:
            packet, ancillary, _flags, _address = self._end.recvmsg(_PACKET, _RIGHTS, MSG_CMSG_CLOEXEC)
        except ConnectionResetError:
            # The other side went with a packet of ours unread: it is told once, before what it had sent until then.
            packet, ancillary, _flags, _address = self._end.recvmsg(_PACKET, _RIGHTS, MSG_CMSG_CLOEXEC)
        fds: list[int] = []
        for level, kind, data in ancillary:
            if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
                fds.extend(struct.unpack(f"={len(data) // 4}i", data[: len(data) // 4 * 4]))
        if not packet:
            return "", None, fds
        if len(packet) == 4:
            return "errno", struct.unpack("=i", packet)[0], fds
        name, payload = parse(packet)
        if name == _ERROR:
            for fd in fds:
                posix.close(fd)
            raise revive(payload)
        return name, payload, fds

    def last_error(self) -> OCIRuntimeError | None:
        """Return the failure that the other side sent before it went, if it did: the cause of what failed here."""
        self._end.setblocking(False)
        try:
            while self.receive()[0]:
                pass
        except OCIRuntimeError as error:
            return error
        except OSError:
            pass
        return None

    def expect(self, kind: str) -> list[int]:
        """Wait for a packet of this kind and return its file descriptors."""
        received, _payload, fds = self.receive()
        if received != kind:
            raise ChannelClosedError(f"the container's start ended while it was waited for `{kind}`")
        return fds


MSG_CMSG_CLOEXEC = 0x40000000


def parse(packet: bytes) -> tuple[str, Any]:
    """Return (kind, payload) of a packet, which may come from a process that a container has taken over."""
    try:
        message = jsontext.loads(packet)
    except (ValueError, RecursionError):
        message = None
    if not (isinstance(message, list) and len(message) == 2 and isinstance(message[0], str)):
        raise OCIRuntimeError("the container's start sent what is no message")
    return message[0], message[1]


def revive(payload: Any) -> OCIRuntimeError:
    """Make the exception again that the other process sent."""
    if not (isinstance(payload, list) and len(payload) == 3 and all(isinstance(part, str) for part in payload)):
        return OCIRuntimeError("the container's start failed without a message")
    name, message, hint = payload
    kind = getattr(errors, name, OCIRuntimeError)
    if not (isinstance(kind, type) and issubclass(kind, OCIRuntimeError)):
        kind = OCIRuntimeError
    return kind(message, hint=hint)


def channel() -> tuple[Channel, Channel]:
    """Return both ends of a new channel, close-on-exec."""
    one, other = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC, 0)
    return Channel(one), Channel(other)


def send_fd(path: str, fd: int, name: str) -> None:
    """Send a file descriptor to the AF_UNIX stream socket at `path`, as console and pidfd sockets want it."""
    end = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    try:
        end.connect(path)
        end.sendmsg([name.encode()], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack("=i", fd))])
    except OSError as error:
        raise OCIRuntimeError(f"send `{name}` to the socket `{path}`: {describe(error)}") from error
    finally:
        end.close()
