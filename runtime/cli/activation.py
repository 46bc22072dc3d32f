"""What systemd tells a service by its environment and is for the container: sd_listen_fds(3), sd_notify(3)."""

from __future__ import annotations

import posix

from runtime.cli import values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_NAMES = "LISTEN_FDNAMES"


def listen_fds(document: dict[str, Any]) -> int:
    """Return how many files from 3 on were opened for this process, to be the container's; their names go with them."""
    count = values.environment("LISTEN_FDS")
    if not count.isascii() or not count.isdigit() or values.environment("LISTEN_PID") != str(posix.getpid()):
        return 0
    names, process = values.environment(_NAMES), document.get("process")
    if names and isinstance(process, dict) and isinstance(process.get("env") or [], list):
        process["env"] = [*(process.get("env") or []), f"{_NAMES}={names}"]
    return int(count)


def notify_socket() -> str:
    """Return the socket of who waits for word of the service; empty if nobody does."""
    return values.environment("NOTIFY_SOCKET")
