"""Layers that are not unpacked (storage/layers/erofs), for the overlay of a container: mounted, attached nowhere.

Does what storage/layers/erofs/mounting.py does, without ctypes, which a start has no time for.
"""

from __future__ import annotations

import posix

from pod.errors import PodError
from runtime import syscalls
from storage.store import INDEX, TAR

_READ = posix.O_RDONLY | posix.O_NOFOLLOW | posix.O_CLOEXEC
_MOUNT_ATTR_RDONLY = 1


def mount(index: str) -> int:
    """Mount an index with the tar beside it; return the fd of the mount, which is gone with it. Raises PodError."""
    descriptors: list[int] = []
    try:
        descriptors.append(syscalls.fsopen("erofs"))
        for option, path in (("source", index), ("device", index.removesuffix(INDEX) + TAR)):
            descriptors.append(posix.open(path, _READ))
            # Not by its path: an option has 255 bytes.
            syscalls.fsconfig_set_string(descriptors[0], option, f"/proc/self/fd/{descriptors[-1]}")
        syscalls.fsconfig_create(descriptors[0])
        return syscalls.fsmount(descriptors[0], _MOUNT_ATTR_RDONLY)
    except OSError as error:
        raise PodError(
            f"mount layer {index}: {(error.strerror or '').lower()}",
            hint="root's kernel mounts EROFS from files since 6.12, in overlays since 6.15; else pull the image again"
            " into directories, with storage option pod_layers",
        ) from error
    finally:
        for descriptor in descriptors:
            posix.close(descriptor)
