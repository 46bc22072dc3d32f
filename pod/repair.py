"""Looking for damage in the store, and mending it: what `system check` does.

A damaged layer is made again from its own files if their content is whole, else fetched from the registries of
the images that have it. What cannot be had again is removed, for it cannot be trusted: a damaged layer with the images
that stand on it, and these with their containers only if that is asked for.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pod import registries, state, trust
from pod.auto_update import pending
from pod.build import holding
from pod.containers.status import observe
from pod.errors import PodError
from pod.images import removal
from storage import check, database, documents, images, places, reference
from storage.check import Damage
from storage.errors import ImageNotFoundError, StorageError
from storage.registry.known import KnownImageOrigin
from storage.registry.origin import Clients, RegistryOrigin
from storage.repair import Repairer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pod.engine import Engine

CONTAINER, PIN = "container", "pin"
# A container's row comes a moment before its directory.
_YOUNG_SECONDS = 60.0


@dataclass(frozen=True)
class Repair:
    """What was mended and what failed, a line each; IDs of what was removed; the damage that is left."""

    mended: list[str]
    images: list[str]
    containers: list[str]
    failed: list[str]
    left: list[Damage]


def find(engine: Engine, *, quick: bool, unused_seconds: float) -> list[Damage]:
    """Find all damage; unless `quick`, every byte of every layer is read.

    Layers that no image has count as damage once they are older than `unused_seconds`: of pulls that were cut off.
    """
    found = check.find(engine.store, deep=not quick, unused_seconds=unused_seconds)
    try:
        return [*found, *_containers(engine)]
    except database.Error as error:
        return [*found, Damage(check.DATABASE, "", str(error))]


def repair(engine: Engine, damage: Sequence[Damage], *, quick: bool, unused_seconds: float, force: bool) -> Repair:
    """Mend what can be, and remove images that cannot; with `force` those that containers use too, with these."""
    _mend_pins(engine, damage)
    mender = Repairer(
        engine.store,
        lambda image, digest: _origins(engine, image, digest),
        lambda: trust.load(engine.config, registries.options(engine.config)),
        lambda: _running(engine),
        rootless=engine.config.rootless,
        single_id=engine.single_id,
    )
    report = mender.repair(damage)
    left = find(engine, quick=quick, unused_seconds=unused_seconds)
    gone_images, gone_containers = _remove(engine, left, set() if force else report.postponed, force=force)
    if gone_images or gone_containers:
        left = find(engine, quick=quick, unused_seconds=unused_seconds)
    return Repair(report.mended, gone_images, gone_containers, report.failed if left or gone_images else [], left)


def _containers(engine: Engine) -> Iterator[Damage]:
    """Containers without their image or their files, and images that are kept for containers that are not there."""
    connection = engine.connection
    connection.execute("BEGIN")  # both tables as they are at one moment
    try:
        pins = images.all_pins(engine.store)
        containers = state.containers(connection)
        known = images.ids(engine.store)
    finally:
        connection.execute("ROLLBACK")
    present = {container.id for container in containers}
    for owner, image in pins:
        if owner not in present and not holding.is_alive(owner) and not pending.is_record(owner):
            yield Damage(PIN, owner, f"image {image} is kept for a container that does not exist")
    for container in containers:
        if container.image and container.image not in known:
            yield Damage(CONTAINER, container.id, f"its image {container.image} is missing")
        elif container.image and (container.id, container.image) not in pins:
            yield Damage(PIN, container.id, f"image {container.image} is not kept for this container")
        is_old = time.time() - container.created > _YOUNG_SECONDS
        is_gone = is_old and not os.path.isdir(engine.config.container_dir(container.id))
        if is_gone and container.id in state.container_ids(connection):  # still: its row goes first
            yield Damage(CONTAINER, container.id, "its directory is missing")


def _mend_pins(engine: Engine, damage: Sequence[Damage]) -> None:
    with database.transaction(engine.connection) as connection:
        for owner in {one.subject for one in damage if one.kind == PIN}:
            row = connection.execute("SELECT image FROM container WHERE id = ?", (owner,)).fetchone()
            if row is None:
                images.unpin(connection, owner)
            else:
                images.pin(connection, row[0], owner)


def _running(engine: Engine) -> dict[str, str]:
    """Return the images that running containers stand on, each with one of these."""
    names = {one.id: one.name for one in state.containers(engine.connection)}
    return {
        image: f"container {names[owner]}"
        for owner, image in images.all_pins(engine.store)
        if owner in names and observe(engine.config, owner).is_running
    }


def _origins(engine: Engine, image_id: str, digest: str) -> Iterator[RegistryOrigin]:
    """Give every repository that an image has a name in, then those that its layers were seen in."""
    options = registries.options(engine.config)
    seen = set()
    try:
        image = images.load(engine.store, image_id)
    except ImageNotFoundError:
        return  # somebody has removed it meanwhile
    for name in image.names:
        try:
            found = reference.parse(name)
        except StorageError:
            continue
        if found.domain != "localhost" and found.name not in seen:
            seen.add(found.name)
            yield RegistryOrigin(Clients(options), found.with_digest(digest))
    whole = documents.digest_of(image.config) == f"sha256:{image_id}" and digest == image.digest
    for where in dict.fromkeys(one for found in places.of_image(engine.store, image_id).values() for one in found):
        repository = reference.Reference(*where)
        if whole and repository.name not in seen:
            yield KnownImageOrigin(Clients(options), repository.with_digest(digest), image)


def _remove(engine: Engine, damage: Sequence[Damage], keep: set[str], *, force: bool) -> tuple[list[str], list[str]]:
    """Remove damaged images and, with `force`, containers; return the IDs of both."""
    # The search for damage takes its time, in which others may have pulled anew what it found first.
    damage = [one for one in damage if check.persists(engine.store, one)]
    removed_images: list[str] = []
    removed_containers: list[str] = []
    for image_id in sorted(_damaged_images(engine, damage) - keep):
        owners = images.pins(engine.store, image_id)
        if owners and not force:
            continue
        try:
            removal.remove(engine, image_id, force=True, all_names=True)
        except (PodError, StorageError):
            continue  # what is left is told in the end
        removed_images.append(image_id)
        removed_containers += owners
    for container_id in sorted({one.subject for one in damage if one.kind == CONTAINER} if force else ()):
        from pod.pods.remove import remove_container

        try:
            remove_container(engine, state.find_container(engine.connection, container_id), force=True)
        except (PodError, StorageError, OSError):
            continue
        removed_containers.append(container_id)
    return removed_images, removed_containers


def _damaged_images(engine: Engine, damage: Sequence[Damage]) -> set[str]:
    """Return the IDs of the images that damage is about."""
    found = {one.subject for one in damage if one.kind == check.IMAGE}
    for one in damage:
        if one.kind == check.LAYER:
            found.update(images.with_layer(engine.store, one.subject))
    return found
