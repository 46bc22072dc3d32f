"""Removing what nothing uses: stopped containers, volumes without a container, images without a name or a user.

Each object that somebody began to use since the list was made, or removed before us, is passed over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pod import disk_usage, events, filters, state
from pod.containers import dependencies, tree_size
from pod.containers.filters import pruned
from pod.containers.listing import listed
from pod.containers.remove import RunningError, remove_container, remove_volume
from pod.errors import NoSuchVolumeError, VolumeInUseError
from pod.images import removal
from storage import images as stored_images
from storage.sizes import sizes_of_images

if TYPE_CHECKING:
    from pod.containers.listing import Listed
    from pod.engine import Engine


@dataclass(frozen=True)
class Pruned:
    """What went, by name or ID, and the bytes that were freed."""

    removed: list[str]
    freed: int


_STOPPED = ("created", "exited", "configured", "initialized")


def containers(engine: Engine, texts: list[str]) -> Pruned:
    """Remove the containers that do not run and that fit the filters, with their anonymous volumes kept."""
    candidates = [one for one in pruned(listed(engine), texts) if one.status.state in _STOPPED]
    removed, freed = [], 0
    for one in _dependants_first(engine, candidates):
        size = tree_size.written_by(engine.config, one.container.id)
        try:
            remove_container(engine, one.container)
        except (RunningError, dependencies.DependencyError):
            continue
        removed.append(one.container.id)
        freed += size
    if removed:
        events.record(engine.config, "container", "prune", attributes={"reclaimed": str(freed)})
    return Pruned(removed, freed)


def _dependants_first(engine: Engine, candidates: list[Listed]) -> list[Listed]:
    """Put a container before those that it needs, which were created before it."""
    return sorted(candidates, key=lambda one: one.container.created, reverse=True)


def volumes(engine: Engine, texts: list[str]) -> Pruned:
    """Remove the volumes that no container uses and that fit the filters (also `anonymous=true|false`)."""
    wanted = filters.parse(texts)
    passes = filters.prunable(wanted, others=("anonymous", "all"))
    anonymous = [filters.boolean("anonymous", value) for value in wanted.get("anonymous", ())]
    removed, freed = [], 0
    for volume in state.volumes(engine.connection):
        if state.volume_users(engine.connection, volume.name) or not passes(volume.labels, volume.created):
            continue
        if anonymous and volume.anonymous not in anonymous:
            continue
        size = disk_usage.volume_size(engine, volume.name)
        try:
            remove_volume(engine, volume.name, force=False)
        except (VolumeInUseError, NoSuchVolumeError):
            continue
        removed.append(volume.name)
        freed += size
    if removed:
        events.record(engine.config, "volume", "prune", attributes={"reclaimed": str(freed)})
    return Pruned(removed, freed)


def networks(engine: Engine, texts: list[str]) -> Pruned:
    """Remove the networks that no container is on and that fit the filters."""
    from pod.networks import remove

    return Pruned(remove.prune(engine, texts), 0)


def images(engine: Engine, texts: list[str], *, all: bool) -> Pruned:
    """Remove the images that have no name, or with `all` those that nothing uses, as far as they fit the filters."""
    keep: set[str] = set()
    if texts:
        from pod.images.filters import chosen

        present = stored_images.list_images(engine.store)
        keep = {image.id for image in present} - {image.id for image in chosen(engine.store, present, texts)}
    before = _layers(engine)
    removed = [one.deleted for one in removal.prune(engine, all=all, keep=keep) if one.deleted]
    after = _layers(engine)
    return Pruned(removed, sum(size for key, size in before.items() if key not in after))


def _layers(engine: Engine) -> dict[str, int]:
    return {key: size for found in sizes_of_images(engine.store).values() for key, size in found.items()}
