"""Where a published port leads, and connecting to it so that the container sees who the client is.

A socket that is bound to the client's address, which is none of the network namespace's, needs IP_TRANSPARENT; that the
answers come back to it is the work of the namespace's rules (see pod.networks.shared).
"""

from __future__ import annotations

import marshal
import posix
from _socket import (
    AF_INET,
    AF_INET6,
    IPPROTO_IP,
    IPPROTO_IPV6,
    SO_REUSEADDR,
    SOCK_CLOEXEC,
    SOCK_NONBLOCK,
    SOL_SOCKET,
    inet_pton,
    socket,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    # Addresses of the container, and the networks (packed address, prefix) that it is on.
    Known = tuple[list[str], list[tuple[bytes, int]]]

_IP_TRANSPARENT, _IPV6_TRANSPARENT = 19, 75
_MAPPED = "::ffff:"
# Loopback and link-local addresses.
_NEAR = [
    (b"\x7f\0\0\0", 8),
    (b"\xa9\xfe\0\0", 16),
    (b"\0" * 15 + b"\1", 128),
    (b"\xfe\x80" + b"\0" * 14, 10),
]


_LARGEST = 1 << 20


class Place:
    """Where the container is reached: it stays so, or a file (its path) tells of it, which may change at any time."""

    __slots__ = ("_known", "_path", "_seen")
    _known: Known

    def __init__(self, told: bytes | Known) -> None:
        self._path, self._known = (told, ([], [])) if isinstance(told, bytes) else (b"", told)
        self._seen = (0, 0)  # inode and time of the file when it was read

    def known(self) -> Known:
        """Return what the file tells now; OSError if it cannot be read."""
        if not self._path:
            return self._known
        status = posix.stat(self._path)
        seen = (status.st_ino, status.st_mtime_ns)
        if seen != self._seen:
            fd = posix.open(self._path, posix.O_RDONLY | posix.O_CLOEXEC)
            try:
                self._known = marshal.loads(posix.read(fd, _LARGEST))
            finally:
                posix.close(fd)
            self._seen = seen
        return self._known


class Target:
    """A port of a container."""

    __slots__ = ("_place", "_port")

    def __init__(self, place: Place, port: int) -> None:
        self._place = place
        self._port = port

    def known(self) -> Known:
        """Return what is known of the container, the same object as long as that is the same; OSError."""
        return self._place.known()

    def reach(self, kind: int, client: tuple[Any, ...]) -> socket:
        """Return a socket that is connected, or about to be, on behalf of a client (its socket address); OSError."""
        host, port = client[0].removeprefix(_MAPPED), client[1]
        is_six = ":" in host
        addresses, networks = self._place.known()
        if not addresses:
            raise ConnectionRefusedError
        address = next((one for one in addresses if (":" in one) == is_six), addresses[0])
        end = socket(AF_INET6 if ":" in address else AF_INET, kind | SOCK_NONBLOCK | SOCK_CLOEXEC)
        try:
            if is_six == (":" in address) and _can_answer(host, networks):
                _pose_as(end, host, port)
            try:
                end.connect((address, self._port))
            except BlockingIOError:
                pass
        except OSError:
            end.close()
            raise
        return end


def _can_answer(host: str, networks: list[tuple[bytes, int]]) -> bool:
    """Tell whether the container's answers to an address go by the way that they came, were it really the client's.

    Loopback and link-local addresses mean something else in there, and neighbours are looked for on their network.
    """
    if "%" in host:
        return False
    packed = inet_pton(AF_INET6 if ":" in host else AF_INET, host)
    return not any(_contains(network, prefix, packed) for network, prefix in [*_NEAR, *networks])


def _contains(network: bytes, prefix: int, address: bytes) -> bool:
    if len(network) != len(address):
        return False
    shift = len(address) * 8 - prefix
    return int.from_bytes(network, "big") >> shift == int.from_bytes(address, "big") >> shift


def _pose_as(end: socket, host: str, port: int) -> None:
    """Bind a socket to a client's address; its port, too, unless somebody has that."""
    try:
        if end.family == AF_INET:
            end.setsockopt(IPPROTO_IP, _IP_TRANSPARENT, 1)
        else:
            end.setsockopt(IPPROTO_IPV6, _IPV6_TRANSPARENT, 1)
        end.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        try:
            end.bind((host, port))
        except OSError:
            end.bind((host, 0))
    except OSError:
        pass  # the container sees the namespace's own address then
