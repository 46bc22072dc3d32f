"""Saving a running container to images, by CRIU, and letting it go on from them.

`<graphroot>/containers/<id>/checkpoint` holds the images: made under another name, there when they are complete.
`checkpointed` beside it tells when they were made, or used; it goes with the container's next ordinary start, for what
ran since has changed the files that the images know. Sources: podman-container-checkpoint(1), libpod.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pod import events, systemd
from pod.containers import launch, restart, runtimes, status, stop
from pod.containers.checkpoints.checkpointed import IMAGES, PREVIOUS, RECORD, images_path, record_of
from pod.containers.configuration import runtime_name
from pod.containers.inside.files import write_file
from pod.errors import PodError, StateError
from pod.lock import ContainerLock
from runtime import jsontext
from runtime.checkpoints import criu
from runtime.checkpoints.images import Settings
from storage import gc

if TYPE_CHECKING:
    from collections.abc import Callable

    from pod.config import Config
    from pod.containers.plan import Plan
    from pod.engine import Engine
    from pod.state import Container
    from runtime.monitor import spawn

_UNFINISHED = "checkpoint.new"
# Written by CRIU when it has all that a restore needs.
_INVENTORY = "inventory.img"
_DUMP_LOGS = ("dump.log", "stats-dump", "irmap-cache")
_RESTORE_LOGS = ("restore.log", "stats-restore")
_IMPROPER = "container state improper"
# images/stats.proto of CRIU: the numbers of the fields that podman tells.
_DUMP_STATISTICS = {
    "freezing_time": 1,
    "frozen_time": 2,
    "memdump_time": 3,
    "memwrite_time": 4,
    "pages_scanned": 5,
    "pages_written": 7,
}
_RESTORE_STATISTICS = {"forking_time": 3, "restore_time": 4, "pages_restored": 5}


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to save or to restore."""

    keep: bool = False  # CRIU's logs and statistics; of a restore also the images
    tcp_established: bool = False
    file_locks: bool = False
    leave_running: bool = False
    before: bool = False  # only the memory, for a later checkpoint with `after`
    after: bool = False


@dataclass
class Report:
    """How long it took, in microseconds, and what CRIU counted."""

    duration: int = 0
    statistics: dict[str, int] = field(default_factory=dict)


def check_supported(config: Config, what: str) -> None:
    """Raise PodError for an ordinary user, with podman's words."""
    if config.rootless:
        raise PodError(f"{what} a container requires root", hint="CRIU needs rights over the whole machine")


def checkpoint(
    engine: Engine, container: Container, options: Options, then: Callable[[str], None] | None = None
) -> Report:
    """Save a container; unless it is to run on, it has ended when this returns.

    `then` is called with the directory of the complete images, when the container has ended and before anything else
    can happen to it. What fails before that leaves the container as it was.
    """
    check_supported(engine.config, "checkpointing")
    with ContainerLock(engine.config, container.id):
        _check_checkpointable(engine.config, container, exports=then is not None)
        directory = engine.config.container_dir(container.id)
        report = _dump(engine, container, options, directory)
        if not options.before:
            write_file(f"{directory}/{RECORD}", jsontext.dumps({"checkpointed": time.time()}))
        if not (options.leave_running or options.before):
            stop.settle(engine.config, container.id)
        report.statistics = _statistics(f"{directory}/stats-dump", 1, _DUMP_STATISTICS)
        if not options.keep:
            _remove(directory, _DUMP_LOGS)
        if then is not None:
            then(f"{directory}/{PREVIOUS if options.before else IMAGES}")
    events.of_container(engine.config, container, "checkpoint")
    return report


def _check_checkpointable(config: Config, container: Container, *, exports: bool) -> None:
    seen = status.observe(config, container.id)
    if seen.state != "running" or not seen.pid:
        raise StateError(f'"{seen.state}" is not running, cannot checkpoint: {_IMPROPER}')
    if container.auto_remove and not exports:
        raise PodError("cannot checkpoint containers that have been started with '--rm' unless '--export' is used")
    _check_runtime(container)
    _check_network(container)


def _check_network(container: Container) -> None:
    """Raise PodError for a container whose devices lead to the host, which CRIU could save but not make anew."""
    if container.config["namespaces"]["network"] in ("bridge", "pasta"):
        raise PodError(
            "checkpointing a container that is connected to networks is not supported",
            hint="create it with --network none or host",
        )


def _check_runtime(container: Container) -> None:
    if container.config["runtime"]:
        name = runtime_name(container.config)
        raise PodError(
            f"configured runtime {name} does not support checkpoint/restore",
            hint="create the container without --runtime: pod's own runtime does",
        )


def _dump(engine: Engine, container: Container, options: Options, directory: str) -> Report:
    """Have CRIU write the images; they take the place of earlier ones when they are complete."""
    from runtime.checkpoints import checkpoint as runtime_checkpoint

    if options.after and not os.path.isdir(f"{directory}/{PREVIOUS}"):
        raise PodError(
            f"container {container.id} has no previous checkpoint",
            hint=f"make one first: pod container checkpoint --pre-checkpoint {container.name}",
        )
    gc.remove_tree(f"{directory}/{_UNFINISHED}")
    settings = _settings(f"{directory}/{_UNFINISHED}", directory, options)
    ends = not (options.leave_running or options.before)
    if ends:
        restart.mark_stopped(engine.config, container.id)
    began = time.monotonic()
    try:
        runtime_checkpoint.checkpoint(
            engine.config.runtime_root,
            container.id,
            settings,
            parent_path=f"../{PREVIOUS}" if options.after else "",
            pre_dump=options.before,
            leave_running=options.leave_running,
            keep_state=True,  # the monitor sees to it, as at any end
        )
    except BaseException:
        gc.remove_tree(settings.image_path)
        if ends:
            restart.unmark_stopped(engine.config, container.id)
        raise
    duration = int((time.monotonic() - began) * 1_000_000)
    target = f"{directory}/{PREVIOUS if options.before else IMAGES}"
    gc.remove_tree(target)
    os.rename(settings.image_path, target)
    if options.before and os.path.lexists(f"{directory}/{IMAGES}/parent"):
        gc.remove_tree(f"{directory}/{IMAGES}")  # it took a part of its memory from what is no more
    return Report(duration)


def _settings(images: str, work: str, options: Options) -> Settings:
    return Settings(
        program=criu.find(criu.PROGRAM, os.environ.get("PATH", "")),
        image_path=images,
        work_path=work,
        tcp_established=options.tcp_established,
        file_locks=options.file_locks,
    )


def restore(engine: Engine, container: Container, options: Options) -> Report:
    """Let a saved container go on, with a monitor, a log and an exit code as any other.

    Without `keep` its images are gone then. What fails leaves it as it was.

    Raises StateError if it runs, or was not saved, or not as a whole.
    """
    check_supported(engine.config, "restoring")
    _check_runtime(container)
    directory = engine.config.container_dir(container.id)
    images = images_path(engine.config, container.id)
    if status.observe(engine.config, container.id).state not in ("created", "exited"):
        raise StateError(f"container {container.id} is running or paused, cannot restore: {_IMPROPER}")
    if not record_of(engine.config, container.id) or not os.path.exists(f"{images}/{_INVENTORY}"):
        raise StateError(
            f"a complete checkpoint for this container cannot be found, cannot restore: {_IMPROPER}",
            hint=f"make one while it runs: pod container checkpoint {container.name}",
        )
    settings = _settings(images, directory, options)

    def prepare(plan: Plan) -> None:
        plan.runtime = _Restorer(engine.config, container, settings)

    began = time.monotonic()
    records = _read_records(directory)
    try:
        launched = launch.restore(engine, container, prepare)
    except StateError:
        raise  # another command was faster: the records are those of what it started
    except BaseException:
        for name, text in records.items():
            write_file(f"{directory}/{name}", text)
        raise
    launched.start()
    duration = int((time.monotonic() - began) * 1_000_000)
    write_file(f"{directory}/{RECORD}", jsontext.dumps({"restored": time.time()}))
    statistics = _statistics(f"{directory}/stats-restore", 2, _RESTORE_STATISTICS)
    if not options.keep:
        _remove(directory, (*_DUMP_LOGS, *_RESTORE_LOGS))
        gc.remove_tree(settings.image_path)
        gc.remove_tree(f"{directory}/{PREVIOUS}")
    launched.detach()
    events.of_container(engine.config, container, "restore")
    return Report(duration, statistics)


def _read_records(directory: str) -> dict[str, str]:
    """Return what tells how the container has ended, which an attempt to start it removes."""
    found = {}
    for name in ("started", "exit", RECORD):
        try:
            with open(f"{directory}/{name}", encoding="ascii") as file:
                found[name] = file.read()
        except FileNotFoundError:
            continue
    return found


class _Restorer:
    """In the place of the container's runtime: what its monitor calls to have the container made."""

    def __init__(self, config: Config, container: Container, settings: Settings) -> None:
        self._root = config.runtime_root
        self._bus = systemd.bus(config) if container.config["cgroups"] != "split" else ""
        self._settings = settings

    def create(
        self,
        container_id: str,
        bundle: str,
        spec: dict[str, Any],
        stdio: spawn.Stdio,
        preserve: tuple[int, ...] = (),
        secrets: dict[str, str] | None = None,
    ) -> spawn.Container:
        """Restore the container's processes, with all that they had; they run already when this returns."""
        from runtime import status as states
        from runtime.checkpoints import restore as runtime_restore
        from runtime.monitor import spawn

        _put_streams((stdio.stdin, stdio.stdout, stdio.stderr))
        try:
            made = runtime_restore.restore(
                self._root,
                container_id,
                bundle,
                spec,
                self._settings,
                systemd_bus=self._bus,
                use_cgroups=bool(spec["linux"].get("cgroupsPath")),
            )
        finally:
            null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
            _put_streams((null, null, null))
            os.close(null)
        state = states.load(self._root, container_id)
        return spawn.Container(
            pid=made.pid,
            start_time=state.start_time,
            start=None,
            console=made.console,
            cgroups=state.cgroups,
            state_dir=state.directory,
            deletion=runtimes.own_deletion(self._root, container_id, spec),
        )


def _put_streams(streams: tuple[int, int, int]) -> None:
    """Make these the standard streams of the monitor, which CRIU gives to the container."""
    for target, descriptor in enumerate(streams):
        if descriptor >= 0:
            os.dup2(descriptor, target)


def _statistics(path: str, kind: int, fields: dict[str, int]) -> dict[str, int]:
    """Return what CRIU counted: a file of two magic numbers, a size, and a message that has the counts in it."""
    try:
        with open(path, "rb") as file:
            content = file.read(1 << 16)
        inner = criu.decode(content[12 : 12 + int.from_bytes(content[8:12], "little")]).get(kind, b"")
        counts = criu.decode(inner) if isinstance(inner, bytes) else {}
    except (OSError, ValueError):
        return {}
    return {name: count for name, number in fields.items() if isinstance(count := counts.get(number), int) and count}


def _remove(directory: str, names: tuple[str, ...]) -> None:
    for name in names:
        try:
            os.unlink(f"{directory}/{name}")
        except FileNotFoundError:
            continue
