"""The console socket: by it a runtime that is a program hands over the master of a terminal.

Source: runc's docs/terminals.md ("detached mode").
"""

from __future__ import annotations

import _socket
import posix
import struct
import termios

from runtime import launch
from runtime.errors import OCIRuntimeError
from runtime.sync import MSG_CMSG_CLOEXEC

_NAME = "console"
_LONGEST_PATH = 107  # of the address of a socket, without its end
_OFLAG = 1


class ConsoleSocket:
    """A listening socket in a directory, which is to be the working directory of the program that connects."""

    __slots__ = ("_file", "_listener", "path")

    def __init__(self, directory: str) -> None:
        self._file = f"{directory}/{_NAME}"
        # Runtimes connect by the path as it stands, and they enter the bundle before; an address has no room for more.
        self.path = self._file if len(self._file.encode("utf-8", "surrogateescape")) <= _LONGEST_PATH else _NAME
        self._remove()
        self._listener = launch.listen(directory, _NAME)
        self._listener.setblocking(False)

    def receive(self) -> int:
        """Return the terminal that a program has sent which has ended since."""
        try:
            end = _socket.socket(fileno=self._listener._accept()[0])  # type: ignore[attr-defined]
            _name, ancillary, _flags, _address = end.recvmsg(4096, _socket.CMSG_SPACE(4), MSG_CMSG_CLOEXEC)
            end.close()
        except OSError as error:
            raise OCIRuntimeError(f"receive the container's terminal: {error.strerror}") from error
        for level, kind, data in ancillary:
            if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS and len(data) >= 4:
                master: int = struct.unpack("=i", data[:4])[0]
                _map_newlines(master)
                return master
        raise OCIRuntimeError("receive the container's terminal: the runtime sent none")

    def close(self) -> None:
        """Listen no more."""
        self._listener.close()
        self._remove()

    def _remove(self) -> None:
        try:
            posix.unlink(self._file)
        except FileNotFoundError:
            pass


def _map_newlines(master: int) -> None:
    """Have every line end with a carriage return, as on any terminal: runc leaves that to whoever gets it."""
    attributes = termios.tcgetattr(master)
    attributes[_OFLAG] |= termios.ONLCR
    termios.tcsetattr(master, termios.TCSANOW, attributes)
