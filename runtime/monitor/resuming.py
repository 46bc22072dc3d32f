"""The monitor after it has become the engine to start its container again: the same process, clients and lock.

See restarting.py for the way here. Nothing of the container's last run is left but its exit record, which stays until
the next run is about to begin.
"""

from __future__ import annotations

import marshal
import posix

from runtime.monitor import child, ending, restarting
from runtime.monitor.clients import Client
from runtime.monitor.eventlog import MADE, STARTED
from runtime.monitor.reexec import reexec

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Callable
    from typing import Any, NoReturn

    from runtime.monitor.loop import Loop
    from runtime.monitor.spawn import Container, MonitorConfig, Stdio
else:
    import _signal

_LARGEST = 1 << 26
_FAILED = 125 << 8  # the wait status of a run that did not come to its program


class Resumed:
    """What the monitor brought along from the container's last run."""

    __slots__ = ("clients", "values")

    def __init__(self, descriptor: int) -> None:
        """Read it from the descriptor, which is closed. Raises ValueError for what no monitor wrote."""
        content = posix.pread(descriptor, _LARGEST, 0)
        posix.close(descriptor)
        try:
            values = marshal.loads(content)
            clients = values.pop("clients")
        except (EOFError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError("not the state of a monitor") from error
        self.values: dict[str, Any] = values
        self.clients = [Client.thaw(client) for client in clients]
        for fd in self.fds():
            posix.set_inheritable(fd, False)

    @property
    def restarts(self) -> int:
        """How often the policy has started the container again, this time included."""
        count: int = self.values["restarts"]
        return count

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the terminal, as last told."""
        size: tuple[int, int] = self.values["size"]
        return size

    def fds(self) -> list[int]:
        """Return the descriptors that came along."""
        fds = [self.values["sync"], self.values["lock"], *(client.fd for client in self.clients)]
        return [fd for fd in fds if fd >= 0]


def resume(
    config: MonitorConfig,
    resumed: Resumed,
    create: Callable[[Stdio], Container],
    about_to_start: Callable[[], None],
    done: Callable[[], None],
) -> NoReturn:
    """Create and start the container once more, and be its monitor.

    `about_to_start` is called when only the start is missing, `done` after it and also if it failed. What fails counts
    as one more run that ended badly.
    """
    then: Callable[[Loop], NoReturn] | None = None
    try:
        loop = _take_over(config, resumed)
        try:
            _start(config, loop, create, about_to_start)
        except BaseException as error:
            ending.end_process(loop)
            then = _end if isinstance(error, restarting.StoppedError) else _fail
        done()
        if then is not None:
            then(loop)
        child.look_after(loop, config)
    finally:
        posix._exit(1)


def give_up(config: MonitorConfig, resumed: Resumed) -> NoReturn:
    """End the monitor of a container that is not to be started again after all."""
    try:
        _end(_take_over(config, resumed))
    finally:
        posix._exit(1)


def fail(config: MonitorConfig, resumed: Resumed) -> NoReturn:
    """Let the container that could not be started wait for the next try, if there is one."""
    try:
        _fail(_take_over(config, resumed))
    finally:
        posix._exit(1)


def _take_over(config: MonitorConfig, resumed: Resumed) -> Loop:
    child.leave_parent(sorted({*resumed.fds(), *config.keep_fds}), blocked=(_signal.SIGTERM,))
    posix.chdir("/")
    loop = child.new_loop(config)
    loop.catch_signals()
    for name, value in resumed.values.items():
        setattr(loop, name, value)
    loop.clients = resumed.clients
    return loop


def _start(
    config: MonitorConfig,
    loop: Loop,
    create: Callable[[Stdio], Container],
    about_to_start: Callable[[], None],
) -> None:
    ending.remove_files(loop.directory, (b"pid", b"attach", b"ctl"))
    container = child.make(config, create, loop)
    child.write_process(loop.directory + b"/pid", container.pid, container.start_time)
    loop.take_signals()
    if loop.terminated or restarting.is_stopped(loop.directory):
        raise restarting.StoppedError
    about_to_start()
    loop.events.write("restart")
    loop.events.reach(MADE)
    if container.start is not None:
        container.start()
    if container.network is not None:
        posix.close(container.network)
    loop.events.reach(STARTED)
    loop.status = None
    if loop.stdin_ends:
        loop.end_stdin()
    ending.remove_files(loop.directory, (restarting.RESTARTING,))


def _end(loop: Loop) -> NoReturn:
    """End; the exit record of the last run is the one that counts."""
    ending.remove_files(loop.directory, (restarting.RESTARTING,))
    ending.conclude(loop)


def _fail(loop: Loop) -> NoReturn:
    loop.status = _FAILED
    ending.finish(loop, slim=reexec)
