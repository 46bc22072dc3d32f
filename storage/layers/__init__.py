"""Layers: apply the tar of a blob to a directory, and make the very same tar again."""

from __future__ import annotations

from storage.layers.complete import complete
from storage.layers.rebuild import rebuild_tar
from storage.layers.unpacking import LayerResult, UnpackOptions, unpack
from storage.layers.worker import Worker, fork_unpack

__all__ = ["LayerResult", "UnpackOptions", "Worker", "complete", "fork_unpack", "rebuild_tar", "unpack"]
