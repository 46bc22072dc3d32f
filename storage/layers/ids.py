"""What the user namespace of this process allows: which IDs there are, and whether it is that of the machine."""

from __future__ import annotations

import os

_EVERYTHING = [(0, 4294967295)]


def mapped() -> list[tuple[int, int]]:
    """Give the IDs that exist in this namespace: first and count of each range."""
    with open("/proc/self/uid_map", encoding="ascii") as file:
        return [(int(line.split()[0]), int(line.split()[2])) for line in file]


def is_limited() -> bool:
    """Tell whether this process is not root of the machine: it makes no devices, and overlay attributes of `user.`."""
    return os.geteuid() != 0 or mapped() != _EVERYTHING
