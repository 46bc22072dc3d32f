"""From the bytes of a blob to a layer: receive, verify, inflate, apply, log.

What is received and inflated comes from a process of its own, if that is wanted; this one writes the tree.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from storage.errors import CorruptError
from storage.layers import displaced, headerlog, landlock
from storage.layers.apply import Applier
from storage.layers.complete import complete
from storage.layers.producing import Ahead, Producer, failure, most_of
from storage.layers.stream import Stream
from storage.layers.tar import Reader
from storage.trees import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from storage.layers.donors import Donors
    from storage.layers.erofs.keeping import Keeping

_CHUNK = 1 << 20


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


def bounded(options: UnpackOptions, blob_size: int) -> UnpackOptions:
    """Give options for when the tar itself is what is received, with the limit that holds for a blob of this size."""
    return replace(options, inflated=True, limit=options.limit or most_of(blob_size))


def unpack(
    chunks: Iterator[bytes],
    staging: str,
    *,
    options: UnpackOptions,
    expected_digest: str | None = None,
    expected_size: int | None = None,
    expected_diff_id: str | None = None,
    progress: Callable[[int], None] | None = None,
    ahead: int = 0,
    confine: bool = False,
) -> LayerResult:
    """Unpack a blob into the empty directory `staging`, as `diff/` and `headers.zst`; or `keep` its tar with an index.

    Returns only when size, digest and diffID are what was expected. On failure the contents of `staging` are
    undefined, and the caller's to delete. `progress` gets the number of bytes received so far. With `ahead`, a
    process of its own, which has all that this one has, iterates over `chunks` and calls `progress`; it inflates so
    many MiB ahead.
    `confine` binds the whole process to `staging` for good: only for a process that does nothing else.
    """
    umask = os.umask(0)
    try:
        run = _keep if options.keep else _unpack
        if confine:
            landlock.confine(staging, *options.writable, donors=options.donors.directories if options.donors else ())
        producer = Producer(
            chunks, expected_digest, expected_size, progress, limit=options.limit, inflated=options.inflated
        )
        source = Ahead(producer, ahead, staging) if ahead else producer
        try:
            return run(staging, options, source, expected_diff_id)
        finally:
            source.stop()
    except OSError as error:
        raise failure(error, staging) from error
    finally:
        os.umask(umask)


def _unpack(
    staging: str, options: UnpackOptions, producer: Producer | Ahead, expected_diff_id: str | None
) -> LayerResult:
    diff = os.path.join(staging, "diff")
    os.mkdir(diff, 0o755)
    prepare(diff)
    log = headerlog.Writer(os.path.join(staging, headerlog.NAME))
    try:
        return _Unpacking(staging, diff, log, options).run(producer, expected_diff_id)
    finally:
        log.close()


def _keep(
    staging: str, options: UnpackOptions, producer: Producer | Ahead, expected_diff_id: str | None
) -> LayerResult:
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
        again = Producer(iter(lambda: file.read(_CHUNK), b""), limit=options.limit, inflated=True)
        try:
            result = _unpack(staging, options, again, expected_diff_id)
        finally:
            again.stop()
    os.unlink(tar)
    return replace(result, blob_digest=producer.blob_digest, blob_size=producer.received)


def _kept(keeping: Keeping, producer: Producer | Ahead) -> LayerResult:
    return LayerResult(
        diff_id=producer.diff_id,
        blob_digest=producer.blob_digest,
        blob_size=producer.received,
        size=producer.inflated,
        entries=keeping.entries,
        implied=keeping.implied,
    )


def _check_diff_id(producer: Producer | Ahead, expected: str | None) -> None:
    if expected is not None and producer.diff_id != expected:
        raise CorruptError(f"layer {expected}: unpacked other bytes, of diffID {producer.diff_id}")


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

    def run(self, producer: Producer | Ahead, expected_diff_id: str | None) -> LayerResult:
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

    def _finish_log(self, applier: Applier, producer: Producer | Ahead) -> None:
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

    def _result(self, applier: Applier, reader: Reader, producer: Producer | Ahead) -> LayerResult:
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
