"""The monitor's move into a bare interpreter, which needs a fraction of the memory of the command it was forked from.

Children, zombies, fds, listening sockets, pending and blocked signals all survive execve(2); what Python knows goes
along as marshalled values in a memfd, together with the code of the modules of the loop.
"""

from __future__ import annotations

import marshal
import posix
import sys

from runtime.monitor import bare, connection

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Sequence
    from types import CodeType
    from typing import Any

    from runtime.monitor.loop import Loop
else:
    import _signal

# In the order of their imports.
_MODULES = (
    "runtime.moments",
    "runtime.monitor.eventlog",
    "runtime.monitor.log",
    "runtime.monitor.clients",
    "runtime.monitor.oom",
    "runtime.monitor.restarting",
    "runtime.monitor.readiness",
    "runtime.monitor.connection",
    "runtime.answers",
    "runtime.monitor.verdict",
    "runtime.monitor.health",
    "runtime.monitor.control",
    "runtime.monitor.ending",
    "runtime.monitor.loop",
)
_DORMANT = ("runtime.monitor.dormant",)
_JOURNALD = ("runtime.monitor.journald",)
_RESOLVER = (
    "runtime.process",
    "runtime.dns",
    "runtime.monitor.names",
    "runtime.monitor.forwarding",
    "runtime.monitor.resolver",
)
_SOCKETS = (
    "runtime.kernel",
    "runtime.errors",
    "runtime.syscalls",
    "runtime.netlink.rewriting",
    "runtime.monitor.resolver_sockets",
)
_SIGNALS = (_signal.SIGTERM, _signal.SIGCHLD)


def reexec(loop: Loop) -> None:
    """Replace this process; returns only if that is not possible, or if the container has just ended.

    One that has ended, but is to be started again later, is waited for in the bare interpreter, too.
    """
    modules = _MODULES + (_DORMANT if loop.sleeper else ()) + (_JOURNALD if loop.needs_journald() else ())
    modules += (connection.modules(loop.network) if loop.network else ()) + (_RESOLVER if loop.resolver else ())
    if loop.network and loop.network.KIND == "network" and not loop.resolver:
        # Few need it, and all keep it: as small as can be.
        from zlib import compress

        loop.spare = compress(marshal.dumps([(name, _code(name)) for name in _RESOLVER + _SOCKETS]))
    memory = package(tuple(dict.fromkeys(modules)), "runtime.monitor.ending", loop.freeze())
    # From here on a signal waits for the new interpreter, which unblocks it when it can handle it.
    _signal.pthread_sigmask(_signal.SIG_BLOCK, _SIGNALS)
    loop.take_signals()
    if loop.status is None or loop.resume_at:
        become(memory, loop.fds(), bare.NAME.decode(), loop.id)
    posix.close(memory)
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, _SIGNALS)


def package(modules: Sequence[str], entry: str, state: Any, kept: Sequence[str] = ()) -> int:
    """Return a file of memory with the code of modules, which are loaded, and the state for the `main` of one.

    `kept` are modules whose code is in there, too, for who looks for it.
    """
    packed = marshal.dumps([(name, _code(name)) for name in kept])
    content = marshal.dumps((_code(bare.__name__), [(name, _code(name)) for name in modules], entry, state, packed))
    memory = posix.memfd_create("pod-monitor", posix.MFD_CLOEXEC)
    _write(memory, content)
    return memory


def become(memory: int, fds: list[int], name: str, *arguments: str) -> None:
    """Become a bare interpreter that runs what was packaged and keeps these descriptors; return only if it cannot."""
    executable = _interpreter()
    if not executable:
        return
    inherited = [memory, *fds]
    for fd in inherited:
        posix.set_inheritable(fd, True)
    read = f"posix.pread({memory},{posix.fstat(memory).st_size},0)"
    start = f"import marshal,posix;m=marshal.loads({read});posix.close({memory});exec(m[0])"
    # The interpreter finds its library from the directory of argv[0], so that must stay; the name is for `ps`.
    name = executable[: executable.rindex("/") + 1] + name
    try:
        posix.execve(executable, [name, "-I", "-S", "-B", "-c", start, *arguments], posix.environ)
    except OSError:
        for fd in inherited:
            posix.set_inheritable(fd, False)


def _interpreter() -> str:
    """Return the interpreter that we run in, behind the links of a virtual environment."""
    try:
        return posix.readlink("/proc/self/exe")
    except OSError:
        return ""


def _code(name: str) -> CodeType:
    """Return the code of a module, from the cache that its loader keeps."""
    __import__(name)
    spec = sys.modules[name].__spec__
    assert spec is not None
    code: CodeType = spec.loader.get_code(name)  # type: ignore[union-attr]
    return code


def _write(fd: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[posix.write(fd, view) :]
