"""Wiping a store: what `system reset` does. Only what is ours goes: a --root that holds other things keeps them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pod import state
from pod.containers import runtimes
from pod.containers.remains.salvage import salvage
from pod.containers.remove import remove_tree
from pod.images import mounts
from pod.networks import firewall
from pod.pods.remove import remove_container
from runtime.errors import OCIRuntimeError

if TYPE_CHECKING:
    from pod.config import Config
    from pod.engine import Engine

_GRAPHROOT = (
    "containers",
    "volumes",
    "secrets",
    "events",
    "build",
    "layers",
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
    "userns",
    "userns.lock",
    "containers.conf.json",
    "storage.conf.json",
)


def wipe(config: Config) -> None:
    """Delete everything of a store whose database is lost, and end what runs by what the kernel knows of it."""
    if config.rootless:
        from pod import rootless

        rootless.enter(config)
    known: set[str] = set()
    for root in (config.graphroot, config.runroot):
        if os.path.isdir(f"{root}/containers"):
            known.update(name.removesuffix(".lock") for name in os.listdir(f"{root}/containers"))
    for container_id in known:
        salvage(config, container_id, monitor=True)
        try:
            runtimes.delete(config, container_id)
        except (OSError, ValueError, LookupError, TypeError, OCIRuntimeError):
            pass  # what it is made of goes with the rest
    _delete_all(config)


def reset(engine: Engine) -> None:
    """Stop and remove all containers, and delete everything that pod keeps below its two roots.

    Killed half way, it leaves a store that a further reset, or any command, takes up.
    """
    left = state.containers(engine.connection, builds=True)
    while left:
        # Those that others need can go only after them; the newest needs older ones only.
        # An infra container goes with its pod, the others in that before it.
        remove_container(engine, left.pop(), force=True, volumes=True, timeout=0)
    engine.store.close()
    _delete_all(engine.config)


def _delete_all(config: Config) -> None:
    for image_id in mounts.mounted(config):
        mounts.unmount(config, image_id, force=True)
    for root, names in ((config.graphroot, _GRAPHROOT), (config.runroot, _RUNROOT)):
        for name in names:
            _delete(f"{root}/{name}")
        try:
            os.rmdir(root)
        except OSError:
            pass  # it holds what is not ours, or is a mount point
    if not config.rootless:
        firewall.remove_unused()


def _delete(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        remove_tree(path)
        return
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
