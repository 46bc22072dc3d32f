"""The ports of EXPOSE."""

from __future__ import annotations

import re

from pod.errors import PodError

# BuildKit takes, and passes over, the addresses and ports of a host before the port.
_PORT = re.compile(
    r"(?:(?:\[?[0-9a-f.:]*\]?:)?[\d-]*:)?(\d{1,5})(?:-(\d{1,5}))?(?:/(tcp|udp|sctp)?)?", re.IGNORECASE | re.ASCII
)


def exposed_ports(text: str) -> list[str]:
    """Return "80/tcp" for "80", and each of the ports of a range; raises PodError."""
    first, last, protocol = check_port(text)
    return [f"{port}/{protocol}" for port in range(first, last + 1)]


def check_port(text: str) -> tuple[int, int, str]:
    """Return first and last port, and the protocol; raises PodError."""
    match = _PORT.fullmatch(text)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if match is None or not first <= last < 65536:
        raise PodError(f'invalid port "{text}"', hint="write 80, 53/udp or a range such as 8000-8010")
    return first, last, (match[3] or "tcp").lower()
