"""Looking for damage of a layer that is not unpacked, short of reading its tar."""

from __future__ import annotations

import os

from storage.layers.erofs import format, index
from storage.store import INDEX, TAR


def damage(path: str) -> list[str]:
    """Describe what is wrong with the index in the directory `path`, or with the size of the tar beside it."""
    try:
        with open(os.path.join(path, INDEX), "rb") as file:
            if not index.is_whole(file):
                return ["its index is damaged"]
            file.seek(0)
            blocks = format.tar_blocks(file.read(format.METADATA_BLOCK * format.BLOCK))
        size = os.path.getsize(os.path.join(path, TAR))
    except OSError as error:
        return [f"{os.path.basename(error.filename)}: {(error.strerror or '').lower()}"]
    if -(-size // format.BLOCK) != blocks:
        return [f"its tar has {size} bytes instead of {blocks} blocks of {format.BLOCK}"]
    return []
