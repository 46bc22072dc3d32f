"""The host's device nodes, which a privileged container sees as its own."""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Made by the runtime itself, or directories that hold mounts of their own.
_SKIPPED = frozenset(
    ("null zero full tty random urandom console ptmx pts shm mqueue fd stdin stdout stderr core").split()
)


def host_devices() -> list[dict[str, Any]]:
    """Return linux.devices entries for every device node below /dev."""
    found: list[dict[str, Any]] = []
    pending = ["/dev"]
    while pending:
        directory = pending.pop()
        with os.scandir(directory) as entries:
            for entry in entries:
                if directory == "/dev" and entry.name in _SKIPPED:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                else:
                    found += _device(entry.path)
    return found


def _device(path: str) -> list[dict[str, Any]]:
    status = os.lstat(path)
    if not (stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode)):
        return []
    return [
        {
            "path": path,
            "type": "c" if stat.S_ISCHR(status.st_mode) else "b",
            "major": os.major(status.st_rdev),
            "minor": os.minor(status.st_rdev),
            "fileMode": stat.S_IMODE(status.st_mode),
            "uid": status.st_uid,
            "gid": status.st_gid,
        }
    ]
