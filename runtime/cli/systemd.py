"""Where the systemd is that shall make a container's control groups; loaded only for that manager."""

from __future__ import annotations

import posix

from runtime.cgroups.systemd import is_rootless
from runtime.cli.values import environment
from runtime.dbus import addresses


def bus() -> str:
    """Return the address of the bus on which systemd is: the system's for root, else the user's own."""
    if not is_rootless():
        return addresses.of_system(environment("DBUS_SYSTEM_BUS_ADDRESS"))
    return addresses.of_user(environment("DBUS_SESSION_BUS_ADDRESS"), environment("XDG_RUNTIME_DIR"), _uid_on_host())


def _uid_on_host() -> int:
    uid = posix.geteuid()
    with open("/proc/self/uid_map", encoding="ascii") as file:
        for line in file:
            inside, outside, count = (int(number) for number in line.split())
            if inside <= uid < inside + count:
                return outside + uid - inside
    return uid
