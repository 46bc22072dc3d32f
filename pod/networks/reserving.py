"""Published ports, kept from everybody else on the host: by sockets that are bound to them.

Where the firewall passes on what comes to a port, that does not arrive at its socket; elsewhere somebody listens there.
"""

from __future__ import annotations

import _socket
import posix

from runtime.errors import OCIRuntimeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_IPPROTO_SCTP = 132
_IPV6_V6ONLY = 26
_BACKLOG = 4096


def reserve(mappings: list[dict[str, Any]]) -> list[int]:
    """Bind the published ports, so that nobody else gets them, and return the sockets' descriptors."""
    return [fd for fd, _port in _each(mappings, listens=False)]


def listen(mappings: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """Listen on the published ports; return the sockets' descriptors, and the port of the container for each.

    Raises OCIRuntimeError, also for SCTP, which nobody forwards.
    """
    if any("sctp" in mapping["protocol"].split(",") for mapping in mappings):
        raise OCIRuntimeError("can't forward protocol: sctp")
    return _each(mappings, listens=True)


def _each(mappings: list[dict[str, Any]], *, listens: bool) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    try:
        for mapping in mappings:
            for protocol in mapping["protocol"].split(","):
                for offset in range(mapping["range"]):
                    fds = _bind(mapping["host_ip"], mapping["host_port"] + offset, protocol, listens=listens)
                    found += [(fd, mapping["container_port"] + offset) for fd in fds]
    except BaseException:
        for fd, _port in found:
            posix.close(fd)
        raise
    return found


def _bind(host: str, port: int, protocol: str, *, listens: bool) -> list[int]:
    address = host or "::"
    family = _socket.AF_INET6 if ":" in address else _socket.AF_INET
    kind = _socket.SOCK_DGRAM if protocol == "udp" else _socket.SOCK_STREAM
    try:
        end = _socket.socket(family, kind | _socket.SOCK_CLOEXEC, _IPPROTO_SCTP if protocol == "sctp" else 0)
    except OSError:  # a kernel without that
        return _bind("0.0.0.0", port, protocol, listens=listens) if not host else []
    try:
        if family == _socket.AF_INET6:
            end.setsockopt(_socket.IPPROTO_IPV6, _IPV6_V6ONLY, 1 if host else 0)
        if protocol == "tcp":
            end.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        end.bind((address, port))
        if listens and protocol != "udp":
            end.listen(_BACKLOG)
        elif protocol == "tcp":
            # A port that nobody listened on is given to all who say SO_REUSEADDR, and most do.
            end.listen(0)
            end.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 0)
            end.shutdown(_socket.SHUT_RDWR)  # what comes while our rules are flushed is refused, and hangs not
    except OSError as error:
        end.close()
        shown = f"[{address}]" if ":" in address and host else host or "0.0.0.0"
        reason = (error.strerror or "").lower()
        raise OCIRuntimeError(
            f"cannot listen on the {protocol.upper()} port: {shown}:{port}: bind: {reason}"
        ) from error
    return [end.detach()]
