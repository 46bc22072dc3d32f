"""An image's root file system mounted on the host, to read: `pod image mount`.

It is at `<runroot>/images/<id>/merged` in the caller's mount namespace; whether it is there the kernel alone tells.
"""

from __future__ import annotations

import os

from pod import events
from pod.containers.rootfs import overlay as rootfs
from pod.errors import PodError
from pod.foreign_mounts import is_mount
from runtime import kernel, syscalls
from storage.rootfs import lowers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.config import Config
    from pod.engine import Engine
    from storage.images import Image


def path(config: Config, image_id: str) -> str:
    """Return where an image is, or would be, mounted."""
    return f"{config.runroot}/images/{image_id}/merged"


def is_mounted(config: Config, image_id: str) -> bool:
    """Tell whether an image is mounted in this process's mount namespace; cheap where it never was."""
    place = path(config, image_id)
    return os.path.isdir(place) and is_mount(place)


def mounted(config: Config) -> set[str]:
    """Return the IDs of the images that are mounted."""
    try:
        names = os.listdir(f"{config.runroot}/images")
    except FileNotFoundError:
        return set()
    return {name for name in names if is_mounted(config, name)}


def mount(engine: Engine, image: Image) -> str:
    """Mount an image and return where; one that is mounted stays so. Nothing can be written there."""
    place = path(engine.config, image.id)
    if is_mounted(engine.config, image.id):
        return place
    directories = lowers(engine.store, image)
    # An overlay without an upper layer wants two layers.
    empty = f"{engine.config.runroot}/images/{image.id}/empty"
    for directory in (place, empty):
        os.makedirs(directory, 0o700, exist_ok=True)
    overlay = rootfs.Overlay(
        lowers=[*directories, *([empty] if len(directories) < 2 else [])],
        directory=os.path.dirname(place),
        rootless=engine.config.rootless,
        volatile=False,
    )
    if not directories:
        overlay.lowers = [empty, os.path.dirname(empty)]
    overlay.upper, overlay.target = "", place
    rootfs.mount_overlay(overlay)
    events.record(engine.config, "image", "mount", id=image.id, name=image.names[0] if image.names else image.id)
    return place


def unmount(config: Config, image_id: str, *, force: bool) -> bool:
    """Unmount an image; False if it is not mounted. Raises PodError if it is in use, unless `force`."""
    if not is_mounted(config, image_id):
        return False
    place = path(config, image_id)
    try:
        syscalls.umount2(place, kernel.MNT_DETACH if force else 0)
    except OSError as error:
        raise PodError(
            f"unmounting image {image_id}: {(error.strerror or '').lower()}",
            hint="something has a file of it open: end that, or say --force",
        ) from error
    for directory in (place, f"{os.path.dirname(place)}/empty", os.path.dirname(place)):
        try:
            os.rmdir(directory)
        except OSError:
            break
    events.record(config, "image", "unmount", id=image_id, name=image_id)
    return True
