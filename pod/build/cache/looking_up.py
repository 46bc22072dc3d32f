"""Looking for steps in registries, in processes of their own: a registry that is slow holds up only who asks it.

One that has answered keeps its connections, and is asked again by whoever comes next.
"""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

from storage import worker
from storage.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from storage.step_images import Repository, StepImage

_ATTEMPT = "look up a step"
_LONGEST = 1 << 20


class LookUps:
    """The processes of one build, as many as stages have asked at once."""

    def __init__(self, repositories: Sequence[Repository]) -> None:
        self._repositories = repositories
        self._all: list[_Process] = []
        self._idle: list[_Process] = []

    def find(self, number: int, key: str) -> Generator[int, None, StepImage]:
        """Find what a step came to in the repository of a number. Raises as Repository.find does."""
        process = self._idle.pop() if self._idle else self._start()
        process.ask([number, key])
        yield process.fileno()
        found = process.answer()
        self._idle.append(process)
        if "class" in found:
            raise worker.error_of(found)
        return self._repositories[number].step(key, found)

    def _start(self) -> _Process:
        self._all.append(_Process(self._repositories))
        return self._all[-1]

    def close(self) -> None:
        """End the processes."""
        for process in self._all:
            process.end()


class _Process:
    def __init__(self, repositories: Sequence[Repository]) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._worker = worker.fork(worker.Worker, lambda _report: _serve(theirs, repositories), _ATTEMPT)
        theirs.close()

    def fileno(self) -> int:
        """Return what is readable when there is an answer."""
        return self._socket.fileno()

    def ask(self, question: list[Any]) -> None:
        """Begin to look."""
        try:
            self._socket.sendall(json.dumps(question).encode())
        except OSError as error:
            raise StorageError(f"{_ATTEMPT}: the process has ended") from error

    def answer(self) -> dict[str, Any]:
        """Return what has come. Raises StorageError if the process has ended."""
        data = self._socket.recv(_LONGEST)
        if not data:
            raise StorageError(f"{_ATTEMPT}: the process has ended")
        found: dict[str, Any] = json.loads(data)
        return found

    def end(self) -> None:
        """End it, whatever it does."""
        self._socket.close()
        self._worker.kill()


def _serve(questions: socket.socket, repositories: Sequence[Repository]) -> dict[str, Any]:
    """Answer one question after the other, for ever."""
    while True:
        number, key = json.loads(questions.recv(_LONGEST))
        try:
            answer = repositories[number].find(key).document()
        except StorageError as error:
            answer = worker.told(error, _ATTEMPT)
        questions.sendall(json.dumps(answer).encode())
