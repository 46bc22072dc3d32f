"""Removing images, and the containers that stand in the way if that is forced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pod import events
from pod.errors import ContainerNotFoundError, PodError
from pod.images import mounts
from storage import images, lists, reserve
from storage.errors import ImageInUseError

if TYPE_CHECKING:
    from pod.config import Config
    from pod.engine import Engine
    from storage.images import Removed


def remove(engine: Engine, text: str, *, force: bool, all_names: bool = False) -> Removed:
    """Take the name that a text means from its image, or remove the image with its last name.

    With `force`, containers of the image are stopped and removed before it. An ID means an image with several names
    only with `force` or `all_names`.
    """
    listed = lists.changeable(engine.store, text)
    if listed is not None:
        return remove_list(engine, *listed, force=force or all_names)
    image_id, name = images.find(engine.store, text)
    if name is None or len(images.load(engine.store, image_id).names) == 1:
        _release(engine.config, image_id, force=force)
    removed = _remove(engine, image_id, name, force=force, all_names=all_names)
    _tell(engine, removed, image_id, name)
    return removed


def remove_list(engine: Engine, list_id: str, name: str | None, *, force: bool) -> Removed:
    """Take a name from a list of manifests, or remove it with its last name (`force`: with all)."""
    try:
        removed = reserve.removing(engine.store, lambda: lists.remove(engine.store, list_id, name=name, force=force))
    except ImageInUseError as error:  # What stands in the way are further names: podman's status is another one then.
        raise PodError(str(error), hint=error.hint) from error
    _tell(engine, removed, list_id, name)
    return removed


def _tell(engine: Engine, removed: Removed, image_id: str, name: str | None) -> None:
    for one in removed.untagged:
        events.record(engine.config, "image", "untag", id=image_id, name=one)
    if removed.deleted:
        events.record(engine.config, "image", "remove", id=image_id, name=name or image_id)


def prune(engine: Engine, *, all: bool, keep: set[str]) -> list[Removed]:
    """Remove images and lists that nothing uses (with `all`), or that have no name; `keep` are to stay in any case."""
    used = keep | mounts.mounted(engine.config)
    found = images.prune(engine.store, all=all, keep=used)
    found += reserve.removing(engine.store, lambda: lists.prune(engine.store, all=all, keep=keep))
    for removed in found:
        if removed.deleted:
            events.record(engine.config, "image", "remove", id=removed.deleted, name=removed.deleted)
    if found:
        reclaimed = sum(removed.freed for removed in found)
        events.record(engine.config, "image", "prune", attributes={"reclaimed": str(reclaimed)})
    return found


def _release(config: Config, image_id: str, *, force: bool) -> None:
    """See that an image that is to go is not mounted on the host."""
    if mounts.is_mounted(config, image_id):
        if not force:
            raise PodError(f"image {image_id} is mounted", hint=f"pod image unmount {image_id}")
        mounts.unmount(config, image_id, force=True)


def _remove(engine: Engine, image_id: str, name: str | None, *, force: bool, all_names: bool) -> Removed:
    try:
        return reserve.removing(
            engine.store, lambda: images.remove(engine.store, image_id, name=name, force=force or all_names)
        )
    except ImageInUseError as error:
        owners = images.pins(engine.store, image_id)
        if not owners:  # What stands in the way are further names: podman's status is another one then.
            raise PodError(str(error), hint=error.hint) from error
        if not force:
            raise
    from pod.pods.remove import remove_container
    from pod.state import find_container

    for owner in owners:
        try:
            remove_container(engine, find_container(engine.connection, owner), force=True, volumes=False)
        except ContainerNotFoundError:
            continue  # somebody else removed it meanwhile
    return reserve.removing(engine.store, lambda: images.remove(engine.store, image_id, name=name, force=force))
