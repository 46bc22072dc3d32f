"""Starting the process that passes a container's published ports on.

It is a bare interpreter, as a monitor is, and gets its modules in the same way (see runtime.monitor.reexec). It lives
in the network namespace in which it connects; its listening sockets belong to the host's.
"""

from __future__ import annotations

import posix

from runtime import syscalls
from runtime.kernel import CLONE_NEWNET
from runtime.monitor import reexec
from runtime.publisher.process import Publisher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.publisher.serve import Port
    from runtime.publisher.target import Known

NAME = "pod-publisher"
_MODULES = (
    "runtime.publisher.target",
    "runtime.publisher.streams",
    "runtime.publisher.datagrams",
    "runtime.publisher.serve",
)
# What begins it anew in a monitor that has become a bare interpreter.
_BEGINNING = (
    "runtime.kernel",
    "runtime.syscalls",
    "runtime.monitor.bare",
    "runtime.monitor.connection",
    "runtime.monitor.reexec",
    "runtime.publisher.start",
)
_RLIMIT_NOFILE = 7
_KILL = 9


def start(ports: list[Port], told: bytes | Known, namespace: int) -> Publisher:
    """Have ports of the host passed on into a network namespace (its fd); return the process, whose sockets are these.

    `told` tells where the container is (see `runtime.publisher.target.Place`). The process dies with this one, its
    parent. Raises OSError; the sockets are still the caller's then.
    """
    import runtime.publisher.serve  # noqa: F401  (its code is handed over)

    memory = reexec.package(_MODULES, "runtime.publisher.serve", (ports, told), _BEGINNING)
    publisher = Publisher([fd for fd, _port in ports], memory, posix.dup(namespace))
    try:
        publisher.begin()
    except OSError:
        posix.close(memory)
        posix.close(publisher.namespace)
        raise
    return publisher


def become(memory: int, sockets: list[int], namespace: int, parent: int) -> None:
    """Be the process, as a fork of its parent; return only if that cannot be. Raises OSError."""
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, _KILL)
    syscalls.setns(namespace, CLONE_NEWNET)
    soft, hard = syscalls.read_limit(0, _RLIMIT_NOFILE)
    if soft < hard:
        syscalls.prlimit(0, _RLIMIT_NOFILE, hard, hard)
    if posix.getppid() == parent:  # else nobody would end us any more
        reexec.become(memory, sockets, NAME)
