"""Wiping a store: what `system reset` does. Only what is ours goes: a --root that holds other things keeps them.

Nothing but containers goes before all others who may write to the store are done (storage/presence.py), and whoever
comes meanwhile waits: of a store without its database, or with half its layers, nobody could make anything.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from pod import state
from pod.containers import runtimes
from pod.containers.dependencies import DependencyError
from pod.containers.remains.foreign import is_foreign
from pod.containers.remains.salvage import salvage
from pod.containers.remove import remove_tree
from pod.errors import NoSuchPodError, PodError
from pod.images import mounts
from pod.networks import firewall
from pod.pods import remove as pods
from pod.pods import rows
from runtime.errors import OCIRuntimeError
from storage import database, images, reserve, store
from storage.errors import StorageError

if TYPE_CHECKING:
    from pod.config import Config
    from pod.engine import Engine
    from storage.presence import Presence

# How long others may take to be done, in seconds, and how often we look.
PATIENCE = 60.0
_INTERVAL = 0.05

_GRAPHROOT = (
    "containers",
    "volumes",
    "secrets",
    "events",
    "build",
    "ingest",
    "staging",
    "trash",
    "reserve",
    "pod.db",
    "pod.db-wal",
    "pod.db-shm",
    "lock",
    "sync.lock",
)
_RUNROOT = (
    "containers",
    "exec",
    "images",
    "mounts",
    "networks",
    "pods",
    "volumes",
    "runtime",
    "runtimes",
    "containers.conf.json",
    "storage.conf.json",
)


def wipe(config: Config) -> None:
    """Delete everything of a store whose database is lost, and end what runs by what the kernel knows of it."""
    if config.rootless:
        from pod import rootless

        rootless.enter(config)
    presence = store.enter(config.graphroot)
    _salvage_all(config)
    deadline = time.monotonic() + PATIENCE
    while not presence.be_alone():
        _wait_for_others(config, presence, deadline)
    if not presence.is_over():
        if not _is_shared(config):
            _unmount(config, mounts.mounted(config))
        _delete_all(config)


def reset(engine: Engine) -> None:
    """Stop and remove all containers and pods, and delete everything that pod keeps below its two roots.

    Killed half way, it leaves a store that a further reset, or any command, takes up.
    """
    presence = engine.store.presence
    assert presence is not None
    deadline = time.monotonic() + PATIENCE
    while not presence.is_over():
        _remove_containers(engine)
        _remove_pods(engine)
        if not presence.be_alone():
            _wait_for_others(engine.config, presence, deadline)
        elif not (state.containers(engine.connection, builds=True) or rows.everything(engine.connection)):
            _unmount(engine.config, _stored_images(engine))
            _forget_all(engine)
            engine.connection.close()
            _delete_all(engine.config)
            return
        else:
            presence.be_together()  # what ends a container may have to come in


def _stored_images(engine: Engine) -> set[str]:
    try:
        return {image.id for image in images.list_images(engine.store)}
    except (StorageError, database.Error):
        return set()  # the database is damaged


def _unmount(config: Config, image_ids: set[str]) -> None:
    for image_id in mounts.mounted(config) & image_ids:
        mounts.unmount(config, image_id, force=True)


def _forget_all(engine: Engine) -> None:
    """Have nothing known any more, at once: who sees half of it gone, or takes up what is left, is told of nothing."""
    try:
        reserve.removing(engine.store, lambda: database.forget_all(engine.connection))
    except (StorageError, database.Error):
        pass  # the database is damaged, or its disk: it goes all the same


def _remove_containers(engine: Engine) -> None:
    left = state.containers(engine.connection, builds=True)
    while left:
        # Those that others need can go only after them; the newest needs older ones only.
        # An infra container goes with its pod, the others in that before it.
        try:
            pods.remove_container(engine, left.pop(), force=True, volumes=True, timeout=0)
        except DependencyError:
            continue  # somebody has made one that needs it since: the next round takes that first


def _remove_pods(engine: Engine) -> None:
    """Remove the pods that did not go with their infra container: they may have a control group."""
    for pod in rows.everything(engine.connection):
        try:
            pods.remove(engine, pod, force=True, timeout=0)
        except (NoSuchPodError, DependencyError):
            continue  # somebody was faster; or has made what needs one in it, which the next round takes first


def _wait_for_others(config: Config, presence: Presence, deadline: float) -> None:
    """Give those who use the store a moment; we have no part in it meanwhile, for they may want to be alone, too."""
    if time.monotonic() > deadline:
        others = ", ".join(map(str, presence.others()))
        raise PodError(
            f"{config.graphroot} is still in use by other commands (processes {others})",
            hint="let them come to their end, or end them, and reset again; images and volumes are all there",
        )
    time.sleep(_INTERVAL)
    presence.be_together()


def _salvage_all(config: Config) -> None:
    for container_id in _listed(config.graphroot) | _listed(config.runroot):
        if _is_of_others(config, container_id):
            continue
        salvage(config, container_id, monitor=True)
        try:
            runtimes.delete(config, container_id)
        except (OSError, ValueError, LookupError, TypeError, OCIRuntimeError):
            pass  # what it is made of goes with the rest


def _delete_all(config: Config) -> None:
    layers = f"{config.graphroot}/layers"
    for name in os.listdir(layers):
        _delete(f"{layers}/{name}")
    runroot = () if _is_shared(config) or mounts.mounted(config) else _RUNROOT
    for root, names in ((config.graphroot, _GRAPHROOT), (config.runroot, runroot)):
        for name in names:
            _delete(f"{root}/{name}")
    if config.rootless:
        from pod import rootless

        rootless.forget(config)
    else:
        firewall.remove_unused()
    _remove_empty(config.runroot)
    _delete(layers)  # others may come in again
    _remove_empty(config.graphroot)


def _listed(root: str) -> set[str]:
    """Return the IDs of the containers that have something below one of the roots."""
    try:
        return {name.removesuffix(".lock") for name in os.listdir(f"{root}/containers")}
    except FileNotFoundError:
        return set()


def _is_shared(config: Config) -> bool:
    """Tell whether another store has containers in our runroot: who says --root alone has that of the usual store."""
    return any(_is_of_others(config, container_id) for container_id in _listed(config.runroot))


def _is_of_others(config: Config, container_id: str) -> bool:
    """Tell whether what is in our runroot is there for a container of another store, be it between two runs."""
    return not os.path.isdir(config.container_dir(container_id)) and is_foreign(config, container_id)


def _remove_empty(root: str) -> None:
    try:
        os.rmdir(root)
    except OSError:
        pass  # it holds what is not ours, or is a mount point


def _delete(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        remove_tree(path)
        return
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
