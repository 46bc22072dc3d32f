"""RUN: a container of our own runtime over the snapshot of the step.

It has a row as any `run --rm` has, so that its addresses, control groups and files are swept if the build is killed;
its monitor ends it then. No event tells of it.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from pod import names, state
from pod.build.mounts import made
from pod.build.stages.scheduling import settled
from pod.build.steps import own_users
from pod.build.steps.snapshots import make_stubs
from pod.containers import create, launch, remove
from pod.containers.namespaces import id_ranges, userns
from pod.containers.plan import Plan
from pod.containers.rootfs import shifted
from pod.containers.spec import mounts as spec_mounts
from pod.lock import ContainerLock
from runtime import jsontext, process
from storage import database, platform, reserve
from storage.errors import NoSpaceError
from storage.store import boot_id

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from pod.build.mounts.gathering import Mounts
    from pod.build.stages.evaluation import State
    from pod.build.stages.scheduling import Needs
    from pod.build.steps.snapshots import Snapshot
    from pod.containers.create import CreateOptions
    from pod.containers.rootfs import overlay as rootfs
    from pod.engine import Engine
    from pod.state import Container
    from runtime.monitor import spawn
    from runtime.monitor.spawn import MonitorLink

_PACKET = 1 << 18
_STDERR = 3


def run(
    engine: Engine,
    snapshot: Snapshot,
    options: CreateOptions,
    mounts: Mounts,
    below: State,
    output: Callable[[int, bytes], None],
    warn: Callable[[str], None],
    left: list[Container],
) -> Generator[int | Needs, None, int]:
    """Run a program over a snapshot to its end and return its exit code; yields descriptors to wait for.

    `below` is what the step stands on; the places of its VOLUMEs are made if they are missing, as podman does.
    `output` gets the number of a stream and what came from it, `warn` what is not as it was perhaps meant. Whatever
    ends this early ends the program; nothing of it is left either way, but on a full disk: then the container is
    appended to `left`, for when there is space. Raises OCIRuntimeError for what cannot be run.
    """
    own_users.sized(options, snapshot.layers)
    container = _insert(engine, options)
    for warning in options.warnings:
        warn(warning.removeprefix("WARNING: "))
    try:
        ids = own_users.settled(engine, container.config["id_map"])
        mounts.show_to(ids)
        yield from mounts.caches.take()
        if ids and os.listdir(snapshot.changes):
            yield from settled(own_users.fork(ids.move_in, snapshot.changes))

        def make_plan(engine: Engine, container: Container, preserve: tuple[int, ...]) -> Plan:
            return _StepPlan(engine, container, preserve, snapshot, mounts, below)

        link = launch.launch(engine, container, make_plan=make_plan).link
        try:
            link.start()
            yield from _output(link, output)
            code = link.wait()
        finally:
            if link.attach_fd >= 0:
                link.close()
        if ids and not code:
            yield from settled(own_users.fork(ids.move_out, snapshot.changes))
        if not code and (paths := made.noted(engine.config.container_dir(container.id))):
            yield from made.removal(snapshot, paths)
        return code
    finally:
        try:
            discard(engine, container)
        except NoSpaceError:
            left.append(container)


def _output(link: MonitorLink, output: Callable[[int, bytes], None]) -> Generator[int, None, None]:
    """Pass on what the program says, until its end."""
    os.set_blocking(link.attach_fd, False)
    while True:
        yield link.attach_fd
        try:
            packet = os.read(link.attach_fd, _PACKET)
        except BlockingIOError:
            continue
        except ConnectionResetError:
            continue  # the monitor has gone; what it wrote before is still there to be read
        if not packet:
            return
        output(2 if packet[0] == _STDERR else 1, packet[1:])


def _insert(engine: Engine, options: CreateOptions) -> Container:
    """Insert the row of a step's container, with its addresses."""
    container_id = names.new_id()
    options.auto_remove = True
    config = create.configure(engine, options, container_id)
    creator = f"{os.getpid()} {process.start_time(os.getpid())} {boot_id()}"
    name = f"{state.BUILD}{container_id[:12]}"
    with database.transaction(engine.connection):
        if options.auto_ids is not None:
            userns.choose(engine.connection, options.auto_ids, config)  # type: ignore[arg-type]
        container = state.Container((container_id, name, "", time.time(), 1, creator, jsontext.dumps(config)))
        volumes = [mount["source"] for mount in config["mounts"] if mount["type"] == "volume"]
        state.insert_container(engine.connection, container, volumes)
        if config["id_map"] is not None:
            id_ranges.record(engine.connection, container)
        if config["namespaces"]["network"] == "bridge":
            from pod.networks import leases

            leases.attach(engine, container.id, options.networks)
    container.name = options.hostname or container_id[:12]  # for its /etc/hosts
    return container


def discard(engine: Engine, container: Container) -> None:
    """Remove the container of a step. Raises NoSpaceError where the disk is full even for that."""
    with ContainerLock(engine.config, container.id):
        reserve.removing(engine.store, lambda: remove.forget_rows(engine, container, volumes=True))
        remove.delete_files(engine, container.id)


class _StepPlan(Plan):
    """A container whose root file system is a snapshot."""

    def __init__(
        self,
        engine: Engine,
        container: Container,
        preserve: tuple[int, ...],
        snapshot: Snapshot,
        mounts: Mounts,
        below: State,
    ) -> None:
        self._snapshot = snapshot
        self._mounts = mounts
        self._volumes = tuple(below.config.get("Volumes") or ())
        self._annotations = below.annotations
        super().__init__(engine, container, preserve)
        names, process = tuple(f"{name}=" for name in mounts.env), self.spec["process"]
        process["env"] = [item for item in process["env"] if not item.startswith(names)]
        self.secret_variables = mounts.env

    def _seen_by_hooks(self) -> tuple[Mapping[str, str], bool]:
        return self._annotations, bool(self.config["mounts"] or self._mounts.attached or self._volumes)

    def _overlay(self) -> rootfs.Overlay:
        if self._mounts.ids:
            return self._shifted_overlay()
        below = [self._stubs] if self._mounts.attached else []
        for directory in below:
            os.mkdir(directory, 0o755)
        return self._snapshot.overlay(self.surroundings.rootfs, stubs=True, below=below)

    def _shifted_overlay(self) -> rootfs.Overlay:
        """Return the overlay as users of the step's own namespace see it; what is below is made theirs in `_mount`."""
        mappings = self._mounts.ids.mappings
        if self.config["runtime"] and not self.engine.config.rootless:
            shifted.let_in(self.directory, self._mounts.ids.of(0, 0)[1])
        make_stubs(self._stubs)
        layers = shifted.layers(self.engine, self._snapshot.layers, mappings)
        return self._snapshot.overlay(self.surroundings.rootfs, below=[self._stubs], layers=layers)

    @property
    def _stubs(self) -> str:
        return f"{self.directory}/stubs"

    def monitor_config(self) -> spawn.MonitorConfig:
        """Return what the monitor is told: to end with this command, and to tell of nothing."""
        config = super().monitor_config()
        config.events = type(config.events)("", 0, "", "")
        config.settings["ends_with_command"] = True
        stdin = self._mounts.stdin
        kept = (*self._mounts.keep_fds, *self._mounts.mapped_fds, *([stdin] if stdin >= 0 else ()))
        config.keep_fds = (*config.keep_fds, *kept)
        return config

    def create(self, stdio: spawn.Stdio) -> spawn.Container:
        """Make the container's process; runs in the monitor."""
        if self._mounts.stdin >= 0:
            os.dup2(self._mounts.stdin, stdio.stdin, inheritable=False)
        return super().create(stdio)

    def _mount(self) -> None:
        # What is mounted on must be there before the overlay that it is below of.
        self._mounts.attach(f"{self.directory}/mounts", self._stubs, self.spec)
        ids = self._mounts.ids
        if ids:
            ids.move_in(self._stubs)
        super()._mount()
        for path in self._volumes:
            make_directories(self.surroundings.rootfs, path, *ids.of(0, 0))
        if self._mounts.attached or self.config["mounts"]:
            targets = [mount["destination"] for mount in spec_mounts.beside_system(self.spec["mounts"])]
            made.note(self.directory, self.surroundings.rootfs, targets)


def make_directories(root: str, path: str, uid: int, gid: int) -> None:
    """Make a directory that is missing, a user's, without leaving the root file system."""
    from pod.containers.inside.users import User
    from pod.containers.rootfs.overlay import make_workdir

    descriptor = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        make_workdir(descriptor, path, User(uid, gid, [], "/", is_listed=True))
    finally:
        os.close(descriptor)


def settle(
    options: CreateOptions, words: Sequence[str], env: Mapping[str, str], *, user: str, workdir: str, network: str
) -> None:
    """Let what the container of a step is to be say what the step itself settles."""
    options.command, options.entrypoint = list(words), []
    options.env = dict(env)
    options.user, options.workdir = user, workdir
    options.log_driver = "none"
    # What a step writes to /etc/passwd is for the image: no file of ours is mounted there. As with all other builders.
    options.identity |= {"passwd": False, "unset_env": ["container"]}
    if options.network is None or network in ("none", "host"):
        options.network = None
        options.namespaces["network"] = network
    elif network:
        options.network.words = [network]


def foreign(state: State) -> str:
    """Return what lets this machine run the programs of an image that is for another; empty for one of its own."""
    found, here = state.platform.get("architecture"), platform.host()
    if found in (None, here.architecture):
        return ""
    return (
        f"the image is for {state.platform.get('os')}/{found}, this machine is {here}:"
        " the packages qemu-user-static and binfmt-support let it run such programs"
    )
