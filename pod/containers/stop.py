"""Ending containers and waiting for their end. Works on the container's process itself, with or without a monitor."""

from __future__ import annotations

import posix
import select
import time

from pod import events, state
from pod.containers import restart, status
from pod.errors import PodError, StateError
from pod.values import LONGEST_TIMEOUT
from runtime import paths, process, syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pod.config import Config
    from pod.engine import Engine

SIGKILL = 9
# The signals whose sender wants the container to end: SIGINT, SIGQUIT, SIGKILL, SIGTERM.
_ENDING = (2, 3, SIGKILL, 15)
# How long a killed process may take to vanish before that is reported: it hangs in the kernel.
_KILL_SECONDS = 30.0
# How long a monitor whose container has no known process may take before the record of that is thought damaged.
_RECORD_SECONDS = 10.0
# How often to look whether a monitor is done that has yet to end.
_SETTLE_SECONDS = 0.05
# How often to see to it that a killed process is not paused.
_THAW_SECONDS = 0.25


def kill(engine: Engine, container: state.Container, signal: int) -> None:
    """Send a signal to the first process of a running container; one that is to end it is followed by no restart.

    Raises StateError if it does not run.
    """
    ends = signal in _ENDING or signal == container.config["stop_signal"]
    awaited = ends and restart.is_awaited(engine.config, container.id)
    if ends:
        restart.mark_stopped(engine.config, container.id)
        restart.remember_stop(engine.config, container)
    seen = status.observe(engine.config, container.id)
    descriptor = _open(engine.config, container.id) if seen.is_running else -1
    if descriptor < 0:
        if awaited:
            settle(engine.config, container.id)
            return
        lost = status.is_lost(engine.config, container.id)
        raise StateError(
            f"can only kill running containers. {container.id} is in state {seen.state}: container state improper",
            hint="its files in the runroot are gone: `pod stop` ends what still runs of it" if lost else "",
        )
    try:
        _send(engine.config, container, descriptor, signal)
    finally:
        posix.close(descriptor)
    events.of_container(engine.config, container, "kill")


def relay(config: Config, container_id: str, signal: int) -> None:
    """Pass on a signal that a user sent to the command that is attached to a container; if that has ended, do nothing.

    One that is to end the container is followed by no restart, as with `kill`.
    """
    if signal in _ENDING:
        restart.mark_stopped(config, container_id)
    descriptor = _open(config, container_id)
    if descriptor >= 0:
        try:
            syscalls.pidfd_send_signal(descriptor, signal)
        except OSError:
            pass  # it has just ended
        finally:
            posix.close(descriptor)


def stop(
    engine: Engine,
    container: state.Container,
    *,
    timeout: int | None = None,
    warn: Callable[[str], None] | None = None,
) -> bool:
    """Ask a container to end, kill it after `timeout` seconds, return when it has ended.

    Tells whether it was running. A negative timeout waits for ever. No restart policy starts it again. `warn` is called
    before that with the reason if it will be in vain. One that was initialized, but not started, is killed: it would
    hear nothing. Raises PodError if it outlives SIGKILL, for it hangs in the kernel.
    """
    restart.mark_stopped(engine.config, container.id)
    restart.remember_stop(engine.config, container)
    descriptor = _open(engine.config, container.id)
    if descriptor < 0:
        salvaged = settle_or_salvage(engine.config, container.id)
        settle(engine.config, container.id)
        return salvaged
    seconds = min(container.config["stop_timeout"] if timeout is None else timeout, LONGEST_TIMEOUT)
    if status.observe(engine.config, container.id).state == "initialized":
        seconds = 0
    try:
        if warn is not None and seconds:
            from pod.containers.processes import deafness

            deafness.tell(engine.config, container, seconds, warn)
        _send(engine.config, container, descriptor, container.config["stop_signal"] if seconds else SIGKILL)
        _thaw(engine.config, container.id)  # to end in order it has to run
        if not _ended(descriptor, None if seconds < 0 else float(seconds)):
            _send(engine.config, container, descriptor, SIGKILL)
            if not _has_died(engine.config, container.id, descriptor):
                raise PodError(f"container {container.id} did not end within {_KILL_SECONDS:.0f} s of SIGKILL")
    finally:
        posix.close(descriptor)
    settle(engine.config, container.id)
    events.of_container(engine.config, container, "stop")
    return True


def _has_died(config: Config, container_id: str, descriptor: int) -> bool:
    """Wait for the end of a killed process; one that is paused only now has to be let go on for that."""
    deadline = time.monotonic() + _KILL_SECONDS
    while not _ended(descriptor, _THAW_SECONDS):
        if time.monotonic() > deadline:
            return False
        _thaw(config, container_id)
    return True


def settle(config: Config, container_id: str, timeout: float = _KILL_SECONDS) -> None:
    """Wait until the monitor of an ended container has recorded the end and removed what is left of it.

    One that starts the container again by its policy lives on: then the time passes, or the next process is there.
    """
    deadline = time.monotonic() + timeout
    known = status.read_record(f"{config.monitor_dir(container_id)}/monitor")
    descriptor = -1 if known is None else _pidfd(*known)
    if descriptor < 0:
        return
    try:
        # A monitor whose reader takes nothing lives on, but for its output only: it has withdrawn its record.
        while not _ended(descriptor, _SETTLE_SECONDS) and time.monotonic() < deadline:
            if status.read_record(f"{config.monitor_dir(container_id)}/monitor") != known:
                return
            if status.has_living_process(config, container_id):
                return
    finally:
        posix.close(descriptor)


def settle_or_salvage(config: Config, container_id: str) -> bool:
    """Wait for a monitor whose container has ended; end what runs if only the record of its process is damaged.

    Tells whether that was so.
    """
    settle(config, container_id, _RECORD_SECONDS)
    seen = status.observe(config, container_id)
    if seen.state != "running" or seen.pid or not seen.monitor_pid:
        return False
    from pod.containers.remains import salvage

    salvage.salvage(config, container_id)
    return True


def wait(engine: Engine, container: state.Container, *, timeout: float | None = None) -> int | None:
    """Return the exit code of a container once it does not run any more; None if the time is up before."""
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        descriptor = _open(engine.config, container.id)
        if descriptor >= 0:
            try:
                if not _ended(descriptor, _left(deadline)):
                    return None
            finally:
                posix.close(descriptor)
        left = _left(deadline)
        settle(engine.config, container.id, _KILL_SECONDS if left is None else left)
        # In this order: what removes the container keeps its exit code before it deletes the files.
        seen = status.observe(engine.config, container.id)
        # "running" without a process: it has just ended, and the monitor has yet to say how, and whether it goes on.
        if not (seen.pid or seen.is_running):
            break
        if _left(deadline) == 0.0:
            return None
    kept = state.kept_exit_code(engine.connection, container.id)
    return seen.exit_code if kept is None else kept


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def _thaw(config: Config, container_id: str) -> None:
    if paths.exists(status.paused_path(config, container_id)):
        from pod.containers import pause

        pause.thaw(config, container_id)


def _send(config: Config, container: state.Container, descriptor: int, signal: int) -> None:
    try:
        syscalls.pidfd_send_signal(descriptor, signal)
        if signal == SIGKILL:
            _thaw(config, container.id)
    except ProcessLookupError:
        pass  # it has just ended
    except PermissionError as error:
        raise PodError(
            f"cannot signal container {container.id}: its process belongs to another user namespace than this command",
            hint="end its process from the host, or from a shell in the namespace it was started in",
        ) from error


def _open(config: Config, container_id: str) -> int:
    known = status.read_record(f"{config.monitor_dir(container_id)}/pid")
    return -1 if known is None else _pidfd(*known)


def _pidfd(pid: int, start_time: int) -> int:
    try:
        descriptor = posix.pidfd_open(pid)
    except ProcessLookupError:
        return -1
    if not process.is_alive(pid, start_time):
        posix.close(descriptor)
        return -1
    return descriptor


def _ended(descriptor: int, seconds: float | None) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(None if seconds is None else seconds * 1000))
