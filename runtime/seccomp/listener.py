"""SCMP_ACT_NOTIFY: the filter's listener goes to the agent that the profile names (config-linux.md, "Seccomp").

Once the filter is loaded any system call of the process may wait for that very agent, so the process itself cannot hand
the listener over. It is cloned with a shared table of descriptors (CLONE_FILES) by a twin that is under no filter and
stays in the host's pid namespace: the process tells the number that the listener will have, the twin sees it appear,
sends it, and ends. By execve the process gets a table of its own, without the listener, which is close-on-exec.
"""

from __future__ import annotations

import _socket
import fcntl
import posix
import select
import struct
import time
from errno import EBADF

from runtime import jsontext, syscalls
from runtime.errors import OCIRuntimeError
from runtime.kernel import CLONE_FILES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from runtime.sync import Channel

_SIGCHLD, _SIGKILL = 17, 9
_NAME = "seccompFd"
_PAUSE = 0.0001
_number = struct.Struct("=i")


class Listener:
    """The way of one filter's listener to its agent; made by the parent, used by both of the twins."""

    __slots__ = ("_connection", "_metadata", "_pidfd", "_process", "_sender", "_state")

    def __init__(self, connection: _socket.socket, metadata: str, state: dict[str, Any]) -> None:
        self._connection = connection
        self._metadata = metadata
        self._state = state
        self._process, self._sender = _socket.socketpair(
            _socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC, 0
        )
        self._pidfd = -1

    def close(self) -> None:
        """Close the parent's copies."""
        for end in (self._connection, self._process, self._sender):
            end.close()

    def fds(self) -> list[int]:
        """Return the descriptors that both need until the listener has been sent."""
        ends = (self._connection, self._process, self._sender)
        return [fd for fd in (*(end.fileno() for end in ends), self._pidfd) if fd >= 0]

    def clone(self, flags: int, exit_signal: int = _SIGCHLD) -> int:
        """Clone this process: 0 in the one that will load the filter, its pid in the twin, which is to `serve`."""
        pid, pidfd = syscalls.clone3(flags | CLONE_FILES, exit_signal)
        if pid:
            self._pidfd = pidfd
            self._sender.send(_number.pack(pidfd))
            return pid
        # The table is the twin's too: its pidfd must not be closed with all else that is not needed here.
        (self._pidfd,) = _number.unpack(self._process.recv(_number.size))
        return 0

    def announce(self) -> None:
        """Tell the twin which number the listener is about to have: the lowest that is free."""
        number = posix.dup(self._process.fileno())
        posix.close(number)
        self._process.send(_number.pack(number))

    def serve(self, pid: int, report: Channel) -> NoReturn:
        """Be the twin: send the listener of the process `pid` once there is one, and end; kill it if that fails."""
        try:
            try:
                posix.setsid()
            except PermissionError:
                pass  # it leads a session already
            number = self._await_listener()
            if number >= 0:
                self._send(pid, number)
        except BaseException as error:
            report.send_error(error, "send the seccomp listener")
            syscalls.pidfd_send_signal(self._pidfd, _SIGKILL)
        finally:
            posix._exit(0)

    def _await_listener(self) -> int:
        """Return the listener's number, or -1 when the process has ended without one."""
        poll = select.poll()
        poll.register(self._sender.fileno(), select.POLLIN)
        poll.register(self._pidfd, select.POLLIN)
        ready = [fd for fd, _events in poll.poll()]
        if self._sender.fileno() not in ready:
            return -1
        (number,) = _number.unpack(self._sender.recv(_number.size))
        poll.unregister(self._sender.fileno())
        while True:
            ended = bool(poll.poll(0))
            try:
                fcntl.fcntl(number, fcntl.F_GETFD)
            except OSError as error:
                if error.errno != EBADF:
                    raise
            else:
                return int(number)
            if ended:
                return -1
            time.sleep(_PAUSE)

    def _send(self, pid: int, number: int) -> None:
        """Send the container process state (config-linux.md, "The Container Process State")."""
        state = self._state if self._state["pid"] else {**self._state, "pid": pid}
        document = {
            "ociVersion": state["ociVersion"],
            "fds": [_NAME],
            "pid": pid,
            "metadata": self._metadata,
            "state": state,
        }
        rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, _number.pack(number))]
        rest = jsontext.dumps(document).encode()
        try:
            rest = rest[self._connection.sendmsg([rest], rights, _socket.MSG_NOSIGNAL) :]
            while rest:
                rest = rest[self._connection.send(rest, _socket.MSG_NOSIGNAL) :]
            # In the process's table as well: an agent may wait for the end before it answers anything.
            self._connection.close()
            posix.close(number)
        except OSError as error:
            raise OCIRuntimeError(f"send the seccomp listener to its agent: {error.strerror}") from error
