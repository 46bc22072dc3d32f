"""The files of an image into a directory or a tar of the user's: `build --output`.

They are read through an overlay that only the process which writes them mounts, by descriptors on both sides. A tar and
a new directory appear whole or not at all; in a directory that is there already each file does.

An ordinary user gets files of his own without what would give rights to whoever executes them, as from buildah.
"""

from __future__ import annotations

import errno
import os
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pod.build.steps.snapshots import seen
from pod.containers.copying.tree import ENDING, Copier, Policy
from pod.containers.rootfs.overlay import enter_mount_namespace, mount_overlay
from storage import worker
from storage.layers.write import FileTimes, WriteOptions, tar_of
from storage.store import translated
from storage.transports.outputs import StreamOutput, file_output
from storage.trees import remove_tree
from storage.unfinished import Unfinished

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from pod.build.asked.outputs import Output
    from pod.build.asked.times import Times
    from pod.engine import Engine
    from storage.interrupts import Interrupts
    from storage.store import Store
    from storage.transports.outputs import Output as Sink


class _Target(Protocol):
    """Where the files go; `write` is called in a process of its own, the rest is not."""

    def write(self, root: int) -> None:
        """Write what is in a directory."""

    def finish(self) -> None:
        """Make visible what was written."""

    def discard(self) -> None:
        """Take back what was not finished."""


def export(
    engine: Engine, keys: Sequence[str], outputs: Sequence[Output], times: Times, interrupts: Interrupts
) -> None:
    """Write the files of layers, from the bottom up, to each output: to all of them, or to none that can be taken back.

    Raises StorageError, InterruptedByError.
    """
    with ExitStack() as stack:
        targets = []
        for output in outputs:
            if output.kind == "oci":
                continue  # The image's, once it is there (archiving.py).
            targets.append(_target(engine, output, times, interrupts))
            stack.callback(targets[-1].discard)
            with engine.store.staging() as mounted:
                _written(engine, keys, mounted.path, targets[-1], interrupts)
        for target in targets:
            target.finish()


def _written(engine: Engine, keys: Sequence[str], mounted: str, target: _Target, interrupts: Interrupts) -> None:
    overlay = seen(engine, keys, mounted)

    def run(_report: Callable[[int], None]) -> dict[str, Any]:
        enter_mount_namespace()
        mount_overlay(overlay)
        target.write(os.open(overlay.target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        return {}

    work = worker.fork(worker.Worker, run, "exporting build output", ending=ENDING)
    try:
        with interrupts.waiting():
            work.values()
    finally:
        work.kill()


def _target(engine: Engine, output: Output, times: Times, interrupts: Interrupts) -> _Target:
    rootless = engine.config.rootless
    if output.kind == "tar":
        exact = FileTimes(times.made, exact=True) if times.made is not None else None
        with interrupts.waiting():  # for whoever reads a fifo
            sink = StreamOutput(1, "stdout") if output.to_stdout else file_output(output.dest, engine.store)
        return _Tar(sink, WriteOptions(times=exact, stripped=rootless))
    own = (os.geteuid(), os.getegid())
    policy = Policy(
        (lambda uid, gid: own) if rootless else (lambda uid, gid: (uid, gid)),
        to_host=rootless,
        stripped=rootless,
        overwrite=True,
        merged=True,
        time=times.made,
    )
    return _Directory(output.dest, policy, engine.store)


@dataclass(frozen=True)
class _Tar:
    output: Sink
    options: WriteOptions

    def write(self, root: int) -> None:
        for piece in tar_of(root, self.options):
            self.output.write(piece)

    def finish(self) -> None:
        self.output.finish()

    def discard(self) -> None:
        self.output.discard()


class _Directory:
    """One that is there gets the files; a new one is made beside its place, and moved there at the end."""

    def __init__(self, path: str, policy: Policy, store: Store) -> None:
        self._path = os.path.realpath(path)
        self._policy = policy
        self._unfinished: Unfinished | None = None
        with ExitStack() as stack:
            stack.callback(self.discard)
            try:
                self._fd = self._open(store)
            except OSError as error:
                raise translated(error, f'failed while creating the destination path "{self._path}"') from error
            stack.pop_all()

    def _open(self, store: Store) -> int:
        self._fd = -1
        work = self._path
        if not os.path.lexists(work):
            parent, name = os.path.split(work)
            _make_directories(parent)
            self._unfinished = Unfinished(parent, name, store)
            work = self._unfinished.path
            os.mkdir(work, 0o700)
        return os.open(work, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def write(self, root: int) -> None:
        try:
            Copier(self._policy, self._fd).copy_contents(root)
        except OSError as error:
            raise translated(error, f"write files to {self._path}") from error

    def finish(self) -> None:
        if self._unfinished is not None:
            try:
                os.rename(self._unfinished.path, self._path)
            except OSError as error:
                raise translated(error, f'failed while creating the destination path "{self._path}"') from error

    def discard(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if self._unfinished is not None:
            remove_tree(self._unfinished.path)
            self._unfinished.forget()
            self._unfinished = None


def _make_directories(path: str) -> None:
    """Make a directory and those above it that are missing, for their owner alone."""
    missing = []
    while not os.path.lexists(path):
        missing.append(path)
        path = os.path.dirname(path)
    if not os.path.isdir(path):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
    for one in reversed(missing):
        os.mkdir(one, 0o700)
