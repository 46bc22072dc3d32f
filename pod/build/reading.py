"""Reading what a step takes of the context before it is asked for, where that takes long.

A process of its own does it: meanwhile other stages go on, and a signal ends it at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pod.build.context import digests
from pod.build.scheduling import settled
from pod.errors import PodError
from storage import worker
from storage.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from typing import Any

    from pod.build.context.known import KnownDigests
    from pod.build.context.selection import Selection
    from pod.build.scheduling import Needs


def read_ahead(selections: Sequence[Selection], known: KnownDigests) -> Generator[int | Needs, None, None]:
    """Learn the digests of many or large files. Raises StorageError for what cannot be read."""
    if not digests.takes_long(selections, known):
        return

    def run(_report: Callable[[int], None]) -> dict[str, Any]:
        known.take_learned()
        try:
            for one in selections:
                digests.digest(one, known)
        except PodError as error:
            raise StorageError(str(error), hint=error.hint) from error
        return {name.hex(): digest.hex() for name, digest in known.take_learned().items()}

    reader = worker.fork(worker.Worker, run, "read context")
    yield from settled(reader)
    known.add({bytes.fromhex(name): bytes.fromhex(digest) for name, digest in reader.values().items()})
