"""A container's file system as a tar: `export`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pod import events
from pod.containers.tree import reading
from pod.containers.tree import root as tree
from storage.layers.write import WriteOptions, tar_of

if TYPE_CHECKING:
    from pod.engine import Engine
    from pod.state import Container


def export(engine: Engine, container: Container, descriptor: int) -> None:
    """Write what the container's layer and image hold, without mounts, to a file descriptor."""
    with reading.whole(engine, container) as check, tree.files(engine, container) as opened:
        for data in tar_of(opened.fd, WriteOptions(owner=opened.inside)):
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
        check()
    events.of_container(engine.config, container, "export")
