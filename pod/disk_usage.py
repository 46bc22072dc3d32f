"""How much disk images, containers and volumes take, and how much of it could be had back: what `system df` tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pod import state, volumes
from pod.containers.status import observe
from pod.containers.tree import size as tree_size
from storage import images, lists
from storage.measuring import size_of
from storage.sizes import sizes_of_images

if TYPE_CHECKING:
    from pod.containers.status import Status
    from pod.engine import Engine
    from pod.state import Container, Volume
    from storage.images import Image


@dataclass(frozen=True)
class ImageUsage:
    """An image; sizes in bytes. What other images have too is shared, the rest would go with it."""

    image: Image
    size: int
    shared: int
    containers: int

    @property
    def unique(self) -> int:
        """What nothing but this image needs."""
        return self.size - self.shared


@dataclass(frozen=True)
class ContainerUsage:
    """A container and the bytes that it has written over its image."""

    container: Container
    status: Status
    size: int
    volumes: int


@dataclass(frozen=True)
class VolumeUsage:
    """A volume, its bytes, and how many containers use it."""

    volume: Volume
    size: int
    links: int


@dataclass(frozen=True)
class Summary:
    """One kind of object: how many, how many in use, and bytes in all and to be had back."""

    kind: str
    total: int
    active: int
    size: int
    reclaimable: int


@dataclass(frozen=True)
class Usage:
    """All of the store."""

    images: list[ImageUsage]
    containers: list[ContainerUsage]
    volumes: list[VolumeUsage]
    layers: int  # bytes of all layers, each counted once
    layers_in_use: int  # of those that containers stand on

    def summaries(self) -> list[Summary]:
        """Return the lines of `system df`, a kind of object each."""
        stopped = [one for one in self.containers if not one.status.is_running]
        unused = [one for one in self.volumes if not one.links]
        return [
            Summary(
                "Images",
                len(self.images),
                sum(1 for one in self.images if one.containers),
                self.layers,
                self.layers - self.layers_in_use,
            ),
            Summary(
                "Containers",
                len(self.containers),
                len(self.containers) - len(stopped),
                sum(one.size for one in self.containers),
                sum(one.size for one in stopped),
            ),
            Summary(
                "Local Volumes",
                len(self.volumes),
                len(self.volumes) - len(unused),
                sum(one.size for one in self.volumes),
                sum(one.size for one in unused),
            ),
        ]


def measure(engine: Engine) -> Usage:
    """Measure everything; to read what containers wrote, the engine must be open for writing (rootless)."""
    found_images, layers, in_use = _images(engine)
    return Usage(found_images, _containers(engine), _volumes(engine), layers, in_use)


def volume_size(engine: Engine, name: str) -> int:
    """Return the bytes that a volume holds."""
    return size_of([volumes.path(engine.config, name)])


def _images(engine: Engine) -> tuple[list[ImageUsage], int, int]:
    layers = sizes_of_images(engine.store)
    users: dict[str, int] = {}
    for found in layers.values():
        for key in found:
            users[key] = users.get(key, 0) + 1
    told, in_use = [], {}
    for image in [*images.list_images(engine.store), *lists.as_images(engine.store)]:
        own = layers.get(image.id, {})
        pins = len(images.pins(engine.store, image.id))
        if pins or image.readonly:  # nothing of a further store could be had back
            in_use.update(own)
        shared = sum(size for key, size in own.items() if users[key] > 1)
        told.append(ImageUsage(image, sum(own.values()), shared, pins))
    every = {key: size for found in layers.values() for key, size in found.items()}
    return told, sum(every.values()), sum(in_use.values())


def _containers(engine: Engine) -> list[ContainerUsage]:
    return [
        ContainerUsage(
            one,
            observe(engine.config, one.id),
            tree_size.written_by(engine.config, one.id),
            len(state.volumes_of(engine.connection, one.id, anonymous_only=False)),
        )
        for one in state.containers(engine.connection)
    ]


def _volumes(engine: Engine) -> list[VolumeUsage]:
    return [
        VolumeUsage(
            one,
            volume_size(engine, one.name),
            len(state.volume_users(engine.connection, one.name)),
        )
        for one in state.volumes(engine.connection)
    ]
