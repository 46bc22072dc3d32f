"""Starting the process that passes a container's published ports on, and ending it.

It is a bare interpreter, as a monitor is, and gets its modules in the same way (see runtime.monitor.reexec). It lives
in the network namespace in which it connects; its listening sockets belong to the host's.
"""

from __future__ import annotations

import posix

from runtime import syscalls
from runtime.kernel import CLONE_NEWNET
from runtime.monitor import reexec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from runtime.publisher.serve import Port
    from runtime.publisher.target import Known

NAME = "pod-publisher"
_MODULES = (
    "runtime.publisher.target",
    "runtime.publisher.streams",
    "runtime.publisher.datagrams",
    "runtime.publisher.serve",
)
_RLIMIT_NOFILE = 7
_KILL = 9


def start(ports: list[Port], told: bytes | Known, namespace: int) -> tuple[int, int]:
    """Have ports of the host passed on into a network namespace (its fd); return the process: PID and pidfd.

    `told` tells where the container is (see `runtime.publisher.target.Place`). The process has copies of the sockets,
    and dies with this one, its parent. Raises OSError.
    """
    import runtime.publisher.serve  # noqa: F401  (its code is handed over)

    memory = reexec.package(_MODULES, "runtime.publisher.serve", (ports, told))
    parent = posix.getpid()
    pid = posix.fork()
    if pid == 0:
        _become(memory, [port[0] for port in ports], namespace, parent)
    posix.close(memory)
    return pid, posix.pidfd_open(pid)


def _become(memory: int, sockets: list[int], namespace: int, parent: int) -> NoReturn:
    try:
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, _KILL)
        syscalls.setns(namespace, CLONE_NEWNET)
        soft, hard = syscalls.read_limit(0, _RLIMIT_NOFILE)
        if soft < hard:
            syscalls.prlimit(0, _RLIMIT_NOFILE, hard, hard)
        if posix.getppid() == parent:  # else nobody would end us any more
            reexec.become(memory, sockets, NAME)
    finally:
        posix._exit(1)
