"""Copies of layers whose owners are shifted, for containers with a user namespace of their own in the user's one.

An idmapped mount would cost nothing, but the kernel gives it only to the owner of the file system's namespace. A copy
is made once for each layer and mapping, kept beside the layer as layers/<key>.<hash of the mapping>, and goes with it.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from storage.copies import copy_tree
from storage.errors import StorageError
from storage.layers.erofs.mounting import Opened
from storage.publish import find_layer, publish_layer
from storage.store import Lock, translated

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from storage.store import Store

    Ranges = Sequence[tuple[int, int, int]]


def lowers(store: Store, layers: Sequence[str], uids: Ranges, gids: Ranges) -> list[str]:
    """Return layers of the store, as `rootfs.lowers` lists them, with owners mapped.

    Each range is (inside, outside, length): an owner within `inside` becomes the same one within `outside`, as the
    calling process counts them. An owner in no range is left alone: nobody in the container.
    """
    mapping = hashlib.sha256(repr((sorted(uids), sorted(gids))).encode()).hexdigest()[:16]
    return [_remapped(store, path, mapping, uids, gids) for path in layers]


def _remapped(store: Store, diff: str, mapping: str, uids: Ranges, gids: Ranges) -> str:
    layer_key = os.path.basename(os.path.dirname(diff))
    key = f"{layer_key}.{mapping}"
    if find_layer(store, key) is None:
        with Lock(store.ingest_path(key), fcntl.LOCK_EX):  # Twenty containers at once need one copy.
            if find_layer(store, key) is None:
                _copy(store, layer_key, key, uids, gids)
    return f"{store.layer_path(key)}/diff"


def _copy(store: Store, layer_key: str, key: str, uids: Ranges, gids: Ranges) -> None:
    layer = find_layer(store, layer_key)
    if layer is None:
        raise StorageError(f"layer {layer_key} was removed meanwhile")
    with store.publishing(), store.staging() as staging, Opened([store.lower(layer_key)]) as (source,):
        try:
            copy_tree(source, f"{staging.path}/diff", uid=shift(uids), gid=shift(gids))
        except OSError as error:
            failure = translated(error, f"copy layer {layer_key} for the user namespace")
            if error.errno in (errno.EINVAL, errno.EPERM):
                failure.hint = "the IDs of the image must be within the user's subordinate IDs"
            raise failure from error
        publish_layer(store, staging, replace(layer, key=key))


def shift(ranges: Ranges) -> Callable[[int], int]:
    """Return what maps an ID by ranges, and leaves alone one that is in none of them."""

    def shifted(number: int) -> int:
        for inside, outside, length in ranges:
            if inside <= number < inside + length:
                return outside + number - inside
        return number

    return shifted
