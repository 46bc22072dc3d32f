"""From the bytes of a blob to a layer: receive, verify, inflate, apply, log.

A thread receives, hashes and inflates, in pieces large enough that the interpreter's lock is free most
of the time; the calling thread writes the tree.
"""

from __future__ import annotations

import errno
import os
import queue
import threading
import time
from dataclasses import dataclass, replace
from hashlib import sha256, sha512

from storage.compression import inflate, pieces
from storage.errors import CorruptError, NoSpaceError, StorageError
from storage.layers import displaced, headerlog, landlock
from storage.layers.apply import Applier
from storage.layers.complete import complete
from storage.layers.stream import Stream
from storage.layers.tar import Reader
from storage.trees import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    import hashlib
    from collections.abc import Callable, Generator, Iterator

    from storage.layers.donors import Donors
    from storage.layers.erofs.keeping import Keeping

_CHUNK = 1 << 20
_QUEUE = 4
_NO_SPACE = frozenset((errno.ENOSPC, errno.EDQUOT))
# No real layer is inflated beyond both.
_BOMB_SIZE = 16 << 30
_BOMB_RATIO = 1000


@dataclass(frozen=True, kw_only=True)
class UnpackOptions:
    """How to apply a layer."""

    # In a user namespace: `user.overlay.*` attributes, no devices.
    rootless: bool = False
    # With a single ID mapped: files of other owners become the user's.
    ignore_chown_errors: bool = False
    # The diff directories of the layers below, top first: for hard links into them and for directories without entry.
    lowers: tuple[str, ...] = ()
    # Leave hard links into lower layers to `complete`, instead of failing.
    defer_links: bool = False
    # Let the worker write in these directories too, besides the staging directory.
    writable: tuple[str, ...] = ()
    # What it may inflate to, in bytes; 0: what no real layer exceeds.
    limit: int = 0
    # What comes is the tar itself, not to be inflated whatever its first name looks like.
    inflated: bool = False
    # The tar is no layer: names that begin with `.wh.` are names as all others.
    plain: bool = False
    # Keep the tar, with an index, instead of unpacking it; unless it has something that no index can tell.
    keep: bool = False
    # Files of other layers that come again in this one; whoever yields the chunks offers them.
    donors: Donors | None = None


@dataclass(frozen=True, kw_only=True)
class LayerResult:
    """A layer that was unpacked and verified."""

    diff_id: str
    blob_digest: str
    blob_size: int
    size: int
    entries: int
    # Directories of which the tar had no entry; see `complete`.
    implied: tuple[str, ...] = ()
    # Hard links (path, target) whose targets are in lower layers; see `complete`.
    pending_links: tuple[tuple[str, str], ...] = ()
    # What the file system could not hold, for the user to know.
    notes: tuple[str, ...] = ()


class _Producer:
    """Receives and inflates in a thread of its own, a bounded number of pieces ahead.

    What is not inflated comes from files that are opened one by one: with two threads that do little but small system
    calls, each waits for the interpreter's lock after every one of them. So it is read as it is taken.
    """

    def __init__(
        self,
        chunks: Iterator[bytes],
        digest: str | None,
        size: int | None,
        progress: Callable[[int], None],
        options: UnpackOptions,
    ) -> None:
        self._chunks = chunks
        self._expected_digest, self._expected_size = digest, size
        self._progress = progress
        self._limit = options.limit
        self._inflate = pieces if options.inflated else inflate
        self._queue: queue.Queue[bytes | BaseException | None] = queue.Queue(_QUEUE)
        self._stopped = self._ended = False
        self._blob_hash = _hasher(digest)
        self._diff_hash = sha256()
        # What is not inflated need not be hashed twice.
        self._is_blob = options.inflated and self._blob_hash.name == "sha256"
        self.received = self.inflated = 0
        self._produced = self._produce()
        self._thread: threading.Thread | None = None
        if not options.inflated:
            self._thread = threading.Thread(target=self._run, name="inflate", daemon=True)
            self._thread.start()

    @property
    def blob_digest(self) -> str:
        return self.diff_id if self._is_blob else f"{self._blob_hash.name}:{self._blob_hash.hexdigest()}"

    @property
    def diff_id(self) -> str:
        return f"sha256:{self._diff_hash.hexdigest()}"

    def pieces(self) -> Iterator[bytes]:
        """Yield the inflated stream, for the other thread."""
        if self._thread is None:
            for piece in self._produced:  # noqa: UP028 - who stops here goes on with `verify_rest`
                yield piece
            return
        while not self._ended:
            item = self._queue.get()
            if isinstance(item, bytes):
                yield item
                continue
            self._ended = True
            if item is not None:
                raise item

    def verify_rest(self) -> None:
        """Receive the rest, and raise if the blob is not the one that was promised."""
        for _ in self.pieces():
            pass

    def stop(self) -> None:
        """Have the thread end soon; one that waits for the network is left to itself after a second."""
        self._stopped = True
        if self._thread is None:
            self._produced.close()
            return
        if self._ended:
            self._thread.join()
        deadline = time.monotonic() + 1
        while self._thread.is_alive() and time.monotonic() < deadline:
            try:
                self._queue.get(timeout=0.01)
            except queue.Empty:
                pass

    def _run(self) -> None:
        try:
            for piece in self._produced:
                self._queue.put(piece)
                if self._stopped:
                    break
        except BaseException as error:
            self._queue.put(error)
        else:
            self._queue.put(None)

    def _produce(self) -> Generator[bytes]:
        source = self._received()
        try:
            for piece in self._inflate(source):
                self._diff_hash.update(piece)
                self.inflated += len(piece)
                if self.inflated > (
                    self._limit or max(_BOMB_SIZE, _BOMB_RATIO * (self._expected_size or self.received))
                ):
                    raise StorageError(
                        f"unpack layer: {self.received} bytes inflate to more than {self._limit or self.inflated}",
                        hint="if it is no attack, set pod_max_layer_size in storage.conf, or --storage-opt, to more",
                    )
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

    def _received(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            if not self._is_blob:
                self._blob_hash.update(chunk)
            self.received += len(chunk)
            if self._expected_size is not None and self.received > self._expected_size:
                break
            self._progress(self.received)
            if self._stopped:
                return
            yield chunk

    def _verify(self) -> None:
        name = f"blob {self._expected_digest}" if self._expected_digest else "blob"
        if self._stopped:
            return
        if self._expected_size is not None and self.received != self._expected_size:
            more = "more than " if self.received > self._expected_size else ""
            received = min(self.received, self._expected_size) if more else self.received
            raise CorruptError(f"{name}: received {more}{received} of {self._expected_size} bytes")
        if self._expected_digest is not None and self.blob_digest != self._expected_digest:
            raise CorruptError(f"{name}: received other bytes, of digest {self.blob_digest}")


def bounded(options: UnpackOptions, blob_size: int) -> UnpackOptions:
    """Give options for when the tar itself is what is received, with the limit that holds for a blob of this size."""
    return replace(options, inflated=True, limit=options.limit or max(_BOMB_SIZE, _BOMB_RATIO * blob_size))


def _hasher(digest: str | None) -> hashlib._Hash:
    algorithm = digest.partition(":")[0] if digest else "sha256"
    if algorithm == "sha256":
        return sha256()
    if algorithm == "sha512":
        return sha512()
    raise CorruptError(f"blob {digest}: unknown digest algorithm")


def unpack(
    chunks: Iterator[bytes],
    staging: str,
    *,
    options: UnpackOptions,
    expected_digest: str | None = None,
    expected_size: int | None = None,
    expected_diff_id: str | None = None,
    progress: Callable[[int], None] | None = None,
    confine: bool = False,
) -> LayerResult:
    """Unpack a blob into the empty directory `staging`, as `diff/` and `headers.zst`; or `keep` its tar with an index.

    Returns only when size, digest and diffID are what was expected. On failure the contents of `staging` are
    undefined, and the caller's to delete. `progress` gets the number of bytes received so far, in another thread.
    `confine` binds the whole process to `staging` for good: only for a process that does nothing else.
    """
    umask = os.umask(0)
    try:
        run = _keep if options.keep else _unpack
        if confine:
            landlock.confine(staging, *options.writable, donors=options.donors.directory if options.donors else "")
        producer = _Producer(chunks, expected_digest, expected_size, progress or _no_progress, options)
        try:
            return run(staging, options, producer, expected_diff_id)
        finally:
            producer.stop()
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise NoSpaceError(f"unpack layer in `{staging}`: {os.strerror(error.errno or 0).lower()}") from error
        raise StorageError(f"unpack layer in `{staging}`: {error.strerror}") from error
    finally:
        os.umask(umask)


def _unpack(staging: str, options: UnpackOptions, producer: _Producer, expected_diff_id: str | None) -> LayerResult:
    diff = os.path.join(staging, "diff")
    os.mkdir(diff, 0o755)
    prepare(diff)
    log = headerlog.Writer(os.path.join(staging, headerlog.NAME))
    try:
        return _Unpacking(staging, diff, log, options).run(producer, expected_diff_id)
    finally:
        log.close()


def _keep(staging: str, options: UnpackOptions, producer: _Producer, expected_diff_id: str | None) -> LayerResult:
    """Keep the tar; unpack it after all if it does not fit into an index."""
    from storage.layers.erofs.format import UnfitError
    from storage.layers.erofs.keeping import Keeping
    from storage.store import INDEX, TAR

    keeping = Keeping(staging)
    try:
        fits = True
        try:
            keeping.run(producer.pieces())
        except UnfitError:
            fits = False
        except CorruptError:
            producer.verify_rest()
            raise
        _check_diff_id(producer, expected_diff_id)
        if fits:
            keeping.finish(options.lowers)
            return _kept(keeping, producer)
    except UnfitError:
        pass
    if os.path.exists(index := os.path.join(staging, INDEX)):
        os.unlink(index)
    tar = os.path.join(staging, TAR)
    with open(tar, "rb", buffering=0) as file:
        again = _Producer(
            iter(lambda: file.read(_CHUNK), b""), None, None, _no_progress, replace(options, inflated=True)
        )
        try:
            result = _unpack(staging, options, again, expected_diff_id)
        finally:
            again.stop()
    os.unlink(tar)
    return replace(result, blob_digest=producer.blob_digest, blob_size=producer.received)


def _kept(keeping: Keeping, producer: _Producer) -> LayerResult:
    return LayerResult(
        diff_id=producer.diff_id,
        blob_digest=producer.blob_digest,
        blob_size=producer.received,
        size=producer.inflated,
        entries=keeping.entries,
        implied=keeping.implied,
    )


def _check_diff_id(producer: _Producer, expected: str | None) -> None:
    if expected is not None and producer.diff_id != expected:
        raise CorruptError(f"layer {expected}: unpacked other bytes, of diffID {producer.diff_id}")


def _no_progress(_received: int) -> None:
    """Show nothing."""


def prepare(diff: str) -> None:
    """Free the root of what it inherits from the store's directories: group, set-group-ID bit, ACL."""
    os.chown(diff, os.geteuid(), os.getegid())
    os.chmod(diff, 0o755)
    for name in ("system.posix_acl_default", "system.posix_acl_access"):
        try:
            os.removexattr(diff, name)
        except OSError:
            pass  # There is none, or the file system knows none.


class _Unpacking:
    """What runs in the calling thread."""

    def __init__(self, staging: str, diff: str, log: headerlog.Writer, options: UnpackOptions) -> None:
        self._log = log
        self._options = options
        self._displaced = os.path.join(staging, "displaced")
        self._diff = diff

    def run(self, producer: _Producer, expected_diff_id: str | None) -> LayerResult:
        applier = Applier(
            self._diff,
            self._displaced,
            rootless=self._options.rootless,
            ignore_chown_errors=self._options.ignore_chown_errors,
            plain=self._options.plain,
            donors=self._options.donors,
        )
        try:
            stream = Stream(producer.pieces(), self._log.record)
            reader = Reader(stream)
            try:
                applier.run(reader)
            except CorruptError:
                producer.verify_rest()
                raise
            _check_diff_id(producer, expected_diff_id)
            applier.finish()
            self._finish_log(applier, producer)
        finally:
            applier.close()
        return self._result(applier, reader, producer)

    def _finish_log(self, applier: Applier, producer: _Producer) -> None:
        size = self._log.end_headers()
        places: dict[int, tuple[int, int]] = {}
        if applier.displaced:
            headers = headerlog.read_frame(self._log.fileno(), 0, size)
            places = displaced.save(
                self._displaced, applier.displaced, applier.inline, applier.paths, headers, self._log
            )
            remove_tree(self._displaced)
        self._log.finish(
            {
                "version": 1,
                "diff_id": producer.diff_id,
                "size": producer.inflated,
                "entries": applier.ordinal + 1,
                "headers": size,
                "inline": applier.inline,
                "paths": {str(ordinal): os.fsdecode(path) for ordinal, path in applier.paths.items()},
                "displaced": {str(ordinal): place for ordinal, place in places.items()},
                # Attributes that the file system could not hold: they are not missed later.
                "left_out": bool(applier.notes),
            }
        )

    def _result(self, applier: Applier, reader: Reader, producer: _Producer) -> LayerResult:
        pending = tuple((os.fsdecode(path), os.fsdecode(to)) for path, (_, to) in applier.pending_links.items())
        result = LayerResult(
            diff_id=producer.diff_id,
            blob_digest=producer.blob_digest,
            blob_size=producer.received,
            size=producer.inflated,
            entries=applier.ordinal + 1,
            implied=tuple(os.fsdecode(path) for path in applier.implied),
            pending_links=pending,
            notes=applier.notes,
        )
        if self._options.lowers or (pending and not self._options.defer_links):
            complete(self._diff, result, self._options.lowers)
        return result
