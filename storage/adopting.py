"""A directory that an overlay has written becomes a layer as it is: hashed and logged in one pass, then renamed.

The staging directory has `diff/`, which was the overlay's upper directory; nobody may write there any more. No content
is copied: the tar of the layer is made once, for its digest and for the log of its headers, from which the very same
tar can be made again. In a store that keeps layers packed, the tar goes the way of all others (storage/keeping.py).
"""

from __future__ import annotations

import os
from hashlib import sha256
from typing import TYPE_CHECKING

from storage import chain, worker
from storage.keeping import options_for
from storage.layers import headerlog
from storage.layers.unpacking import UnpackOptions, prepare
from storage.layers.worker import fork_unpack
from storage.layers.write import FileTimes, WriteOptions, tar_of
from storage.publish import Layer, publish_layer
from storage.trees import remove_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from storage.store import Staging, Store

DIFF = "diff"


class Adoption(worker.Worker):
    """A process that makes a layer of what a staging directory holds."""

    def result(self) -> Layer:
        """Wait for the end; return the layer, or raise what went wrong."""
        values = self.values()
        key = values["diff_id"].removeprefix("sha256:")
        return Layer(key, values["diff_id"], values["size"], values["entries"], tuple(values["implied"]))


def fork_adoption(staging: Staging, times: FileTimes | None = None) -> Adoption:
    """Start the process; all but `diff/` is removed from the staging directory, and files get the times that are said.

    It dies with the thread that calls this, and uses none of the caller's fds.
    """
    import zstandard  # noqa: F401 - once here, rather than in each worker

    def run(_report: Callable[[int], None]) -> dict[str, Any]:
        return _adopt(staging.path, times)

    return worker.fork(Adoption, run, "make layer")


def publish(
    store: Store, staging: Staging, layer: Layer, *, rootless: bool, single_id: bool, times: FileTimes | None = None
) -> Layer:
    """Make an adopted layer visible; the caller holds `store.publishing()`. Returns the layer as it is stored.

    `times` are those of the adoption.
    """
    options = UnpackOptions(rootless=rootless, ignore_chown_errors=single_id)
    if store.keeps and options_for(store, options).keep:
        return _publish_packed(store, staging, options_for(store, options), times)
    publish_layer(store, staging, layer)
    return layer


def key_over(store: Store, diff_ids: tuple[str, ...], lower: str, layer: Layer) -> str:
    """Return the key that a layer has over others (storage/chain.py); `lower` is the topmost of those, if any.

    A layer's tar says nothing of its root directory, which is to look as it does in the layer below.
    """
    if not lower or not lower.endswith(f"/{DIFF}") or chain.look_up([lower], "") == chain.made_up():
        return layer.key
    return chain.keys(store, (*diff_ids, layer.diff_id))[-1]


class _Record:
    """Writes the log of the headers, and counts the entries."""

    def __init__(self, log: headerlog.Writer) -> None:
        self.entries = 0
        self.rest = log.record
        self._record = log.record

    def header(self, data: bytes) -> None:
        """Take the headers of one entry."""
        self.entries += 1
        self._record(data)


def _adopt(staging: str, times: FileTimes | None) -> dict[str, Any]:
    for name in os.listdir(staging):
        if name != DIFF:
            remove_tree(f"{staging}/{name}")
    log = headerlog.Writer(f"{staging}/{headerlog.NAME}")
    root = os.open(f"{staging}/{DIFF}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        prepare(f"{staging}/{DIFF}")
        _strip_root(root)
        record, digest, size = _Record(log), sha256(), 0
        for piece in tar_of(root, WriteOptions(layer=True, adopt=True, times=times), record):
            digest.update(piece)
            size += len(piece)
        return _finish(log, f"sha256:{digest.hexdigest()}", size, record.entries)
    finally:
        os.close(root)
        log.close()


def _strip_root(root: int) -> None:
    """Remove what overlayfs has noted at the root; an opaque one would hide nothing more than it does."""
    for name in os.listxattr(root):
        if name.startswith(("trusted.overlay.", "user.overlay.")):
            os.removexattr(root, name)


def _finish(log: headerlog.Writer, diff_id: str, size: int, entries: int) -> dict[str, Any]:
    described = {"diff_id": diff_id, "size": size, "entries": entries}
    log.finish(
        {
            "version": 1,
            **described,
            "headers": log.end_headers(),
            "inline": [],
            "paths": {},
            "displaced": {},
            "left_out": False,
        }
    )
    return {**described, "implied": [""]}


def _publish_packed(store: Store, staging: Staging, options: UnpackOptions, times: FileTimes | None) -> Layer:
    def chunks() -> Iterator[bytes]:
        root = os.open(f"{staging.path}/{DIFF}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return tar_of(root, WriteOptions(layer=True, times=times))

    with store.staging() as packed:
        result = fork_unpack(chunks, packed.path, options=options).result()
        key = result.diff_id.removeprefix("sha256:")
        layer = Layer(key, result.diff_id, result.size, result.entries, result.implied)
        publish_layer(store, packed, layer)
    staging.discard()
    return layer
