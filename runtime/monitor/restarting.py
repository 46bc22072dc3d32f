"""Whether a container that has ended is started again, when, and how its monitor does that.

The policy and the back-off are docker's. The monitor has nothing but the modules of the loop, so to start the
container again it becomes the engine, by execve: the same process, with the same lock, clients and command, prepares
the container once more and goes on as its monitor (see resuming.py). Whoever wants the container to end leaves the file
`stopped` in the monitor's directory and then looks for a process of the container; the monitor writes down that process
and then looks for the file. So one of them sees the other.
"""

from __future__ import annotations

import marshal
import posix
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Callable

    from runtime.monitor.loop import Loop
else:
    import _signal

STOPPED = b"stopped"  # The end of the container is wanted: no restart.
RESTARTING = b"restarting"  # The container has ended and will be started again.
FIRST_DELAY = 0.1
LONGEST_DELAY = 60.0
# Who ran for so long has started well: the next delay is the first again.
STEADY_SECONDS = 10.0
_LOOK_AGAIN = 0.1
# What goes to the engine, and from there to the next loop.
_HANDED = ("sync", "lock", "restarts", "delay", "size", "stdin_ends", "status")


class StoppedError(Exception):
    """The container is not to be started again: somebody wants it to end."""


def wanted(policy: str, most: int, code: int, restarts: int) -> bool:
    """Tell whether a policy has a container started again that ended with `code` (pure); `most` 0 is no limit."""
    if policy == "on-failure":
        return code != 0 and (most == 0 or restarts < most)
    return policy in ("always", "unless-stopped")


def next_delay(last: float, ran: float) -> float:
    """Return the seconds to wait before a start, from those before the last one and the time it ran since (pure)."""
    if last <= 0 or ran >= STEADY_SECONDS:
        return FIRST_DELAY
    return min(last * 2, LONGEST_DELAY)


def is_stopped(directory: bytes) -> bool:
    """Tell whether somebody wants the container to end."""
    return posix.access(directory + b"/" + STOPPED, posix.F_OK)


def plan(loop: Loop, code: int) -> bool:
    """Decide what follows the container's end, and note the moment of the next start, if there is to be one."""
    if not loop.relaunch or loop.terminated or is_stopped(loop.directory):
        return False
    policy, most = loop.settings.get("restart") or ("no", 0)
    if loop.again:
        loop.delay = 0.0  # asked for by the health check: at once, and not counted
    elif wanted(policy, most, code, loop.restarts):
        loop.delay = next_delay(loop.delay, time.monotonic() - loop.began)
        loop.restarts += 1
    else:
        return False
    loop.again = False
    loop.resume_at = time.monotonic() + loop.delay
    _touch(loop.directory + b"/" + RESTARTING)
    return True


def let_go(loop: Loop) -> None:
    """Close the ways to the container that has ended."""
    for name in ("stdin", "stdout", "stderr", "console", "peer", "memory", "notifications", "pidfd"):
        fd = getattr(loop, name)
        if fd >= 0 and not (name == "stdin" and fd == loop.console):
            loop.forget(fd)
        setattr(loop, name, -1)
    loop.pid, loop.unsent = 0, b""


def start_again(loop: Loop, slim: Callable[[Loop], None] | None) -> None:
    """Wait, then become the engine that starts the container; return only if that is not wanted any more.

    `slim` gives memory back for the wait, if that is long.
    """
    if slim is not None and loop.resume_at - time.monotonic() > 1.0:
        slim(loop)
    while not (loop.terminated or is_stopped(loop.directory)):
        if time.monotonic() >= loop.resume_at:
            _become_engine(loop)
            break
        # Without the fifo, which a full disk may have denied us, nobody can wake us.
        loop.rest(loop.resume_at if loop.ctl >= 0 else min(loop.resume_at, time.monotonic() + _LOOK_AGAIN))
    loop.resume_at = 0.0
    try:
        posix.unlink(loop.directory + b"/" + RESTARTING)
    except OSError:
        pass


def _become_engine(loop: Loop) -> None:
    state = {name: getattr(loop, name) for name in _HANDED}
    state["clients"] = [client.freeze() for client in loop.clients]
    content = marshal.dumps(state)
    memory = posix.memfd_create("pod-monitor", 0)
    posix.write(memory, content)
    inherited = [fd for fd in (loop.sync, loop.lock, *(client.fd for client in loop.clients)) if fd >= 0]
    for fd in inherited:
        posix.set_inheritable(fd, True)
    # One that comes now waits for the engine, which takes it when it is a monitor again.
    _signal.pthread_sigmask(_signal.SIG_BLOCK, (_signal.SIGTERM,))
    try:
        posix.execve(loop.relaunch[0], [*loop.relaunch, b"%d" % memory], posix.environ)
    except OSError:
        posix.close(memory)
        _signal.pthread_sigmask(_signal.SIG_UNBLOCK, (_signal.SIGTERM,))


def _touch(path: bytes) -> None:
    try:
        posix.close(posix.open(path, posix.O_WRONLY | posix.O_CREAT | posix.O_CLOEXEC, 0o600))
    except OSError:
        pass  # A full disk: the container is then shown as exited while it waits.
