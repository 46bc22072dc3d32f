"""One lock per container, and one per pod, released by the kernel with the process that holds it."""

from __future__ import annotations

import fcntl
import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.config import Config


def take(path: str, operation: int = fcntl.LOCK_EX) -> int:
    """Lock a file by flock(2), made if it is missing; return the descriptor that holds the lock.

    The file may be unlinked by whoever holds it, so whoever waited for it looks whether it is still the one. Raises
    FileNotFoundError without its directory, BlockingIOError as flock does.
    """
    from storage.store import is_at

    while True:
        descriptor = posix.open(path, posix.O_RDWR | posix.O_CREAT | posix.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, operation)
        except BaseException:
            posix.close(descriptor)
            raise
        if is_at(path, descriptor):
            return descriptor
        posix.close(descriptor)


class ContainerLock:
    """Held while a container is started or removed, and unlinked at the end; a context manager."""

    __slots__ = ("_descriptor", "_operation", "_path")

    def __init__(self, config: Config, container_id: str, *, wait: bool = True) -> None:
        """Name the lock; without `wait`, entering raises BlockingIOError while another process holds it."""
        self._path = f"{config.runroot}/containers/{container_id}.lock"
        self._operation = fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB
        self._descriptor = -1

    def fileno(self) -> int:
        """Return the descriptor that holds the lock."""
        return self._descriptor

    def __enter__(self) -> ContainerLock:
        self._descriptor = take(self._path, self._operation)
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            posix.unlink(self._path)
        except FileNotFoundError:
            pass  # somebody emptied the runroot
        posix.close(self._descriptor)


class PodLock(ContainerLock):
    """Held while a pod is started as a whole; taken before the locks of its containers."""

    __slots__ = ()

    def __init__(self, config: Config, pod_id: str, *, wait: bool = True) -> None:
        """Name the lock; without `wait`, entering raises BlockingIOError while another process holds it."""
        super().__init__(config, pod_id, wait=wait)
        self._path = f"{config.runroot}/pods/{pod_id}.lock"

    def __enter__(self) -> PodLock:
        try:
            posix.mkdir(self._path.rpartition("/")[0], 0o700)
        except FileExistsError:
            pass
        super().__enter__()
        return self
