"""What a container is doing, derived from its processes and its exit record, never from the database.

`<runroot>/containers/<id>/pid` and `monitor` name a process as "PID STARTTIME";
`<graphroot>/containers/<id>/started` is written before the program starts ("SECONDS BOOT-ID") and `exit` when it has
ended (see runtime.monitor).
"""

from __future__ import annotations

import posix

from pod.containers import restart
from runtime import jsontext, process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pod.config import Config

# What is reported for a container whose end nobody could observe: its monitor was killed, or the machine lost power.
UNKNOWN_EXIT_CODE = 255


class Status:
    """The state of a container at one moment, in podman's words."""

    __slots__ = ("exit_code", "finished", "monitor_pid", "oom_killed", "pid", "started", "state")

    def __init__(
        self,
        state: str,
        *,
        pid: int = 0,
        monitor_pid: int = 0,
        exit_code: int = 0,
        started: float = 0.0,
        finished: float = 0.0,
        oom_killed: bool = False,
    ) -> None:
        # created, initialized (a process that waits to be started), running, paused, restarting (has ended, will be
        # started again) or exited
        self.state = state
        self.pid = pid
        self.monitor_pid = monitor_pid
        self.exit_code = exit_code
        self.started = started  # seconds since the epoch, 0 for never
        self.finished = finished
        self.oom_killed = oom_killed

    @property
    def is_running(self) -> bool:
        """Tell whether the container has a living process, or its monitor is about to give it the next one."""
        return self.state in ("running", "paused", "restarting")

    @property
    def is_guess(self) -> bool:
        """Tell whether nothing is on record but the start: the container may live on (see remains.lost)."""
        return self.state == "exited" and self.finished == self.started


def observe(config: Config, container_id: str, *, rests: bool = False) -> Status:
    """Look at a container's processes and records; needs no privileges and takes no lock.

    `rests` says that it had no monitor's directory a moment ago: then, as long as it has not been started since, its
    records tell all, and most of a long list of containers costs two or three looks instead of five.
    """
    started = _started(config, container_id)
    if rests:
        record = exit_record(config, container_id)
        if record is not None:
            code, finished, oom = record["code"], record["finished"], record["oom"]
            return Status("exited", exit_code=code, started=started, finished=finished, oom_killed=oom)
        if not started:
            return Status("created")
    directory = config.monitor_dir(container_id)
    monitor = living(f"{directory}/monitor")
    pid = living(f"{directory}/pid")
    if pid and started:
        state = "paused" if _is_frozen(config, container_id) else "running"
        return Status(state, pid=pid, monitor_pid=monitor, started=started)
    record = exit_record(config, container_id)
    if pid and record is None:
        return Status("initialized", pid=pid, monitor_pid=monitor)
    if record is not None:
        return Status(
            "restarting" if monitor and restart.is_awaited(config, container_id) else "exited",
            exit_code=record["code"],
            started=started,
            finished=record["finished"],
            oom_killed=record["oom"],
            monitor_pid=monitor,
        )
    if started and monitor:
        # It has ended, but its monitor is still writing down how.
        return Status("running", monitor_pid=monitor, started=started)
    if started:
        return Status("exited", exit_code=UNKNOWN_EXIT_CODE, started=started, finished=started, monitor_pid=monitor)
    return Status("created", monitor_pid=monitor)


def has_process(config: Config, container_id: str) -> bool:
    """Tell whether the container's process or its monitor lives, whatever the records in the graphroot say."""
    directory = config.monitor_dir(container_id)
    return bool(living(f"{directory}/monitor") or living(f"{directory}/pid"))


def paused_path(config: Config, container_id: str) -> str:
    """Return the file that a container has while it may be paused (see pod.containers.pause)."""
    return f"{config.monitor_dir(container_id)}/paused"


def read_freezer(config: Config, container_id: str) -> tuple[str, str] | None:
    """Return the kernel's file that tells whether a container is paused, and what it holds then; None: it is not."""
    path, separator, value = _read(paused_path(config, container_id)).strip().rpartition(" ")
    return (path, value) if separator else None


def _is_frozen(config: Config, container_id: str) -> bool:
    known = read_freezer(config, container_id)
    return known is not None and _read(known[0]).strip() == known[1]


def has_living_process(config: Config, container_id: str) -> bool:
    """Tell whether the container's first process lives."""
    return bool(living(f"{config.monitor_dir(container_id)}/pid"))


def is_lost(config: Config, container_id: str) -> bool:
    """Tell whether nothing is known of a container that was started since the machine is up: it may still run."""
    fields = _read(f"{config.container_dir(container_id)}/started").split()
    if len(fields) != 2 or has_process(config, container_id) or exit_record(config, container_id) is not None:
        return False
    from storage.store import boot_id

    return fields[1] == boot_id()


def exit_record(config: Config, container_id: str) -> dict[str, Any] | None:
    """Return what the monitor wrote at the container's end, or None."""
    # The second is where a monitor puts it when the disk is full.
    text = _read(f"{config.container_dir(container_id)}/exit") or _read(f"{config.monitor_dir(container_id)}/exit")
    if not text:
        return None
    try:
        record: dict[str, Any] = jsontext.loads(text)
        return {"code": record["code"], "oom": record["oom"], "finished": record["finished"]}
    except (ValueError, LookupError, TypeError):
        return None


def read_record(path: str) -> tuple[int, int] | None:
    """Return the process ID and start time that a file of a monitor names, or None."""
    return parse_record(_read(path))


def parse_record(text: str) -> tuple[int, int] | None:
    """Return the process ID and start time that a line names, or None."""
    fields = text.split()
    if len(fields) != 2 or not (fields[0].isdigit() and fields[1].isdigit()):
        return None
    return int(fields[0]), int(fields[1])


def living(path: str) -> int:
    """Return the process that a file of a monitor names if it lives, else 0."""
    known = read_record(path)
    return known[0] if known is not None and process.is_alive(*known) else 0


def _started(config: Config, container_id: str) -> float:
    fields = _read(f"{config.container_dir(container_id)}/started").split()
    try:
        return float(fields[0]) if fields else 0.0
    except ValueError:
        return 0.0


def _read(path: str) -> str:
    try:
        descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return posix.read(descriptor, 4096).decode("ascii", "replace")
    finally:
        posix.close(descriptor)
