"""Whether new layers are unpacked into directories, or kept as they are (storage/layers/erofs)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from storage.layers.unpacking import UnpackOptions
    from storage.store import Store


def options_for(store: Store, options: UnpackOptions, note: Callable[[str], None] | None = None) -> UnpackOptions:
    """Say in the options how layers are to be unpacked, and how large they may be.

    `note` tells the user if it is not as he wished.
    """
    options = replace(options, limit=store.layer_limit)
    if not store.keeps:
        return options
    from storage.layers.erofs import mounting

    with store.staging() as staging:
        reason = "only root can mount EROFS" if options.rootless else mounting.obstacle(staging.path)
    if reason:
        if note is not None:
            note(f"layers are unpacked into directories, not kept as EROFS: {reason}")
        return options
    return replace(options, keep=True)
