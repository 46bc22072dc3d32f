"""Long work of a stage in a process of its own: meanwhile other stages go on, and a signal ends it at once."""

from __future__ import annotations

import os
import select
import signal
from typing import TYPE_CHECKING

from pod.build.stages.scheduling import settled
from pod.errors import PodError
from runtime import kernel, syscalls
from storage import worker
from storage.errors import StorageError
from storage.syscalls import set_parent_death_signal

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from pod.build.stages.scheduling import Needs


def apart(
    attempt: str, work: Callable[[], dict[str, Any]], *, runs_programs: bool = False
) -> Generator[int | Needs, None, dict[str, Any]]:
    """Do some work, wait for its end, and return what it gave, which must be fit for JSON.

    Work that runs programs has a pid namespace, so that these end with it, and what they have started, too. `attempt`
    is for the messages of errors that nobody expects. Raises StorageError, also in place of PodError.
    """

    def run(_report: Callable[[int], None]) -> dict[str, Any]:
        if runs_programs:
            _become_first_process()
        try:
            return work()
        except PodError as error:
            raise StorageError(str(error), hint=error.hint) from error

    return (yield from settled(worker.fork(worker.Worker, run, attempt)))


def _become_first_process() -> None:
    """Go on as the first process of a pid namespace: with it all others there are killed. Needs CAP_SYS_ADMIN."""
    syscalls.unshare(kernel.CLONE_NEWPID)
    parent = os.pidfd_open(os.getpid())
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        os._exit(0)
    set_parent_death_signal(signal.SIGKILL)
    if select.select([parent], [], [], 0)[0]:
        os._exit(1)  # it died before that could matter
    os.close(parent)
