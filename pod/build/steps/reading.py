"""Reading what a step takes of the context before it is asked for, where that takes long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pod.build.context import digests
from pod.build.stages.apart import apart

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from pod.build.context.known import KnownDigests
    from pod.build.context.selection import Selection
    from pod.build.stages.scheduling import Needs


def read_ahead(selections: Sequence[Selection], known: KnownDigests) -> Generator[int | Needs, None, None]:
    """Learn the digests of many or large files. Raises StorageError for what cannot be read."""
    if not digests.takes_long(selections, known):
        return

    def read() -> dict[str, str]:
        known.take_learned()
        for one in selections:
            digests.digest(one, known)
        return {name.hex(): digest.hex() for name, digest in known.take_learned().items()}

    learned = yield from apart("read context", read)
    known.add({bytes.fromhex(name): bytes.fromhex(digest) for name, digest in learned.items()})
