"""A container made from the configuration of another: `container clone`. Source: podman-container-clone(1).

Its layer is new; named and anonymous volumes are those of the original, and are shared.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from pod import names, state
from pod.containers import create, dependencies, inserting, update
from pod.containers.remove import remove_container
from pod.containers.resources import cgroup_place, limits
from pod.errors import PodError
from pod.lock import ContainerLock
from pod.networks import leases
from pod.pods import joining
from runtime import jsontext
from storage import images

if TYPE_CHECKING:
    from pod.engine import Engine
    from pod.state import Container
    from storage.images import Image

_FILES = ("cidfile", "pidfile", "conmon_pidfile")


class Changes:
    """What the copy is to have otherwise than the original."""

    def __init__(self) -> None:
        self.name = ""  # empty for the original's with `-clone`
        self.image: Image | None = None
        self.resources: dict[str, Any] = {}
        self.pids_limit: int | None = None
        self.destroy = False
        self.force = False


def clone(engine: Engine, original: Container, changes: Changes) -> Container:
    """Make the copy; with `destroy`, remove the original, which must not run unless `force`.

    Raises PodError for `force` alone, and as creating and removing do.
    """
    if original.config["pod"]["infra"]:
        raise PodError(
            f"container {original.id} is the infra container of a pod and cannot be cloned", hint="pod pod clone"
        )
    if changes.force and not changes.destroy:
        raise PodError("cannot set --force without --destroy: invalid argument")
    container_id = names.new_id()
    config = configuration(engine, original, changes, container_id)
    name = names.check_name(changes.name) if changes.name else free_name(engine, original.name)
    needs = dependencies.needs_of(engine.connection, original.id)
    networks = leases.networks_of(engine.connection, original.id)
    if changes.destroy:
        remove_container(engine, original, force=changes.force)
    row = (container_id, name, config["image"], time.time(), int(original.auto_remove), "", jsontext.dumps(config))
    with ContainerLock(engine.config, container_id):
        return inserting.insert(
            engine,
            state.Container(row),
            needs=needs,
            auto_ids=auto_ids(engine, config),
            networks=networks,
            record=joining.record if config["pod"]["id"] else None,
        )


def configuration(engine: Engine, original: Container, changes: Changes, container_id: str) -> dict[str, Any]:
    """Return what the copy is to be."""
    config: dict[str, Any] = jsontext.loads(jsontext.dumps(original.config))
    config["resources"] = update.merged(config["resources"], changes.resources)
    if changes.resources:
        limits.check(config["resources"], unified=limits.is_unified())
        cgroup_place.cgroups_path(engine, container_id, config)  # type: ignore[arg-type]
    if changes.pids_limit is not None:
        config["pids_limit"] = max(changes.pids_limit, 0)
    if config["hostname"] == original.id[:12]:
        config["hostname"] = container_id[:12]
    config["identity"] |= dict.fromkeys(_FILES, "")
    config["create_command"] = sys.argv
    if changes.image is not None:
        image = changes.image
        config |= {"image": image.id, "image_name": image.names[0] if image.names else image.id}
        config |= {"layers": list(image.layers), "rootfs": ""}
    return config


def auto_ids(engine: Engine, config: dict[str, Any]) -> Any:
    """Return what is asked for with --userns=auto, None without it."""
    mode = config["namespaces"]["user"]
    if mode.partition(":")[0] != "auto":
        return None
    from pod.containers.namespaces import userns

    options = create.CreateOptions()
    options.image = images.load(engine.store, config["image"]) if config["image"] else None
    options.namespaces["user"] = mode
    userns.settle(engine, options, config)  # type: ignore[arg-type]
    return options.auto_ids


def free_name(engine: Engine, of: str) -> str:
    """Return NAME-clone, or NAME-clone1 and so on if that is taken."""
    wanted, number = f"{of}-clone", 0
    while state.is_name_taken(engine.connection, wanted):
        number += 1
        wanted = f"{of}-clone{number}"
    return wanted
