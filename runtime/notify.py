"""sd_notify(3) from inside of a container: a socket of its own, of which `start` passes on what the host may hear.

`create` makes a directory for it and mounts that; `start` binds the socket there, before the program runs, and listens
until the container says that it is ready, or has ended.
"""

from __future__ import annotations

import _socket
import posix
import select

from runtime import launch
from runtime.errors import OCIRuntimeError
from runtime.sync import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DIRECTORY = "notify"
_SOCKET = "notify"
_PLACE = "/run/notify"
SOCKET = f"{_PLACE}/{_SOCKET}"  # as the container sees it
_READY = b"READY=1"
_PASSED_ON = (_READY, b"RELOADING=1", b"STOPPING=1", b"STATUS=", b"ERRNO=", b"BUSERROR=", b"MONOTONIC_USEC=")
_LONGEST = 65536


def prepare(state_directory: str) -> dict[str, Any]:
    """Make the directory, which any user of the container may enter; return the mount of it."""
    path = f"{state_directory}/{DIRECTORY}"
    posix.mkdir(path, 0o755)
    posix.chmod(path, 0o755)
    options = ["bind", "ro", "nosuid", "noexec", "nodev"]
    return {"destination": _PLACE, "type": "bind", "source": path, "options": options}


def remove(state_directory: str) -> None:
    """Remove directory and socket; fine if they are missing."""
    path = f"{state_directory}/{DIRECTORY}"
    try:
        posix.unlink(f"{path}/{_SOCKET}")
    except OSError:
        # There is none, or no directory.
        pass
    try:
        posix.rmdir(path)
    except FileNotFoundError:
        pass


class Proxy:
    """The container's end of it, and the socket of the host to which it leads (`@name`: an abstract one)."""

    def __init__(self, state_directory: str, host: str) -> None:
        self._host = b"\0" + host[1:].encode() if host.startswith("@") else host
        self._end = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC)
        directory = f"{state_directory}/{DIRECTORY}"
        try:
            posix.unlink(f"{directory}/{_SOCKET}")
        except FileNotFoundError:
            pass
        try:
            launch.with_path(directory, _SOCKET, self._end.bind)
            posix.chmod(f"{directory}/{_SOCKET}", 0o777)
        except OSError as error:
            self._end.close()
            raise OCIRuntimeError(f"listen for the container's notifications: {describe(error)}") from error

    def detach(self) -> int:
        """Return the container's end, which is the caller's from now on."""
        return self._end.detach()

    def close(self) -> None:
        """Stop listening."""
        self._end.close()

    def pass_on(self, pid: int) -> None:
        """Pass messages on until the container is ready or its process has ended; needs the process to be alive."""
        try:
            pidfd = posix.pidfd_open(pid)
        except ProcessLookupError:
            return
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        poll.register(self._end.fileno(), select.POLLIN)
        try:
            while self._end.fileno() in dict(poll.poll()):
                # First what was sent, then the end.
                if self._pass_one(pid):
                    return
        finally:
            posix.close(pidfd)

    def _pass_one(self, pid: int) -> bool:
        lines = [line for line in self._end.recv(_LONGEST).split(b"\n") if line.startswith(_PASSED_ON)]
        is_ready = _READY in lines
        if is_ready:
            # The service manager shall watch the container, not us.
            lines.append(b"MAINPID=%d" % pid)
        if lines:
            try:
                host = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC)
                host.sendto(b"\n".join(lines), self._host)
                host.close()
            except OSError as error:
                raise OCIRuntimeError(f"pass a notification on to `{self._host!r}`: {describe(error)}") from error
        return is_ready
