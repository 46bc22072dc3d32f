"""A piece of long work in a process of its own, which dies with the one that started it.

Messages from the worker: a letter and a length, then progress (P, a number), a line of text (T), the result (R) or an
error (E).
"""

from __future__ import annotations

import json
import os
import signal
import struct
import time

from storage import errors, syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeVar

    SomeWorker = TypeVar("SomeWorker", bound="Worker")

_HEADER = struct.Struct("<cI")
_PROGRESS = struct.Struct("<Q")
_INTERVAL = 0.05


class Worker:
    """The parent's end of a worker: poll `fileno()`, `advance()` when readable, `values()` at the end."""

    def __init__(
        self,
        pid: int,
        fd: int,
        attempt: str,
        progress: Callable[[int], None] | None,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self.pid = pid
        self._fd = fd
        self._attempt = attempt
        self._progress = progress
        self._tell = tell
        self._buffer = b""
        self._end: tuple[bytes, bytes] | None = None
        self._status: int | None = None
        self.ending = signal.SIGKILL

    def fileno(self) -> int:
        """Return the fd that is readable when there is news."""
        return self._fd

    def advance(self) -> bool:
        """Read what has come, waiting if nothing has; return True when the worker has ended."""
        data = os.read(self._fd, 1 << 16)
        self._buffer += data
        while len(self._buffer) >= _HEADER.size:
            kind, size = _HEADER.unpack_from(self._buffer)
            if len(self._buffer) < _HEADER.size + size:
                break
            body = self._buffer[_HEADER.size : _HEADER.size + size]
            self._buffer = self._buffer[_HEADER.size + size :]
            self._take(kind, body)
        return not data

    def _take(self, kind: bytes, body: bytes) -> None:
        if kind == b"P":
            if self._progress is not None:
                self._progress(_PROGRESS.unpack(body)[0])
        elif kind == b"T":
            if self._tell is not None:
                self._tell(body.decode())
        else:
            self._end = (kind, body)

    def values(self) -> dict[str, Any]:
        """Wait for the end; return what the work gave, or raise what went wrong: as often as one asks."""
        while self._status is None and not self.advance():
            pass
        self._reap()
        if self._end is None:
            status = _status_text(self._status)
            raise errors.StorageError(f"{self._attempt}: the worker process ended early ({status})")
        kind, body = self._end
        values: dict[str, Any] = json.loads(body)
        if kind == b"R":
            return values
        raise error_of(values)

    def kill(self) -> None:
        """End the worker at once; what it was writing is left as it is."""
        if self._status is None:
            os.kill(self.pid, self.ending)
            self._reap()

    def _reap(self) -> None:
        if self._status is None:
            self._status = os.waitpid(self.pid, 0)[1]
            os.close(self._fd)


def _status_text(status: int | None) -> str:
    code = os.waitstatus_to_exitcode(status or 0)
    return f"status {code}" if code >= 0 else signal.strsignal(-code) or f"signal {-code}"


def fork(
    kind: type[SomeWorker],
    run: Callable[[Callable[[int], None]], dict[str, Any]],
    attempt: str,
    progress: Callable[[int], None] | None = None,
    *,
    ending: signal.Signals = signal.SIGKILL,
) -> SomeWorker:
    """Start a process that calls `run` with a function to report progress to; `progress` is called in the caller.

    What `run` returns must be fit for JSON. `attempt` is for the messages of errors that are none of storage's own.
    The worker dies with the thread that calls this: by `ending`, which may be SIGTERM for work that blocks it during
    steps that must not be left half done. It keeps the caller's fds open (and so its locks), and uses none.
    """
    read_end, write_end = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid:
        os.close(write_end)
        started = kind(pid, read_end, attempt, progress)
        started.ending = ending
        return started
    try:
        os.close(read_end)
        _become_worker(parent, ending)
        serve(write_end, attempt, lambda report: run(report.progress))
    finally:
        # Never return into the caller's code, nor run what it registered for its own end.
        os._exit(0)


def execute(
    kind: type[SomeWorker], argv: list[str], document: bytes, attempt: str, tell: Callable[[str], None]
) -> SomeWorker:
    """Start a program that calls `serve` on its stdout, for work that a forked child must not do.

    `tell` gets its lines. It finds `document` on stdin, and dies with the thread that calls this. Of the caller's fds
    it has stderr.
    """
    given = os.memfd_create("worker")  # a name of its own might be too long
    read_end, write_end = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid:
        os.close(write_end)
        os.close(given)
        return kind(pid, read_end, attempt, None, tell)
    try:
        _become_worker(parent)
        with open(given, "wb", closefd=False) as file:
            file.write(document)
        os.lseek(given, 0, os.SEEK_SET)
        os.dup2(given, 0)
        os.dup2(write_end, 1)
        os.execv(argv[0], argv)
    finally:
        os._exit(1)


def serve(fd: int, attempt: str, work: Callable[[Report], dict[str, Any]]) -> None:
    """Do the work of a worker, and report what came of it to the other end of `fd`; never raises."""
    report = Report(fd, attempt)
    try:
        report.send(b"R", json.dumps(work(report)).encode())
    except BaseException as error:
        report.error(error)


def _become_worker(parent: int, ending: signal.Signals = signal.SIGKILL) -> None:
    syscalls.set_parent_death_signal(ending)
    if os.getppid() != parent:
        os._exit(1)  # It died before it could matter.
    # Ctrl-C goes to the whole group; the parent decides what becomes of the worker.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


class Report:
    """The worker's end of the pipe."""

    def __init__(self, fd: int, attempt: str) -> None:
        self._fd = fd
        self._attempt = attempt
        self._last = 0.0

    def send(self, kind: bytes, body: bytes) -> None:
        """Send one message."""
        data = _HEADER.pack(kind, len(body)) + body
        while data:
            data = data[os.write(self._fd, data) :]

    def text(self, line: str) -> None:
        """Tell a line to the user."""
        self.send(b"T", line.encode("utf-8", "replace"))

    def progress(self, received: int) -> None:
        """Tell how far the work is, but not all the time."""
        now = time.monotonic()
        if now - self._last >= _INTERVAL:
            self._last = now
            self.send(b"P", _PROGRESS.pack(received))

    def error(self, error: BaseException) -> None:
        """Tell what went wrong."""
        self.send(b"E", json.dumps(told(error, self._attempt)).encode())


def told(error: BaseException, attempt: str) -> dict[str, str]:
    """Return what tells another process of an error."""
    if not isinstance(error, errors.StorageError):
        return {"class": "StorageError", "message": f"{attempt}: {type(error).__name__}: {error}", "hint": ""}
    # Of a class that only another module knows, the nearest one that every caller does.
    name = next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ == errors.__name__)
    return {"class": name, "message": str(error), "hint": error.hint}


def error_of(document: Mapping[str, Any]) -> errors.StorageError:
    """Return the error that another process has told of."""
    error_class = getattr(errors, document["class"], errors.StorageError)
    error: errors.StorageError = error_class(document["message"], hint=document["hint"])
    return error
