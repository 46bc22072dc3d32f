"""Reading all files of a container that another command may remove meanwhile."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pod import state
from pod.errors import ContainerNotFoundError
from storage.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pod.engine import Engine
    from pod.state import Container


@contextmanager
def whole(engine: Engine, container: Container) -> Iterator[Callable[[], None]]:
    """Tell a removal of the container from all else that goes wrong while its files are read.

    Gives what is to be called when they were: it raises ContainerNotFoundError if they may have been a part only. The
    row goes before the files, so as long as that is there nothing was missing.
    """

    def check() -> None:
        if not state.has_container(engine.connection, container.id):
            raise ContainerNotFoundError(container.id)

    try:
        yield check
    except (OSError, StorageError):
        check()
        raise
