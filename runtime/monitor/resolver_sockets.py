"""The sockets of a resolver, opened in the network namespace of its container.

A socket belongs to the namespace in which it was made, wherever its process goes then. Port 53 is left to a DNS server
of the container, which mostly wants it on all addresses: what is sent to 127.0.0.11:53 goes to another port, where we
listen (runtime/netlink/rewriting.py). Where the kernel cannot do that, we listen on port 53 itself.
"""

from __future__ import annotations

import fcntl
import posix
from _socket import (
    AF_INET,
    SO_REUSEADDR,
    SOCK_CLOEXEC,
    SOCK_DGRAM,
    SOCK_NONBLOCK,
    SOCK_STREAM,
    SOL_SOCKET,
    inet_pton,
    socket,
)

from runtime import syscalls
from runtime.errors import OCIRuntimeError
from runtime.kernel import CLONE_NEWNET
from runtime.monitor.resolver import ADDRESS, OWN_PORT, PORT, Resolver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.monitor.loop import Loop
    from runtime.monitor.resolver import Settings

_CLONE_FILES = 0x400
_SIGCHLD = 17
_NS_GET_USERNS = 0xB701
_BACKLOG = 16
_TABLE = "pod-names"


def answer_names(loop: Loop, namespace: str, settings: Settings) -> None:
    """Have a monitor answer names in its container's network namespace (a path) from now on. Raises OCIRuntimeError."""
    loop.answer_names(Resolver(*open_in(namespace, settings.port), settings))


def open_in(path: str, port: int = OWN_PORT) -> tuple[int, int]:
    """Return the UDP and the TCP socket for 127.0.0.11:53 of a network namespace, non-blocking.

    `port` is where they listen, if nobody does there yet. The caller has one thread, CAP_SYS_ADMIN over that namespace,
    and is in its own network namespace again afterwards. Raises OCIRuntimeError.
    """
    try:
        namespace = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
        try:
            return _visit(namespace, port)
        finally:
            posix.close(namespace)
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise OCIRuntimeError(f"answering names on {ADDRESS} port {PORT} of the container: {reason}") from error


def _visit(namespace: int, port: int) -> tuple[int, int]:
    home = posix.open("/proc/self/ns/net", posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        if not _may_return(home):
            return _open_by_child(namespace, port)
        syscalls.setns(namespace, CLONE_NEWNET)
        try:
            return _open(port)
        finally:
            syscalls.setns(home, CLONE_NEWNET)
    finally:
        posix.close(home)


def _may_return(home: int) -> bool:
    """Tell whether our own network namespace belongs to a user namespace in which we have a say (ioctl_ns(2))."""
    try:
        posix.close(fcntl.ioctl(home, _NS_GET_USERNS))
    except OSError:
        return False
    return True


def _open(port: int) -> tuple[int, int]:
    """Open the sockets in the network namespace of this process."""
    try:
        udp, tcp = _bind(port)
    except OSError:
        udp, tcp = _bind(0)
    try:
        if port != PORT:
            _rewrite(udp.getsockname()[1])
    except OSError:
        udp.close()
        tcp.close()
        udp, tcp = _bind(PORT)
    return udp.detach(), tcp.detach()


def _rewrite(actual: int) -> None:
    from runtime.netlink import rewriting
    from runtime.netlink.message import NETFILTER, Netlink

    netlink = Netlink.open(NETFILTER)
    try:
        rewriting.rewrite(netlink, _TABLE, inet_pton(AF_INET, ADDRESS), PORT, actual)
    finally:
        netlink.close()


def _bind(port: int) -> tuple[socket, socket]:
    """Return sockets on one port, 0 for any."""
    udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC)
    tcp = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC)
    tcp.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
    try:
        udp.bind((ADDRESS, port))
        tcp.bind((ADDRESS, udp.getsockname()[1]))
        tcp.listen(_BACKLOG)
    except BaseException:
        udp.close()
        tcp.close()
        raise
    return udp, tcp


def _open_by_child(namespace: int, port: int) -> tuple[int, int]:
    """Have a child open them that shares our descriptors: it goes where we could not come back from."""
    places = [posix.open("/dev/null", posix.O_RDONLY | posix.O_CLOEXEC) for _ in range(2)]
    pid, pidfd = syscalls.clone3(_CLONE_FILES, _SIGCHLD)
    if pid == 0:
        code = 255
        try:
            syscalls.setns(namespace, CLONE_NEWNET)
            for fd, place in zip(_open(port), places, strict=True):
                posix.dup2(fd, place, False)
                posix.close(fd)
            code = 0
        except OSError as error:
            code = min(error.errno or 255, 255)
        finally:
            posix._exit(code)
    posix.close(pidfd)
    code = posix.waitstatus_to_exitcode(posix.waitpid(pid, 0)[1])
    if code:
        for place in places:
            posix.close(place)
        raise OSError(abs(code), posix.strerror(abs(code)))
    return places[0], places[1]
