"""Images of a docker daemon (`docker-daemon:`), over its unix socket (Docker Engine API: /images/NAME/get, /load)."""

from __future__ import annotations

import http.client
import json
import socket
from typing import TYPE_CHECKING

from storage.errors import ImageNotFoundError, StorageError
from storage.transports.spool import spooled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storage.transports.archive import Archive

_CHUNK = 1 << 20
_MAX_ANSWER = 1 << 20
_CONNECT_SECONDS = 30.0


def fetch(socket_path: str, name: str, directory: str) -> Archive:
    """Have the daemon save an image, by name or ID; the archive is kept in a nameless file below `directory`."""
    from urllib.parse import quote

    connection = _connect(socket_path)
    try:
        answer = _ask(connection, socket_path, "GET", f"/images/{quote(name, safe='/:@')}/get")
        if answer.status == http.client.NOT_FOUND:
            raise ImageNotFoundError(f"docker-daemon:{name}: {_message(answer)}")
        if answer.status != http.client.OK:
            raise StorageError(f"docker-daemon:{name}: {_message(answer)}")
        return spooled(_body(answer, name), f"docker-daemon:{name}", directory)
    finally:
        connection.close()


class DaemonOutput:
    """An archive on its way into a daemon (transports/outputs.py: Output); it loads nothing of one that ends early."""

    def __init__(self, socket_path: str) -> None:
        self._path = socket_path
        self._connection = _connect(socket_path)
        self._connection.putrequest("POST", "/images/load?quiet=1")
        self._connection.putheader("Content-Type", "application/x-tar")
        self._connection.putheader("Transfer-Encoding", "chunked")
        try:
            self._connection.endheaders()
        except OSError as error:
            raise _unreachable(socket_path, error) from error

    def write(self, data: bytes) -> None:
        """Send further bytes."""
        try:
            self._connection.send(b"%x\r\n" % len(data))
            self._connection.send(data)
            self._connection.send(b"\r\n")
        except OSError as error:
            raise StorageError(f"docker-daemon: {self._refusal(error)}") from error

    def finish(self) -> None:
        """Send the end, and wait until the daemon has loaded it."""
        try:
            self._connection.send(b"0\r\n\r\n")
            answer = self._connection.getresponse()
            if answer.status != http.client.OK:
                raise StorageError(f"docker-daemon: {_message(answer)}")
            self._check(answer.read(_MAX_ANSWER))
        except (OSError, http.client.HTTPException) as error:
            raise StorageError(f"docker-daemon: {error}") from error
        finally:
            self._connection.close()

    def discard(self) -> None:
        """Hang up."""
        self._connection.close()

    def _refusal(self, error: OSError) -> str:
        """Read why the daemon does not want to hear more."""
        try:
            return _message(self._connection.getresponse())
        except (OSError, http.client.HTTPException):
            return str(error)

    def _check(self, lines: bytes) -> None:
        """Look for an error among the lines of progress: the status was sent before it was known."""
        for line in lines.splitlines():
            try:
                told = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(told, dict) and told.get("error"):
                raise StorageError(f"docker-daemon: {told['error']}"[:1000])


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_CONNECT_SECONDS)
        self.sock.connect(self._path)
        # A daemon may take long to pack or unpack an image; who does not want to wait presses Ctrl-C.
        self.sock.settimeout(None)


def _connect(socket_path: str) -> _UnixConnection:
    connection = _UnixConnection(socket_path)
    try:
        connection.connect()
    except OSError as error:
        connection.close()
        raise _unreachable(socket_path, error) from error
    return connection


def _unreachable(socket_path: str, error: OSError) -> StorageError:
    return StorageError(
        f"cannot connect to the Docker daemon at unix://{socket_path}: {(error.strerror or str(error)).lower()}",
        hint="is the docker daemon running?",
    )


def _ask(connection: _UnixConnection, socket_path: str, method: str, target: str) -> http.client.HTTPResponse:
    try:
        connection.request(method, target)
        return connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        raise StorageError(f"docker-daemon: unix://{socket_path}: {error}") from error


def _body(answer: http.client.HTTPResponse, name: str) -> Iterator[bytes]:
    try:
        while data := answer.read(_CHUNK):
            yield data
    except (OSError, http.client.HTTPException) as error:
        raise StorageError(f"docker-daemon:{name}: the daemon hung up: {error}") from error
    if answer.length:  # of what is not sent in chunks http.client itself does not miss the rest
        raise StorageError(f"docker-daemon:{name}: the daemon hung up {answer.length} bytes before the end")


def _message(answer: http.client.HTTPResponse) -> str:
    try:
        told = json.loads(answer.read(_MAX_ANSWER))["message"]
    except (ValueError, KeyError, TypeError, RecursionError, OSError, http.client.HTTPException):
        return f"{answer.status} {answer.reason}"
    return str(told)[:1000]
