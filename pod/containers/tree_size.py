"""How many bytes the files of a tree have, and of what a container has written over its image."""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.config import Config


def written_by(config: Config, container_id: str) -> int:
    """Return the bytes that a container has written over its image."""
    return of(f"{config.container_dir(container_id)}/upper")


def of(directory: str) -> int:
    """Return the bytes of the regular files of a tree, those with several names once; 0 if it is gone."""
    seen: set[tuple[int, int]] = set()
    total = 0
    for _, _, names, descriptor in os.fwalk(directory):
        for name in names:
            try:
                found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            except OSError:
                continue  # it is gone by now
            if not stat.S_ISREG(found.st_mode):
                continue
            if found.st_nlink > 1:
                if (found.st_dev, found.st_ino) in seen:
                    continue
                seen.add((found.st_dev, found.st_ino))
            total += found.st_size
    return total
