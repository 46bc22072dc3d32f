"""The extended attributes that a build copies: capabilities and the user's own; none that overlayfs would obey."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def copied_xattrs(descriptor: int) -> Sequence[tuple[str, bytes]]:
    """Return the attributes of an open file or directory that its copy will have, by name."""
    try:
        names = os.listxattr(descriptor)
    except OSError:
        return ()  # the file system has none
    if not names:
        return ()
    found = []
    for name in sorted(names):
        if name == "security.capability" or (name.startswith("user.") and not name.startswith("user.overlay.")):
            try:
                found.append((name, os.getxattr(descriptor, name)))
            except OSError:
                continue  # it has just gone
    return found
