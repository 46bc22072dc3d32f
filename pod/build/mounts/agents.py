"""RUN --mount=type=ssh: an agent of the user's, as a step may use it, behind a socket of the build's own.

ssh-agent answers only who runs it (and root): no users of another namespace, nor others than root of the same. So it is
asked by a process of the build, which is who the user is. A step may have the keys listed and something signed; it can
neither add keys nor remove any. Source: draft-miller-ssh-agent, "Protocol Messages".
"""

from __future__ import annotations

import os
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from storage import worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from pod.build.language.instructions import Mount
    from pod.build.steps.own_users import Ids
    from storage.store import Staging, Store

_REQUEST_IDENTITIES, _SIGN_REQUEST, _EXTENSION = 11, 13, 27
_ALLOWED = (_REQUEST_IDENTITIES, _SIGN_REQUEST, _EXTENSION)
_FAILURE = b"\0\0\0\1\5"
_LONGEST = 256 << 10  # OpenSSH's
_CONNECTIONS = 64
_NAME = "agent"


@dataclass
class Agent:
    """One agent: its socket, and who a step's may be used by."""

    path: str
    mount: Mount
    store: Store
    _staging: Staging | None = None
    _server: worker.Worker | None = None

    @property
    def socket(self) -> str:
        """Where the step's socket is, from `begin` to `end`."""
        assert self._staging is not None
        return f"{self._staging.path}/{_NAME}"

    def begin(self, ids: Ids) -> None:
        """Start to answer."""
        self._staging = self.store.staging()
        with socket.socket(socket.AF_UNIX) as listener:
            directory = os.open(self._staging.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            listener.bind(f"/proc/self/fd/{directory}/{_NAME}")  # the path itself may be too long
            os.close(directory)
            os.chmod(self.socket, 0o600 if self.mount.mode is None else self.mount.mode)
            os.chown(self.socket, *ids.of(self.mount.uid or 0, self.mount.gid or 0))
            listener.listen()
            self._server = worker.fork(worker.Worker, lambda _report: _serve(listener, self.path), "ssh agent")

    def end(self) -> None:
        """Answer no more."""
        if self._server is not None:
            self._server.kill()
            self._server = None
        if self._staging is not None:
            self._staging.discard()
            self._staging = None


def _serve(listener: socket.socket, path: str) -> dict[str, Any]:
    """Answer for ever, so many at once."""
    room = threading.Semaphore(_CONNECTIONS)
    while True:
        room.acquire()
        client, _ = listener.accept()
        threading.Thread(target=_answer, args=(client, path, room.release), daemon=True).start()


def _answer(client: socket.socket, path: str, done: Callable[[], object]) -> None:
    """Answer one connection to its end, or the agent's."""
    try:
        with client, socket.socket(socket.AF_UNIX) as agent:
            agent.connect(path)
            while request := _message(client):
                if request[4] in _ALLOWED:
                    agent.sendall(request)
                    client.sendall(_message(agent))
                else:
                    client.sendall(_FAILURE)
    except OSError:
        pass  # either has gone, or says what is no message
    finally:
        done()


def _message(source: socket.socket) -> bytes:
    """Read a message with its length; empty at the end. Raises OSError for what is none."""
    header = source.recv(4, socket.MSG_WAITALL)
    size = int.from_bytes(header, "big")
    if not header:
        return b""
    if len(header) < 4 or not 0 < size <= _LONGEST:
        raise OSError("no message of an agent")
    body = source.recv(size, socket.MSG_WAITALL)
    if len(body) < size:
        raise OSError("the message ends early")
    return header + body
