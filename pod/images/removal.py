"""Removing images, and the containers that stand in the way if that is forced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pod.errors import PodError
from storage import images, reserve
from storage.errors import ImageInUseError

if TYPE_CHECKING:
    from pod.engine import Engine
    from storage.images import Removed


def remove(engine: Engine, text: str, *, force: bool, all_names: bool = False) -> Removed:
    """Take the name that a text means from its image, or remove the image with its last name.

    With `force`, containers of the image are stopped and removed before it. An ID means an image with several names
    only with `force` or `all_names`.
    """
    image_id, name = images.find(engine.store, text)
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
    from pod.containers.remove import remove_container
    from pod.state import find_container

    for owner in owners:
        remove_container(engine, find_container(engine.connection, owner), force=True, volumes=False)
    return reserve.removing(engine.store, lambda: images.remove(engine.store, image_id, name=name, force=force))
