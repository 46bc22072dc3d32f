"""The mark by which overlayfs hides what lower layers have in a directory: root's name for it, and a user's."""

from __future__ import annotations

import posix

NAMES = ("trusted.overlay.opaque", "user.overlay.opaque")
"""As root, and rootless (`userxattr`); a store may have layers of both."""


def is_opaque(path: bytes | str, *, follow_symlinks: bool = True) -> bool:
    """Tell whether a directory is marked; False for what has no such attributes."""
    for name in NAMES:
        try:
            if posix.getxattr(path, name, follow_symlinks=follow_symlinks) == b"y":
                return True
        except OSError:
            pass  # It has none, or its file system knows none.
    return False
