"""Sending to systemd's journal by its native protocol: a datagram for each entry, a sealed memfd for a large one.

Source: systemd.io/JOURNAL_NATIVE_PROTOCOL; the fields of a container's output are conmon's (src/ctr_logging.c).
"""

from __future__ import annotations

import posix
import sys

from runtime.monitor.log import STDERR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from typing import Any

SOCKET = "/run/systemd/journal/socket"
_LONGEST_LINE = 48 << 10  # A longer one becomes several entries, as journald would make of it.
_PATIENCE_MICROSECONDS = 500_000  # For a journald that does not keep up; then the entry is lost.
_F_ADD_SEALS = 1033
_SEALS = 0xF  # No more sealing, shrinking, growing, writing.


def field(name: str | bytes, value: str | bytes) -> bytes:
    """Return a field of an entry."""
    name = name.encode() if isinstance(name, str) else name
    value = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    if b"\n" in value:
        return name + b"\n" + len(value).to_bytes(8, "little") + value + b"\n"
    return name + b"=" + value + b"\n"


class Sender:
    """The way to journald. It is asked by its address each time, so it may be started again in between."""

    __slots__ = ("connection", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self.connection: socket | None = None

    def send(self, entry: bytes) -> bool:
        """Send an entry; False if it was lost."""
        # Imported at the first entry: the modules of most monitors have no need of sockets.
        from _socket import AF_UNIX, SO_SNDTIMEO, SOCK_CLOEXEC, SOCK_DGRAM, SOL_SOCKET, socket

        try:
            if self.connection is None:
                self.connection = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC)
                wait = _PATIENCE_MICROSECONDS.to_bytes(8, sys.byteorder)
                self.connection.setsockopt(SOL_SOCKET, SO_SNDTIMEO, bytes(8) + wait)
            try:
                self.connection.sendto(entry, self.path)
            except OSError as error:
                if error.errno not in (90, 105):  # EMSGSIZE, ENOBUFS
                    return False
                self._send_file(entry)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Give up the socket; the next entry makes another one."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def _send_file(self, entry: bytes) -> None:
        import fcntl
        from _socket import SCM_RIGHTS, SOL_SOCKET

        fd = posix.memfd_create("journal-entry", posix.MFD_CLOEXEC | posix.MFD_ALLOW_SEALING)
        try:
            view = memoryview(entry)
            while view:
                view = view[posix.write(fd, view) :]
            fcntl.fcntl(fd, _F_ADD_SEALS, _SEALS)
            assert self.connection is not None
            rights = [(SOL_SOCKET, SCM_RIGHTS, fd.to_bytes(4, sys.byteorder))]
            self.connection.sendmsg([], rights, 0, self.path)
        finally:
            posix.close(fd)


class JournalLog:
    """A container's output in the journal, an entry for each line; a line's beginning waits for its end."""

    __slots__ = ("fields", "lost", "rests", "sender")

    def __init__(self, path: str, fields: bytes, rests: dict[int, bytes] | None = None, lost: int = 0) -> None:
        """Name journald's socket, and what each entry says."""
        self.sender = Sender(path)
        self.fields = fields
        self.rests = rests or {}
        self.lost = lost  # bytes of output since the last entry that came through

    def freeze(self) -> tuple[Any, ...]:
        """Return what is needed to make it again, as plain values."""
        self.sender.close()
        return (self.sender.path, self.fields, self.rests, self.lost)

    def fds(self) -> list[int]:
        """Return the fds that must survive an exec: none, the way to journald is found again."""
        return []

    def open(self) -> None:
        """Nothing is open between two entries."""

    def write(self, stream: int, data: bytes) -> None:
        """Send the lines that are complete."""
        *lines, rest = (self.rests.pop(stream, b"") + data).split(b"\n")
        for line in lines:
            while len(line) > _LONGEST_LINE:
                self._send(stream, line[:_LONGEST_LINE], partial=True)
                line = line[_LONGEST_LINE:]
            self._send(stream, line, partial=False)
        while len(rest) > _LONGEST_LINE:
            self._send(stream, rest[:_LONGEST_LINE], partial=True)
            rest = rest[_LONGEST_LINE:]
        if rest:
            self.rests[stream] = rest

    def close(self) -> None:
        """Send the beginnings of lines that have no end."""
        for stream, rest in self.rests.items():
            self._send(stream, rest, partial=True)
        self.rests = {}
        self.sender.close()

    def _send(self, stream: int, line: bytes, *, partial: bool) -> None:
        if self.lost:
            text = b"pod: %d bytes of output were lost: the journal did not take them" % self.lost
            if self.sender.send(self.fields + b"PRIORITY=3\n" + field(b"MESSAGE", text)):
                self.lost = 0
        entry = self.fields + (b"PRIORITY=3\n" if stream == STDERR else b"PRIORITY=6\n") + field(b"MESSAGE", line)
        if partial:
            entry += b"CONTAINER_PARTIAL_MESSAGE=true\n"
        if not self.sender.send(entry):
            self.lost += len(line) + (not partial)
