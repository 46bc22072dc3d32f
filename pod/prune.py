"""Removing what nothing uses: stopped containers, ended pods, unused volumes, images without a name or a user.

Each object that somebody began to use since the list was made, or removed before us, is passed over.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pod import events, filters, state, sweep
from pod.build.mounts import kept
from pod.containers import dependencies
from pod.containers.filters import pruned
from pod.containers.listing import listed
from pod.containers.remove import RunningError, remove_container, remove_volume
from pod.errors import NoSuchPodError, NoSuchVolumeError, VolumeInUseError
from pod.images import removal
from storage import build_cache as cached_steps
from storage import database, lists
from storage import images as stored_images
from storage.measuring import freed_with

if TYPE_CHECKING:
    from pod.containers.listing import Listed
    from pod.engine import Engine


@dataclass(frozen=True)
class Pruned:
    """What went, by name or ID, and the bytes that were freed."""

    removed: list[str]
    freed: int


_STOPPED = ("created", "exited", "configured", "initialized")
_ENDED = ("Exited", "Stopped")  # of a pod


def containers(engine: Engine, texts: list[str]) -> Pruned:
    """Remove the containers that do not run and that fit the filters, with their anonymous volumes kept."""
    stopped = [one for one in pruned(listed(engine), texts) if one.status.state in _STOPPED]
    candidates = [one for one in stopped if not one.container.config["pod"]["infra"]]  # it goes with its pod
    removed, freed = [], 0
    for one in _dependants_first(engine, candidates):
        size = freed_with([engine.config.container_dir(one.container.id)])
        try:
            remove_container(engine, one.container)
        except (RunningError, dependencies.DependencyError):
            continue
        removed.append(one.container.id)
        freed += size
    if removed:
        events.record(engine.config, "container", "prune", attributes={"reclaimed": str(freed)})
    return Pruned(removed, freed)


def pods(engine: Engine) -> Pruned:
    """Remove the pods of which nothing runs any more, with their containers."""
    from pod.pods import remove, rows, status

    removed = []
    for pod in rows.everything(engine.connection):
        if status.observe(engine, pod).word not in _ENDED:
            continue
        try:
            remove.remove(engine, pod)
        except (NoSuchPodError, remove.PodRunningError, RunningError, dependencies.DependencyError):
            continue
        removed.append(pod.id)
    return Pruned(removed, 0)


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
        size = freed_with([f"{engine.config.graphroot}/volumes/{volume.name}"])
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

        present = stored_images.list_images(engine.store) + lists.as_images(engine.store)
        keep = {image.id for image in present} - {image.id for image in chosen(engine.store, present, texts)}
    found = removal.prune(engine, all=all, keep=keep)
    return Pruned([one.deleted for one in found if one.deleted], sum(one.freed for one in found))


def build_cache(engine: Engine, texts: list[str]) -> Pruned:
    """Forget what steps of builds came to and what cache mounts hold, if last used before the moment of `until`."""
    wanted = filters.parse(texts)
    filters.prunable(wanted)
    before = filters.until(wanted["until"]) if "until" in wanted else None
    return Pruned([], cached_steps.prune(engine.store, before=before) + kept.prune(engine, before=before))


def leftovers(engine: Engine) -> Pruned:
    """Remove what belongs to nobody: what crashes and downloads that were cut off left, and room in the database."""
    before = {path: freed_with([path]) for path in _orphans(engine)}
    swept = sweep.sweep(engine, measure=True)
    swept += sum(size for path, size in before.items() if not os.path.lexists(path))
    return Pruned([], swept + database.compact(engine.connection))


def _orphans(engine: Engine) -> list[str]:
    """Return the directories of containers and volumes that the sweep may take."""
    connection, root = engine.connection, engine.config.graphroot
    containers = state.container_ids(connection) - {identity for identity, _, _ in state.auto_removed(connection)}
    known = {"containers": containers, "volumes": {volume.name for volume in state.volumes(connection)}}
    return [
        f"{root}/{kind}/{name}"
        for kind, own in known.items()
        for name in os.listdir(f"{root}/{kind}")
        if name not in own
    ]
