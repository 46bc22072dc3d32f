"""What a monitor does when its container has ended: exit record, cgroups, runtime state, its own files.

All of it is best effort: a monitor has nobody to complain to, and what it leaves the next command sweeps.
"""

from __future__ import annotations

import posix
import select
import time

from runtime.monitor import restarting
from runtime.monitor.eventlog import CLEANED_UP, ENDED
from runtime.monitor.oom import killed_unseen, oom_killed, read

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Callable, Iterable
    from typing import Any, NoReturn

    from runtime.monitor.loop import Loop
else:
    import _signal

KILL = 9
# The file that tells which program made a container: as long as it is there, something of that may be left.
RUNTIME = b"runtime"
_PATIENCE = 2.0  # For the processes of a cgroup to go after they were killed.
_PROGRAM_PATIENCE = 20.0
_DEFAULT_FOR_PROGRAMS = [number for number in range(1, 32) if number not in (KILL, _signal.SIGSTOP)]
_SYSTEMD_PATIENCE = 1.0  # For systemd to remove what is its own.


# The wait status of a container whose time was up: conmon's exit code for that, -1 as far as it fits.
TIMED_OUT = 255 << 8


def exit_code(status: int) -> tuple[int, int | None]:
    """Return exit code and signal for a wait status."""
    if posix.WIFSIGNALED(status):
        signal = posix.WTERMSIG(status)
        return 128 + signal, signal
    return posix.WEXITSTATUS(status), None


def write_record(path: bytes, code: int, signal: int | None, *, oom: bool) -> bool:
    """Write the exit record: whole or not at all, for readers that look at any moment; False if the disk is full."""
    number = "null" if signal is None else str(signal)
    killed = "true" if oom else "false"
    text = f'{{"code":{code},"signal":{number},"oom":{killed},"finished":{time.time():.6f},"boot":"{_boot_id()}"}}\n'
    temporary = path + b".tmp"
    try:
        fd = posix.open(temporary, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, 0o600)
        try:
            posix.write(fd, text.encode())
        finally:
            posix.close(fd)
        posix.rename(temporary, path)
    except OSError:
        try:
            posix.unlink(temporary)
        except OSError:
            pass
        return False
    return True


def delete_container(loop: Loop) -> None:
    """Have the container deleted by whatever made it, and disconnected."""
    if loop.network:
        loop.network.look()
        loop.network.end()
        loop.network = None
    deleted = bool(loop.deletion) and _runs_well(loop.deletion)
    if remove_container(loop.cgroups, loop.state_dir) and deleted:
        remove_files(loop.directory, (RUNTIME,))


def remove_container(cgroups: list[bytes], state_dir: bytes) -> bool:
    """Remove a container's cgroups and the runtime's state, by which a later command finds cgroups that stay."""
    if not _remove_cgroups(cgroups):
        return False
    if state_dir:
        _remove_state(state_dir)
    return True


def _runs_well(command: list[bytes]) -> bool:
    """Run a program to its end, and tell whether that was a good one; it has some time only."""
    try:
        pid = posix.posix_spawn(command[0], command, posix.environ, setsigdef=_DEFAULT_FOR_PROGRAMS)
    except OSError:
        return False
    pidfd = posix.pidfd_open(pid)
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    if not poller.poll(_PROGRAM_PATIENCE * 1000):
        posix.kill(pid, KILL)
    posix.close(pidfd)
    return posix.waitpid(pid, 0)[1] == 0


def _remove_cgroups(directories: list[bytes]) -> bool:
    """Kill what is left in a container's cgroups, and remove them; False if that takes too long.

    Those above, which other containers may be in as well, go with the last one (runtime.cgroups.files.make).
    """
    start = time.monotonic()
    deadline = start + _PATIENCE
    left = list(directories)
    while True:
        waits = time.monotonic() < start + _SYSTEMD_PATIENCE
        left = [directory for directory in left if not _remove_cgroup(directory, waits=waits)]
        own = [one for one in left if not (_is_above(one, directories) and _is_shared(one))]
        if not own or time.monotonic() > deadline:
            return not own
        for directory in own:
            _empty(directory)
        reap()
        time.sleep(0.005)


def _remove_state(directory: bytes) -> None:
    """Remove the runtime's directory of a container; files only, for it holds nothing else."""
    try:
        remove_files(directory, posix.listdir(directory))
        posix.rmdir(directory)
    except OSError:
        pass


def remove_files(directory: bytes, names: Iterable[bytes]) -> None:
    """Remove files of a directory."""
    for name in names:
        try:
            posix.unlink(directory + b"/" + name)
        except OSError:
            pass


def reap() -> None:
    """Reap the orphans that came to the monitor, the container's subreaper."""
    try:
        while posix.waitpid(-1, posix.WNOHANG)[0]:
            pass
    except OSError:
        pass


def _remove_cgroup(directory: bytes, *, waits: bool) -> bool:
    """Remove a cgroup, unless we wait for systemd to remove it; False if it is still there.

    systemd is told by cgroup.events that a unit's last process has gone. Without that file it would take the unit for
    a living one.
    """
    if waits and directory.endswith((b".scope", b".slice")) and read(directory + b"/cgroup.events"):
        return False
    try:
        posix.rmdir(directory)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _is_above(directory: bytes, others: Iterable[bytes]) -> bool:
    """Tell whether a cgroup is above another one, so that it is none that the container could mark itself."""
    return any(other.startswith(directory + b"/") for other in others)


def _is_shared(directory: bytes) -> bool:
    """Tell whether a cgroup is not this container's alone: it has the sticky bit."""
    try:
        return bool(posix.stat(directory).st_mode & 0o1000)
    except OSError:
        return False


def _empty(directory: bytes) -> None:
    """Kill the processes of a cgroup and of all that the container made below it, and remove the latter."""
    for pid in read(directory + b"/cgroup.procs").split():
        try:
            posix.kill(int(pid), KILL)
        except OSError:
            pass
    try:
        with posix.scandir(directory) as entries:
            inner = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return
    for path in inner:
        _empty(path)
        _remove_cgroup(path, waits=False)


def _boot_id() -> str:
    return read(b"/proc/sys/kernel/random/boot_id").decode().strip()


def finish(loop: Loop, slim: Callable[[Loop], None] | None = None) -> NoReturn:
    """End the monitor of a container that has ended; its status is in the loop.

    If the container is to be started again, this waits for that moment first, and does not come back from there.
    `slim` gives the memory of a big process back.
    """
    if loop.times_out and not loop.kill_at:
        loop.status = TIMED_OUT
    code, signal = exit_code(loop.status or 0)
    if loop.health:
        loop.health.close(loop)
        loop.health = None
    loop.close_resolver()
    if not loop.resume_at:  # Else we have just given memory back in the midst of waiting.
        loop.drain()
        loop.log.close()
        oom = loop.oom or oom_killed(loop.cgroups)
        oom = oom or (signal == _signal.SIGKILL and killed_unseen(loop.cgroups, loop.slice_kills))
        again = restarting.plan(loop, code)
        if not write_record(loop.exit_path, code, signal, oom=oom):
            write_record(loop.directory + b"/exit", code, signal, oom=oom)  # on another file system, as a rule
        loop.events.reach(ENDED, {"ContainerExitCode": code})
        if again:
            remove_files(loop.directory, (b"pid",))
            delete_container(loop)
            loop.events.reach(CLEANED_UP)
            loop.cgroups, loop.deletion, loop.state_dir = [], [], b""
            restarting.let_go(loop)
    if loop.resume_at:
        restarting.start_again(loop, slim)
    conclude(loop)


def main(state: dict[str, Any]) -> NoReturn:
    """Look after a container to its end, in the bare interpreter that was given the state of its loop."""
    from runtime.monitor.loop import Loop

    loop = Loop.thaw(state)
    for fd in loop.fds():
        posix.set_inheritable(fd, False)
    loop.catch_signals()
    if loop.sleeper:
        from runtime.monitor import dormant

        loop.poller = dormant.Poller(loop)
    loop.serve(None)
    finish(loop)


def conclude(loop: Loop) -> NoReturn:
    """End the monitor once nothing of the container runs any more and its end is recorded."""
    code = exit_code(loop.status or 0)[0]
    told = tell(loop.sync, b'{"exit":%d}' % code)
    withdraw(loop)
    loop.flush_clients()
    for client in loop.clients:
        posix.close(client.fd)
    leave([] if told else loop.on_exit, code)


def end_process(loop: Loop) -> None:
    """Kill the container's process and wait for its end."""
    try:
        _signal.pidfd_send_signal(loop.pidfd, KILL)
        posix.waitpid(loop.pid, 0)
    except OSError:
        pass


def abort(loop: Loop, code: int = 0) -> NoReturn:
    """End the monitor of a container that was never started: no exit record, for nothing ran."""
    end_process(loop)
    withdraw(loop)
    leave([] if tell(loop.sync, b"{}") else loop.on_exit, code)


def tell(sync: int, message: bytes) -> bool:
    """Send a message to the command; False when no command listens any more."""
    try:
        return sync >= 0 and posix.write(sync, message) > 0
    except OSError:
        return False


def withdraw(loop: Loop) -> None:
    """Remove all that says that the container runs."""
    remove_files(loop.directory, (b"pid", b"attach", b"ctl", b"start", b"paused"))
    for fd in (loop.listener, loop.ctl):
        if fd >= 0:
            posix.close(fd)
    loop.listener = loop.ctl = -1
    delete_container(loop)
    loop.events.reach(CLEANED_UP)
    remove_files(loop.directory, (b"monitor",))
    # What is left to do concerns clients only; the container may be started again.
    posix.close(loop.lock)


def leave(on_exit: list[bytes], code: int = 0) -> NoReturn:
    """End with the container's exit code, by which systemd tells how a service of ours ended.

    The program that does what remains to be done runs before, as a child: a service is over once its main process is.
    """
    if on_exit:
        try:
            posix.waitpid(posix.posix_spawn(on_exit[0], on_exit, posix.environ, setsigdef=_DEFAULT_FOR_PROGRAMS), 0)
        except OSError:
            pass
    posix._exit(code)


def default_signals() -> None:
    """Give every signal its default disposition; those that have it already cost no system call."""
    for number in range(1, _signal.NSIG):
        if _signal.getsignal(number) not in (_signal.SIG_DFL, None):
            _signal.signal(number, _signal.SIG_DFL)
