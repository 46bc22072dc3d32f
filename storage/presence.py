"""That somebody is in the store: whoever may write to it is there with others, and who takes it away is there alone.

The lock is a flock on the directory `layers`, for which nothing is to be made in a store that is about to go. On the
run path.
"""

from __future__ import annotations

import fcntl
import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import stat_result


class Presence:
    """Taken by making it, until it is closed or the process ends; forked children that keep its descriptor count."""

    __slots__ = ("_fd", "_path")

    def __init__(self, root: str) -> None:
        """Wait until nobody is about to take the store away. Raises FileNotFoundError if there is none (any more)."""
        self._path = f"{root}/layers"
        while True:
            self._fd = posix.open(self._path, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC)
            fcntl.flock(self._fd, fcntl.LOCK_SH)
            if not self.is_over():
                return
            self.close()

    def is_over(self) -> bool:
        """Tell whether the store was taken away, be it that there is a new one."""
        try:
            return _identity(posix.stat(self._path)) != _identity(posix.fstat(self._fd))
        except FileNotFoundError:
            return True

    def be_alone(self) -> bool:
        """Keep everybody else out from now on; if somebody is here, this leaves, so that another one may be alone."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(self._fd, fcntl.LOCK_UN)
            return False
        return True

    def be_together(self) -> None:
        """Let others in; for who has left, come back. The store may be over then."""
        fcntl.flock(self._fd, fcntl.LOCK_SH)

    def others(self) -> list[int]:
        """Return the processes that are here, as far as this one may know."""
        inode = f":{posix.fstat(self._fd).st_ino}"
        with open("/proc/locks", encoding="ascii") as file:
            rows = [line.split() for line in file]
        found = {int(row[4]) for row in rows if row[1] == "FLOCK" and row[5].endswith(inode)}
        return sorted(found - {0, posix.getpid()})

    def close(self) -> None:
        """Leave."""
        posix.close(self._fd)


def _identity(status: stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
