"""All layers of an image as one: `build --squash-all`."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from pod.build.asked.times import moment
from pod.build.stages.evaluation import StepLayer
from pod.build.steps.snapshots import seen
from pod.containers.rootfs.overlay import enter_mount_namespace, mount_overlay
from storage.keeping import options_for
from storage.layers.unpacking import UnpackOptions
from storage.layers.worker import fork_unpack
from storage.layers.write import WriteOptions, tar_of
from storage.publish import Layer, publish_layer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pod.build.stages.evaluation import State
    from pod.engine import Engine
    from storage.layers.write import FileTimes


def squashed(engine: Engine, state: State, times: FileTimes | None) -> State:
    """Return a state whose files are one layer, with these times, and that has no parent."""
    store = engine.store
    options = UnpackOptions(rootless=engine.config.rootless, ignore_chown_errors=engine.single_id)
    with store.staging() as mounted, store.staging() as staging:
        overlay = seen(engine, [layer.key for layer in state.layers], mounted.path)

        def chunks() -> Iterator[bytes]:
            enter_mount_namespace()
            mount_overlay(overlay)
            root = os.open(overlay.target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            return tar_of(root, WriteOptions(unpacked=True, times=times))

        result = fork_unpack(chunks, staging.path, options=options_for(store, options)).result()
        key = result.diff_id.removeprefix("sha256:")
        publish_layer(store, staging, Layer(key, result.diff_id, result.size, result.entries, result.implied))
    # Without any step it is the image below that has become this layer.
    last = state.history[-1] if state.history else {"created": moment(state.created), "created_by": "/bin/sh"}
    entry = {name: value for name, value in last.items() if name != "empty_layer"}
    layer = StepLayer(result.diff_id, key, result.size)
    return replace(state, parent="", layers=(layer,), history=(entry,))
