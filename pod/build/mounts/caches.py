"""RUN --mount=type=cache: directories that outlive a step, and which of them a step has to itself.

A lock is held by a process of its own, for this one must not wait. A step takes all its locks at once, sorted, when it
waits for nothing else any more, and none if its result is known: so no two steps wait for each other.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

from pod.build.mounts import kept
from pod.build.steps.own_users import HOST, Ids
from pod.build.steps.snapshots import base
from pod.errors import PodError
from runtime.mounting.copyup import copy_tree
from storage import worker

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from pod.build.language.instructions import Mount
    from pod.engine import Engine
    from storage.store import Staging, Store


_SETTABLE = ("mode", "uid", "gid")


@dataclass
class Cache:
    """One cache; a private one gets its number, and with that its path, when it is taken."""

    path: str
    mount: Mount
    store: Store
    staging: Staging | None = None  # where it is filled, so that half a one is never left
    ids: Ids = HOST  # by which its files have the owners outside of the step's user namespace

    def make(self) -> None:
        """Make the directory if it is missing; one that begins with files is for `fill` to make."""
        if not self.mount.from_ and not os.path.isdir(self.path):
            os.makedirs(self.path, exist_ok=True)
            os.chown(self.path, *self.ids.of(self.mount.uid or 0, self.mount.gid or 0))
            os.chmod(self.path, 0o755 if self.mount.mode is None else self.mount.mode)

    def fill(self, content: int) -> None:
        """Make the directory with what is in another, which gets closed; that of who was faster stays."""
        assert self.staging is not None
        mount, new = self.mount, f"{self.staging.path}/cache"
        os.mkdir(new, 0o700)
        target = os.open(new, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        copy_tree(content, target, frozenset(name for name in _SETTABLE if getattr(mount, name) is not None))
        os.chown(new, -1 if mount.uid is None else mount.uid, -1 if mount.gid is None else mount.gid)
        if mount.mode is not None:
            os.chmod(new, mount.mode)
        os.close(target)
        os.close(content)
        if self.ids:
            self.ids.move_in(new)
        try:
            os.rename(new, self.path)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise


@dataclass
class Caches:
    """The caches of a step."""

    _all: list[Cache] = field(default_factory=list)
    _holders: list[worker.Worker] = field(default_factory=list)

    def add(self, engine: Engine, mount: Mount, target: str) -> Cache:
        """Add one that is to be mounted at a place. Raises PodError for what makes no sense."""
        if mount.source and not mount.from_:
            raise PodError("a cache mount with a source requires from", hint="write from=STAGE, or leave out source")
        base(engine)  # which makes what this is in
        directory = kept.directory(engine)
        os.makedirs(directory, 0o700, exist_ok=True)
        os.utime(directory)
        name = sha256(os.fsencode(mount.id or target)).hexdigest()[:32]
        self._all.append(Cache(f"{directory}/{name}", mount, engine.store))
        return self._all[-1]

    def show_to(self, ids: Ids) -> None:
        """Let a step of other users have caches of its own, where the kernel does not map their owners."""
        if not ids or ids.can_map:
            return
        for cache in self._all:
            cache.path, cache.ids = f"{cache.path}-{ids.name}", ids

    def take(self) -> Generator[int, None, None]:
        """Make the caches this step's until `release`, however long that takes."""
        locked = sorted({cache.path for cache in self._all if cache.mount.sharing == "locked"})
        if locked:
            yield from self._hold(lambda: sum(_lock(f"{path}.lock") for path in locked), [])
        for cache in self._all:
            if cache.mount.sharing == "private":
                numbers: list[int] = []
                yield from self._hold(lambda path=cache.path: _first_free(path), numbers)  # type: ignore[misc]
                cache.path = f"{cache.path}.{numbers[0]}"
            cache.make()
            if not os.path.isdir(cache.path):
                cache.staging = cache.store.staging()

    def release(self) -> None:
        """Let go of what was taken."""
        for holder in self._holders:
            holder.kill()
        self._holders.clear()
        for cache in self._all:
            if cache.staging is not None:
                cache.staging.discard()
                cache.staging = None

    def _hold(self, take: Callable[[], int], told: list[int]) -> Generator[int, None, None]:
        """Start a process that takes locks and keeps them; wait until it has them, and append what it tells."""

        def run(report: Callable[[int], None]) -> dict[str, Any]:
            report(take())
            while True:
                signal.pause()

        holder = worker.fork(worker.Worker, run, "lock cache", told.append)
        self._holders.append(holder)
        yield holder.fileno()
        if holder.advance():
            holder.values()  # which says what went wrong


def _lock(path: str, *, wait: bool = True) -> bool:
    """Lock a file for as long as this process lives; False if it is another's."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(descriptor)
        return False
    return True


def _first_free(path: str) -> int:
    """Take the first of the caches of a name that nobody uses; return its number."""
    number = 0
    while not _lock(f"{path}.{number}.lock", wait=False):
        number += 1
    return number
