"""Taking away what ended containers and exec sessions leave, where neither their monitor nor a command has done it."""

from __future__ import annotations

import os

from pod import sweep
from pod.containers import remove, stop
from pod.containers.status import observe
from pod.errors import PodError
from storage import gc, images

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.engine import Engine
    from pod.state import Container


def clean(engine: Engine, container: Container, *, remove_it: bool = False, remove_image: bool = False) -> None:
    """Wait until the monitor of an ended container is done; remove a container that was to go, or is to go now.

    With `remove_image` its image goes too, unless something else uses it. A container that runs is left alone.
    """
    stop.settle(engine.config, container.id)
    if observe(engine.config, container.id).is_running:
        return
    remove.settle_lost(engine, container)
    if container.auto_remove or remove_it:
        remove.remove_ended(engine, container)
        if remove_image and container.image and not images.pins(engine.store, container.image):
            from pod.images import removal

            removal.remove(engine, container.image, force=False, all_names=True)


def clean_session(engine: Engine, session_id: str) -> None:
    """Remove the files of an exec session that has ended. Raises PodError for one that there is not."""
    directory = f"{engine.config.runroot}/exec/{session_id}"
    if "/" in session_id or not os.path.isdir(directory):
        raise PodError(f"no exec session with ID {session_id} found: no such exec session")
    if not sweep.is_locked(directory):
        gc.remove_tree(directory)
