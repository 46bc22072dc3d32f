"""One lock per container, and one per pod, released by the kernel with the process that holds it."""

from __future__ import annotations

import fcntl
import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.config import Config


class ContainerLock:
    """Held while a container is started or removed; a context manager.

    The file is unlinked by whoever holds it at the end, so whoever waited for it looks whether it is still the one.
    """

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
        while True:
            self._descriptor = posix.open(self._path, posix.O_RDWR | posix.O_CREAT | posix.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(self._descriptor, self._operation)
            except BaseException:
                posix.close(self._descriptor)
                raise
            try:
                named, held = posix.stat(self._path), posix.fstat(self._descriptor)
                if (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino):
                    return self
            except FileNotFoundError:
                pass
            posix.close(self._descriptor)

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
