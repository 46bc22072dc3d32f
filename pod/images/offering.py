"""For which platforms there are images of a name: `build --all-platforms`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pod.images.lists import remote
from storage import images, lists
from storage.errors import ImageNotFoundError, RegistryError
from storage.platform import Platform

if TYPE_CHECKING:
    from pod.images.pulls import Pull
    from storage.images import Image
    from storage.store import Store


def platforms(pull: Pull, text: str) -> list[Platform]:
    """Return the platforms of the list that a name stands for in the store, else at a registry; none for an image.

    Raises PodError or StorageError for what is no name.
    """
    known = lists.known(pull.engine.store, text)
    if known is not None:
        return _of(known[0].document)
    for name in pull.resolve(text).candidates if pull.policy != "never" else ():
        try:
            return _of(remote(pull.options, str(name)))
        except (RegistryError, ImageNotFoundError):
            continue
    return []


def platform_of(image: Image) -> Platform:
    """Return what an image says that it runs on."""
    return Platform(image.os, image.architecture, str(json.loads(image.config).get("variant") or ""))


def local(store: Store, text: str, wanted: Platform) -> Image | None:
    """Return an image that no registry can have (localhost/…), whatever it runs on; None for others.

    Raises ImageNotFoundError for such a list that has none for the platform.
    """
    known = lists.known(store, text)
    try:
        image_id, name = ("", known[1]) if known is not None else images.find(store, text)
    except ImageNotFoundError:
        return None
    if name is None or not name.startswith("localhost/"):
        return None
    return images.load(store, lists.instance(store, known[0], wanted)[0] if known is not None else image_id)


def _of(document: dict[str, Any]) -> list[Platform]:
    """Return the platforms of a list's members; attestations name none that there is."""
    said = [member.get("platform") or {} for member in document.get("manifests") or ()]
    found = [Platform(one.get("os") or "", one.get("architecture") or "", one.get("variant") or "") for one in said]
    return [one for one in dict.fromkeys(found) if one.os and one.os != "unknown"]
