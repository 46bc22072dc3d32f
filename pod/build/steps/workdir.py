"""The working directory of a RUN that mounts something below it.

What mounts are mounted on is below all layers, and gone with the step. The directory itself is part of the image and
USER's, as podman makes it: so it is made before, over the layers alone.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pod.build.stages.apart import apart
from pod.containers.inside import users
from pod.containers.rootfs.overlay import enter_mount_namespace, make_workdir, mount_overlay
from pod.errors import PodError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from typing import Any

    from pod.build.stages.scheduling import Needs
    from pod.build.steps.snapshots import Snapshot


def is_hidden(workdir: str, targets: Iterable[str]) -> bool:
    """Tell whether something is mounted below a working directory."""
    return workdir != "/" and any(target.startswith(f"{workdir}/") for target in targets)


def making(snapshot: Snapshot, workdir: str, user: str) -> Generator[int | Needs, None, object]:
    """Make it in a snapshot, apart, unless it is there; an unknown USER is refused later. Raises StorageError."""
    overlay = snapshot.overlay()

    def work() -> dict[str, Any]:
        enter_mount_namespace()
        mount_overlay(overlay)
        root = os.open(overlay.target, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            owner = users.resolve(root, user, [])
        except PodError:
            return {}
        make_workdir(root, workdir, owner)
        return {}

    return apart("working directory", work)
