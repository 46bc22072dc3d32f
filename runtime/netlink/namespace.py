"""Going to another network namespace and back, to open sockets that stay there and to do what only those inside can.

Who may not come back, because its own namespace is the host's and it is root of a user namespace only, sends a child.
"""

from __future__ import annotations

import fcntl
import marshal
import posix

from runtime import syscalls
from runtime.errors import OCIRuntimeError
from runtime.kernel import CLONE_FILES, CLONE_NEWNET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn, TypeVar

    Result = TypeVar("Result")

_SIGCHLD = 17
_NS_GET_USERNS = 0xB701  # ioctl_ns(2)


def enter(namespace: int) -> int:
    """Take this process to another network namespace (its fd), and return a descriptor of the one that it leaves.

    To be used in a process of one thread that has CAP_SYS_ADMIN in the user namespaces of both: `leave` brings it back.
    """
    here = posix.open("/proc/self/ns/net", posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        syscalls.setns(namespace, CLONE_NEWNET)
    except OSError:
        posix.close(here)
        raise
    return here


def leave(here: int) -> None:
    """Go back to where `enter` came from."""
    try:
        syscalls.setns(here, CLONE_NEWNET)
    finally:
        posix.close(here)


def carry_out(namespace: int, action: Callable[[], Result]) -> Result:
    """Do something in another network namespace (its fd), and return what came of it.

    If a child has to do it, that has our descriptors in common with us, so those that it opens are ours. The result is
    a plain value. Raises what `action` raises, if it is OSError or OCIRuntimeError. The caller has one thread and
    CAP_SYS_ADMIN over the namespace, and is in its own one again afterwards.
    """
    if may_return():
        here = enter(namespace)
        try:
            return action()
        finally:
            leave(here)
    return _by_child(namespace, action)


def make(action: Callable[[], Result]) -> Result:
    """Do something in a new network namespace, and return what came of it (see `carry_out`): a descriptor, mostly."""
    return _by_child(-1, action)


def may_return() -> bool:
    """Tell whether our own network namespace belongs to a user namespace in which we have a say."""
    here = posix.open("/proc/self/ns/net", posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        posix.close(fcntl.ioctl(here, _NS_GET_USERNS))
    except OSError:
        return False
    finally:
        posix.close(here)
    return True


def _by_child(namespace: int, action: Callable[[], Result]) -> Result:
    answer = posix.memfd_create("pod-answer", posix.MFD_CLOEXEC)
    try:
        pid, pidfd = syscalls.clone3(CLONE_FILES | (CLONE_NEWNET if namespace < 0 else 0), _SIGCHLD)
        if pid == 0:
            _answer(namespace, action, answer)
        posix.close(pidfd)
        posix.waitpid(pid, 0)
        content = posix.pread(answer, posix.fstat(answer).st_size, 0)
    finally:
        posix.close(answer)
    if not content:
        raise OCIRuntimeError("network: a process was killed while it was at work")
    kind, values = marshal.loads(content)
    if kind == "OSError":
        raise OSError(*values)
    if kind == "error":
        raise OCIRuntimeError(values[0], hint=values[1])
    result: Result = values
    return result


def _answer(namespace: int, action: Callable[[], Any], answer: int) -> NoReturn:
    """Be the child: write the result, or the error, in one piece."""
    try:
        try:
            if namespace >= 0:
                syscalls.setns(namespace, CLONE_NEWNET)
            told = ("result", action())
        except OSError as error:
            told = ("OSError", (error.errno or 0, error.strerror or str(error)))
        except OCIRuntimeError as error:
            told = ("error", (str(error), error.hint))
        content = memoryview(marshal.dumps(told))
        while content:
            content = content[posix.write(answer, content) :]
    finally:
        posix._exit(0)
