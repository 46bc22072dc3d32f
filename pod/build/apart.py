"""Long work of a stage in a process of its own: meanwhile other stages go on, and a signal ends it at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pod.build.scheduling import settled
from pod.errors import PodError
from storage import worker
from storage.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from pod.build.scheduling import Needs


def apart(attempt: str, work: Callable[[], dict[str, Any]]) -> Generator[int | Needs, None, dict[str, Any]]:
    """Do some work, wait for its end, and return what it gave, which must be fit for JSON.

    `attempt` is for the messages of errors that nobody expects. Raises StorageError, also in place of PodError.
    """
    process = worker.fork(worker.Worker, lambda _report: _told(work), attempt)
    yield from settled(process)
    return process.values()


def _told(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return work()
    except PodError as error:
        raise StorageError(str(error), hint=error.hint) from error
