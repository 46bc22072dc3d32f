"""The working directory of a RUN that mounts something below it.

What mounts are mounted on is below all layers, and gone with the step. The directory itself is part of the image and
USER's, as podman makes it: so it is made before, over the layers alone.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pod.containers.inside import users
from pod.containers.rootfs.overlay import enter_mount_namespace, make_workdir, mount_overlay
from pod.errors import PodError
from storage import worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from pod.build.steps.snapshots import Snapshot


def is_hidden(workdir: str, targets: Iterable[str]) -> bool:
    """Tell whether something is mounted below a working directory."""
    return workdir != "/" and any(target.startswith(f"{workdir}/") for target in targets)


def fork_making(snapshot: Snapshot, workdir: str, user: str) -> worker.Worker:
    """Start the process that makes it in a snapshot, unless it is there; an unknown USER is refused later."""
    overlay = snapshot.overlay()

    def run(_report: Callable[[int], None]) -> dict[str, Any]:
        enter_mount_namespace()
        mount_overlay(overlay)
        root = os.open(overlay.target, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            owner = users.resolve(root, user, [])
        except PodError:
            return {}
        make_workdir(root, workdir, owner)
        return {}

    return worker.fork(worker.Worker, run, "working directory")
