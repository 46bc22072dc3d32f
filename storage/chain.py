"""Layers whose tree depends on the layers below them.

A tar may name `usr/bin/x` without an entry for `usr/`. overlayfs shows a directory with the attributes that it has in
the topmost layer, so the made-up ones would hide those of the parent. And a tar may have a hard link to a file of a
lower layer. Where it matters, the image gets a copy of the layer, keyed by its chain ID, that was completed from the
layers below it; its files are hard links to those of the layer, for layers never change.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from storage.copies import link_tree
from storage.layers import ids
from storage.layers.complete import complete
from storage.layers.unpacking import LayerResult, UnpackOptions
from storage.layers.worker import fork_unpack
from storage.publish import Layer, LayerGoneError, find_layer, publish_layer
from storage.store import INDEX, TAR, is_opaque, translated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storage.store import Store

_FLAGS = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Attributes:
    """What overlayfs shows of a directory, as far as it matters here."""

    uid: int
    gid: int
    mode: int


def made_up() -> Attributes:
    """Give what a directory was made with because a tar implies it."""
    return Attributes(os.geteuid(), os.getegid(), 0o755)


def chain_ids(diff_ids: Sequence[str]) -> list[str]:
    """Compute the chain ID of each layer (image-spec, config.md): its diffID and those of all below it."""
    chain: list[str] = []
    for diff_id in diff_ids:
        text = f"{chain[-1]} {diff_id}" if chain else ""
        chain.append(f"sha256:{hashlib.sha256(text.encode()).hexdigest()}" if text else diff_id)
    return chain


def keys(store: Store, diff_ids: Sequence[str]) -> tuple[str, ...]:
    """Give the key of each layer in the image that consists of these; make copies as needed.

    Raises LayerGoneError if one is not there (any more).
    """
    found: list[str] = []
    lowers: list[str] = []
    for diff_id, chain_id in zip(diff_ids, chain_ids(diff_ids), strict=True):
        try:
            key = _key(store, diff_id, chain_id, lowers)
        except FileNotFoundError as error:
            raise LayerGoneError(f"a layer below {diff_id} was removed meanwhile") from error
        found.append(key)
        lowers.insert(0, store.lower(key))
        if not lowers[0]:
            raise LayerGoneError(f"layer {key} was removed meanwhile")
    return tuple(found)


def present(store: Store, diff_id: str, chain_id: str) -> bool:
    """Tell whether a layer need not be fetched for this place in an image."""
    return find_layer(store, _hex(chain_id)) is not None or find_layer(store, _hex(diff_id)) is not None


def _key(store: Store, diff_id: str, chain_id: str, lowers: list[str]) -> str:
    if chain_id != diff_id and find_layer(store, _hex(chain_id)) is not None:
        return _hex(chain_id)
    layer = find_layer(store, _hex(diff_id))
    if layer is None or not (layer.pending_links or layer.implied):
        return _hex(diff_id)
    from storage.layers.erofs.mounting import Opened

    with Opened(lowers) as directories:
        if not _depends(layer, directories):
            return _hex(diff_id)
        _copy(store, layer, _hex(chain_id), directories)
    return _hex(chain_id)


def _depends(layer: Layer, lowers: Sequence[str]) -> bool:
    """Tell whether the layer has to be completed from those below it."""
    return bool(layer.pending_links) or any(look_up(lowers, path) not in (None, made_up()) for path in layer.implied)


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
            hidden = hidden or is_opaque(f"/proc/self/fd/{fd}")
        status = os.fstat(fd)
        return Attributes(status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)), hidden
    finally:
        os.close(fd)


def _copy(store: Store, layer: Layer, key: str, lowers: Sequence[str]) -> None:
    source = store.layer_path(layer.key)
    is_kept, is_foreign = store.lower(layer.key).endswith(INDEX), os.path.islink(source)
    with store.staging() as staging:
        try:
            if is_kept or is_foreign:
                _make_anew(source, staging.path, lowers, keep=is_kept)
                if not is_foreign:
                    _link_tar(source, staging.path)
            else:
                for name in os.listdir(source):
                    link_tree(f"{source}/{name}", f"{staging.path}/{name}")
                complete(f"{staging.path}/diff", _result(layer), tuple(lowers))
        except FileNotFoundError:
            raise  # removed meanwhile
        except OSError as error:
            raise translated(error, f"copy layer {layer.key}") from error
        publish_layer(store, staging, replace(layer, key=key))


def _make_anew(source: str, target: str, lowers: Sequence[str], *, keep: bool) -> None:
    """Make a layer anew from its tar: an index says other things then, and other stores get no links from us.

    One that has hard links into lower layers is unpacked, for no index can say those.
    """
    from storage.layers.rebuild import rebuild_tar

    options = UnpackOptions(rootless=ids.is_limited(), lowers=tuple(lowers), keep=keep, inflated=True)
    worker = fork_unpack(lambda: rebuild_tar(source), target, options=options)
    try:
        worker.result()
    finally:
        worker.kill()


def _link_tar(source: str, target: str) -> None:
    """Have the tar once only, if it was kept."""
    try:
        os.unlink(f"{target}/{TAR}")
    except FileNotFoundError:
        return
    os.link(f"{source}/{TAR}", f"{target}/{TAR}")


def _result(layer: Layer) -> LayerResult:
    """Give the layer as its unpacking reported it."""
    return LayerResult(
        diff_id=layer.diff_id,
        blob_digest="",
        blob_size=0,
        size=layer.size,
        entries=layer.entries,
        implied=layer.implied,
        pending_links=layer.pending_links,
    )


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")
