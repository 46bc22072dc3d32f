"""From the bytes of a blob to those of the tar in it: receive, verify, inflate, hash.

As they are taken; or, some pieces ahead, by a process of its own. A thread would not do: whoever writes the tree does
little but small system calls, and after each of them would wait for the interpreter's lock.
"""

from __future__ import annotations

import errno
import os
from hashlib import sha256, sha512

from storage import worker
from storage.compression import inflate, pieces
from storage.errors import CorruptError, NoSpaceError, StorageError
from storage.layers.ring import Ring

TYPE_CHECKING = False
if TYPE_CHECKING:
    import hashlib
    from collections.abc import Callable, Generator, Iterator
    from typing import Any

_NO_SPACE = frozenset((errno.ENOSPC, errno.EDQUOT))
# No real layer is inflated beyond both.
_BOMB_SIZE = 16 << 30
_BOMB_RATIO = 1000


class Producer:
    """Receives and inflates a piece whenever one is taken. When all are taken, the digests and sizes are known."""

    def __init__(
        self,
        chunks: Iterator[bytes],
        digest: str | None = None,
        size: int | None = None,
        progress: Callable[[int], None] | None = None,
        *,
        limit: int = 0,
        inflated: bool = False,
    ) -> None:
        self._chunks = chunks
        self._expected_digest, self._expected_size = digest, size
        self._progress = progress
        self._limit = limit
        self._inflate = pieces if inflated else inflate
        self._blob_hash = _hasher(digest)
        self._diff_hash = sha256()
        # What is not inflated need not be hashed twice.
        self._is_blob = inflated and self._blob_hash.name == "sha256"
        self.received = self.inflated = 0
        self._produced = self._produce()

    @property
    def blob_digest(self) -> str:
        """The digest of what was received."""
        return self.diff_id if self._is_blob else f"{self._blob_hash.name}:{self._blob_hash.hexdigest()}"

    @property
    def diff_id(self) -> str:
        """The digest of what it was inflated to."""
        return f"sha256:{self._diff_hash.hexdigest()}"

    def pieces(self) -> Iterator[bytes]:
        """Yield the inflated stream; CorruptError at its end if the blob is not the one that was promised."""
        for piece in self._produced:  # noqa: UP028 - who stops here goes on with `verify_rest`
            yield piece

    def verify_rest(self) -> None:
        """Receive the rest, and raise if the blob is not the one that was promised."""
        for _ in self.pieces():
            pass

    def stop(self) -> None:
        """End, wherever it is."""
        self._produced.close()

    def _produce(self) -> Generator[bytes]:
        source = self._received()
        try:
            for piece in self._inflate(source):
                self._diff_hash.update(piece)
                self.inflated += len(piece)
                self._check_size()
                yield piece
            for _ in source:
                pass
        except CorruptError:
            # If the blob is not the one that was promised, that is the cause to tell.
            for _ in source:
                pass
            self._verify()
            raise
        self._verify()

    def _check_size(self) -> None:
        if self.inflated > (self._limit or most_of(self._expected_size or self.received)):
            raise StorageError(
                f"unpack layer: {self.received} bytes inflate to more than {self._limit or self.inflated}",
                hint="if it is no attack, set pod_max_layer_size in storage.conf, or --storage-opt, to more",
            )

    def _received(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            if not self._is_blob:
                self._blob_hash.update(chunk)
            self.received += len(chunk)
            if self._expected_size is not None and self.received > self._expected_size:
                break
            if self._progress is not None:
                self._progress(self.received)
            yield chunk

    def _verify(self) -> None:
        name = f"blob {self._expected_digest}" if self._expected_digest else "blob"
        if self._expected_size is not None and self.received != self._expected_size:
            more = "more than " if self.received > self._expected_size else ""
            received = min(self.received, self._expected_size) if more else self.received
            raise CorruptError(f"{name}: received {more}{received} of {self._expected_size} bytes")
        if self._expected_digest is not None and self.blob_digest != self._expected_digest:
            raise CorruptError(f"{name}: received other bytes, of digest {self.blob_digest}")


class Ahead:
    """The same, by a process of its own that is up to `slots` pieces ahead and dies with this one."""

    def __init__(self, producer: Producer, slots: int, staging: str) -> None:
        self.blob_digest = self.diff_id = ""
        self.received = self.inflated = 0
        self._ended = False
        self._ring = Ring(slots)

        def work(_progress: Callable[[int], None]) -> dict[str, Any]:
            try:
                self._ring.send(producer.pieces())
            except OSError as error:
                raise failure(error, staging) from error
            names = ("blob_digest", "diff_id", "received", "inflated")
            return {name: getattr(producer, name) for name in names}

        try:
            self._worker = worker.fork(worker.Worker, work, "unpack layer")
        except BaseException:
            self._ring.close()
            raise

    def pieces(self) -> Iterator[bytes]:
        """Yield the inflated stream; as `Producer.pieces`."""
        if self._ended:
            return
        for piece in self._ring.receive():  # noqa: UP028 - as above
            yield piece
        self._ended = True
        vars(self).update(self._worker.values())

    def verify_rest(self) -> None:
        """Receive the rest, and raise if the blob is not the one that was promised."""
        for _ in self.pieces():
            pass

    def stop(self) -> None:
        """End the process, wherever it is."""
        self._worker.kill()
        self._ring.close()


def most_of(blob_size: int) -> int:
    """Give what a blob of this size may be inflated to, unless something else is said."""
    return max(_BOMB_SIZE, _BOMB_RATIO * blob_size)


def failure(error: OSError, staging: str) -> StorageError:
    """Tell what went wrong, for whoever wants the layer."""
    if error.errno in _NO_SPACE:
        return NoSpaceError(f"unpack layer in `{staging}`: {os.strerror(error.errno or 0).lower()}")
    return StorageError(f"unpack layer in `{staging}`: {error.strerror}")


def _hasher(digest: str | None) -> hashlib._Hash:
    algorithm = digest.partition(":")[0] if digest else "sha256"
    if algorithm == "sha256":
        return sha256()
    if algorithm == "sha512":
        return sha512()
    raise CorruptError(f"blob {digest}: unknown digest algorithm")
