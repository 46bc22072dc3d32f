"""One blob on its way in: the lock that lets processes share the work, and what is kept of a slow download.

The lock is on the file ingest/<hex> and goes with the process that holds it, whatever way it ends. On a connection so
slow that its bytes are worth a disk's time they are written there as they pass, and the next process goes on where this
one was cut off. On a fast one nothing is kept: to fetch it again is cheaper than to write everything twice.
"""

from __future__ import annotations

import fcntl
import os
import time

from storage import reserve
from storage.gc import WORTHWHILE
from storage.store import Store, is_at, translated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CHUNK = 256 << 10
# After this many bytes the speed is judged.
_SAMPLE = 8 << 20
_FAST_BYTES_PER_SECOND = 32 << 20


class Ingest:
    """The lock on a blob, held from `claim` to `done` or `abandon`; a forked worker reads `chunks` meanwhile."""

    __slots__ = ("_fd", "_path")

    def __init__(self, path: str, fd: int) -> None:
        self._path = path
        self._fd = fd

    @property
    def kept(self) -> int:
        """How many bytes of the blob are there already."""
        return os.fstat(self._fd).st_size

    def chunks(self, fetch: Callable[[int], Iterator[bytes]], size: int) -> Iterator[bytes]:
        """Yield the blob: what was kept, then what `fetch` gives from that offset on."""
        kept = self.kept
        if kept > size:
            os.ftruncate(self._fd, 0)
            kept = 0
        offset = 0
        while offset < kept:
            chunk = os.pread(self._fd, min(_CHUNK, kept - offset), offset)
            if not chunk:
                break
            offset += len(chunk)
            yield chunk
        if offset < size or not size:
            yield from self._keeping(fetch(offset), offset)

    def _keeping(self, chunks: Iterator[bytes], offset: int) -> Iterator[bytes]:
        """Pass chunks on and write them to the file, unless they come so fast that it would be a waste."""
        waited, start, keeping = 0.0, offset, True
        while True:
            before = time.perf_counter()
            chunk = next(chunks, None)
            waited += time.perf_counter() - before
            if chunk is None:
                return
            if keeping:
                keeping = self._write(chunk, offset)
                offset += len(chunk)
                if offset - start >= _SAMPLE and offset - start > waited * _FAST_BYTES_PER_SECOND:
                    keeping = False
                if not keeping:
                    os.ftruncate(self._fd, 0)
            yield chunk

    def _write(self, chunk: bytes, offset: int) -> bool:
        """Write at the offset; False if the disk is full, which the layer itself will find out."""
        try:
            return os.pwrite(self._fd, chunk, offset) == len(chunk)
        except OSError:
            return False

    def restart(self) -> None:
        """Forget what was kept: it turned out to be wrong."""
        os.ftruncate(self._fd, 0)

    def done(self) -> None:
        """End: nothing of the blob is needed any more."""
        os.unlink(self._path)
        self._free()

    def abandon(self) -> None:
        """End without the blob: keep what is worth it for the next process."""
        if self.kept < WORTHWHILE or reserve.is_full(self._fd):
            os.unlink(self._path)
        self._free()

    def _free(self) -> None:
        # Explicitly: a worker that is about to die may still have the file open.
        fcntl.flock(self._fd, fcntl.LOCK_UN)
        os.close(self._fd)


def claim(store: Store, digest: str) -> Ingest | None:
    """Take the lock on a blob without waiting; None if another process is fetching it."""
    path = store.ingest_path(digest)
    while True:
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise translated(error, f"create {path}") from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        if is_at(path, fd):
            return Ingest(path, fd)
        os.close(fd)  # Its holder has just unlinked it.
