"""Layers whose tree depends on the layers below them.

A tar may name `usr/bin/x` without an entry for `usr/` (or for the root). overlayfs shows a directory with the
attributes that it has in the topmost layer, so the made-up ones would hide those of the parent. Where the parents of
an image give such a directory other attributes than unpacking did, the image gets a copy of the layer, keyed by its
chain ID, that has the right ones; its files are hard links to those of the layer, for layers never change.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from storage.publish import Layer, find_layer, publish_layer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storage.store import Store

_FLAGS = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPAQUE = ("trusted.overlay.opaque", "user.overlay.opaque")


@dataclass(frozen=True)
class Attributes:
    """What a directory is made with when a tar implies it, unless its parents say otherwise."""

    uid: int = 0
    gid: int = 0
    mode: int = 0o755


def chain_ids(diff_ids: Sequence[str]) -> list[str]:
    """Compute the chain ID of each layer (image-spec, config.md): its diffID and those of all below it."""
    chain: list[str] = []
    for diff_id in diff_ids:
        text = f"{chain[-1]} {diff_id}" if chain else ""
        chain.append(f"sha256:{hashlib.sha256(text.encode()).hexdigest()}" if text else diff_id)
    return chain


def keys(store: Store, diff_ids: Sequence[str]) -> tuple[str, ...]:
    """Give the key of each layer in the image that consists of these, all of them present; make copies as needed."""
    found: list[str] = []
    lowers: list[str] = []
    for diff_id, chain_id in zip(diff_ids, chain_ids(diff_ids), strict=True):
        key = _key(store, diff_id, chain_id, lowers)
        found.append(key)
        lowers.insert(0, f"{store.layer_path(key)}/diff")
    return tuple(found)


def present(store: Store, diff_id: str, chain_id: str) -> bool:
    """Tell whether a layer need not be fetched for this place in an image."""
    return find_layer(store, _hex(chain_id)) is not None or find_layer(store, _hex(diff_id)) is not None


def _key(store: Store, diff_id: str, chain_id: str, lowers: list[str]) -> str:
    if chain_id != diff_id and find_layer(store, _hex(chain_id)) is not None:
        return _hex(chain_id)
    layer = find_layer(store, _hex(diff_id))
    wanted = {}
    for path in layer.implied if layer is not None else ():
        attributes = look_up(lowers, path)
        if attributes not in (None, Attributes()):
            wanted[path] = attributes
    if layer is None or not wanted:
        return _hex(diff_id)
    _copy(store, layer, _hex(chain_id), {path: value for path, value in wanted.items() if value is not None})
    return _hex(chain_id)


def look_up(lowers: Sequence[str], path: str) -> Attributes | None:
    """Give the attributes that a directory has in a stack of layers (top first); None if it is not there."""
    for lower in lowers:
        found, hidden = _look_into(lower, path)
        if found is not None or hidden:
            return found
    return None


def _look_into(lower: str, path: str) -> tuple[Attributes | None, bool]:
    """Look into one layer: the directory's attributes if it has it, and whether it hides what is below."""
    fd = os.open(lower, _FLAGS)
    hidden = False
    try:
        for name in [part for part in path.split("/") if part not in ("", ".")]:
            try:
                following = os.open(name, _FLAGS, dir_fd=fd)
            except FileNotFoundError:
                return None, hidden
            except OSError:
                return None, True  # A whiteout or a file in its place.
            os.close(fd)
            fd = following
            hidden = hidden or _is_opaque(fd)
        status = os.fstat(fd)
        return Attributes(status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)), hidden
    finally:
        os.close(fd)


def _is_opaque(fd: int) -> bool:
    for name in _OPAQUE:
        try:
            if os.getxattr(f"/proc/self/fd/{fd}", name) == b"y":
                return True
        except OSError:
            pass
    return False


def _copy(store: Store, layer: Layer, key: str, attributes: dict[str, Attributes]) -> None:
    from storage.copies import link_tree

    source = store.layer_path(layer.key)
    with store.staging() as staging:
        for name in os.listdir(source):
            link_tree(f"{source}/{name}", f"{staging.path}/{name}")
        for path, wanted in attributes.items():
            fd = _open_below(f"{staging.path}/diff", path)
            try:
                os.chown(f"/proc/self/fd/{fd}", wanted.uid, wanted.gid)
                os.chmod(f"/proc/self/fd/{fd}", wanted.mode)
            finally:
                os.close(fd)
        publish_layer(store, staging, replace(layer, key=key))


def _open_below(root: str, path: str) -> int:
    fd = os.open(root, _FLAGS)
    for name in [part for part in path.split("/") if part not in ("", ".")]:
        following = os.open(name, _FLAGS, dir_fd=fd)
        os.close(fd)
        fd = following
    return fd


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")
