"""The content of a volume as a tar."""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING

from pod.volumes import driver, path
from storage.layers.write import WriteOptions, tar_of

if TYPE_CHECKING:
    from pod.engine import Engine
    from pod.state import Volume

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def export(engine: Engine, volume: Volume, output: IO[bytes]) -> None:
    """Write all that a volume holds. Raises OSError."""
    top = opened(engine, volume)
    try:
        output.writelines(tar_of(top, WriteOptions(content=True)))
    finally:
        os.close(top)


def opened(engine: Engine, volume: Volume) -> int:
    """Open the volume; one that is a mount in a mount namespace of its own, from which this process never returns."""
    place = path(engine.config, volume.name)
    if driver.is_mounted_by(volume.options):
        from pod.containers.rootfs.overlay import enter_mount_namespace

        place = f"{engine.config.runroot}/mounts"
        os.makedirs(place, 0o700, exist_ok=True)
        enter_mount_namespace()
        driver.attach(engine.config, volume, place)
    return os.open(place, _DIRECTORY)
