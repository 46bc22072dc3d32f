"""Where the bus of a systemd manager is, told by values of the environment that who may reads it passes. Pure.

Source: D-Bus specification, "Well-known Message Bus Instances" and "Server Addresses".
"""

from __future__ import annotations

_SYSTEM = "unix:path=/run/dbus/system_bus_socket"
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_/.\\*")


def of_system(system_bus_address: str) -> str:
    """Return the address of the system's bus, where root finds systemd, given $DBUS_SYSTEM_BUS_ADDRESS."""
    return system_bus_address or _SYSTEM


def of_user(session_bus_address: str, runtime_directory: str, uid: int) -> str:
    """Return the address of the bus where a user's own systemd is, given $DBUS_SESSION_BUS_ADDRESS, $XDG_RUNTIME_DIR.

    The uid is the one on the host.
    """
    return session_bus_address or of_path(f"{runtime_directory or f'/run/user/{uid}'}/bus")


def of_path(path: str) -> str:
    """Return the address of a socket in the file system."""
    data = path.encode("utf-8", "surrogateescape")
    return "unix:path=" + "".join(chr(byte) if chr(byte) in _PLAIN else f"%{byte:02x}" for byte in data)
