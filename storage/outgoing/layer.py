"""One layer on its way out: which blobs of it are known, and the process that makes one."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from storage import documents, worker
from storage.documents import Descriptor
from storage.errors import CorruptError, StorageError
from storage.layers.rebuild import rebuild_tar
from storage.outgoing import compressing
from storage.store import Lock, translated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from storage.outgoing.compressing import Recipe
    from storage.store import Store
    from storage.transports.protocols import SharedDestination

_CHUNK = 1 << 20


@dataclass
class Job:
    """One layer to send: `own` is its descriptor in the image's manifest.

    `blobs` are those that were seen, each with its recipe if it was made here, and `known` those of them that will do.
    `sent` is what the destination has in the end, `made` how it was made if it was made here.
    """

    diff_id: str
    path: str
    size: int
    own: Descriptor
    blobs: list[tuple[Descriptor, str]] = field(default_factory=list)
    known: list[tuple[Descriptor, str]] = field(default_factory=list)
    sent: Descriptor | None = None
    made: Recipe | None = None
    spool: str = ""
    _worker: worker.Worker | None = None

    @property
    def descriptor(self) -> Descriptor:
        """What the destination has."""
        assert self.sent is not None
        return self.sent

    def look_up(self, store: Store) -> None:
        """Read which blobs of the layer are known."""
        query = "SELECT media_type, digest, size, recipe FROM layer_blob WHERE diff_id = ? ORDER BY digest"
        self.blobs = []
        for media_type, digest, size, text in store.connection.execute(query, (self.diff_id,)):
            made, _, annotations = text.partition(" ")
            found = json.loads(annotations) if annotations else {}
            self.blobs.append((Descriptor(media_type, digest, size, annotations=found), made))

    @property
    def is_as_pulled(self) -> bool:
        """Tell whether the manifest's blob was seen elsewhere, and is not only the tar of a commit."""
        return any(one.digest == self.own.digest for one, _ in self.blobs)

    @property
    def remembered(self) -> str:
        """What the store keeps of how the blob was made: the recipe, and the annotations that go with the blob."""
        annotations = json.dumps(self.descriptor.annotations, separators=(",", ":")) if self.made is not None else ""
        return f"{self.made} {annotations}" if self.descriptor.annotations else str(self.made)

    def begin(self, process: worker.Worker, spool: str) -> None:
        """Note the process that is at it."""
        self._worker, self.spool = process, spool

    def fileno(self) -> int:
        """Return the fd that is readable when there is news."""
        assert self._worker is not None
        return self._worker.fileno()

    def advance(self) -> bool:
        """Read news; True when the process has ended."""
        assert self._worker is not None
        return self._worker.advance()

    def finish(self) -> tuple[Descriptor, bool]:
        """Take the result: the blob, and whether the destination has it already."""
        assert self._worker is not None
        values = self._worker.values()
        annotations = values["annotations"]
        self.sent = Descriptor(values["media_type"], values["digest"], values["size"], annotations=annotations)
        self.made = compressing.parse(values["recipe"])
        return self.sent, values["delivered"]

    def stop(self) -> None:
        """End it in whatever state it is: no process and no file remains."""
        if self._worker is not None:
            self._worker.kill()
            self._worker = None
        try:
            os.unlink(self.spool)
        except OSError:
            pass


@dataclass(frozen=True)
class Work:
    """What the process of a layer needs: where it may write, how it compresses, whom it may ask and send to."""

    path: str
    recipe: Recipe
    original: Callable[[Descriptor], Iterator[bytes]] | None
    destination: SharedDestination | None


@dataclass(frozen=True)
class Wish:
    """How layers are to be compressed: none, gzip, zstd, or (None) as each of them is.

    Not `forced`, what is compressed otherwise will do as well, if it is there already. Not all manifests take `zstd`.
    """

    compression: str | None
    level: int | None
    forced: bool
    zstd: bool

    def check(self) -> None:
        """Raise StorageError for a compression or a level that there is not."""
        if self.compression not in (None, "none"):
            compressing.recipe(self.compression or "", self.level)

    def kind(self, job: Job) -> str:
        """Tell how a layer is compressed if it has to be made again: what never was compressed by gzip."""
        if self.compression is not None:
            return self.compression
        own = documents.compression_of(job.own.media_type)
        return own if (job.is_as_pulled or own != "none") and (own != "zstd" or self.zstd) else "gzip"

    def fitting(self, job: Job) -> list[tuple[Descriptor, str]]:
        """List the blobs of a layer that will do, the image's own first, with the recipes of those made here."""
        if self.compression == "none":
            return [(Descriptor(documents.layer_type("none"), job.diff_id, job.size), "")]
        fitting = [(one, made) for one, made in job.blobs if self._fits(job, one, made)]
        return sorted(fitting, key=lambda pair: pair[0].digest != job.own.digest)

    def _fits(self, job: Job, blob: Descriptor, made: str) -> bool:
        kind = documents.compression_of(blob.media_type)
        if kind == "zstd" and not self.zstd:
            return False
        if self.compression is None:
            return kind == self.kind(job)
        if not self.forced:
            return True
        if self.level is not None:
            return made == str(compressing.recipe(self.compression, self.level))
        return kind == self.compression or made.startswith(f"{self.compression}:")


def fork_job(job: Job, work: Work, progress: Callable[[int], None]) -> worker.Worker:
    """Start the process that makes a blob of a layer, and sends it where several may send at once."""
    # Once here, rather than in each worker: it costs more than a fork.
    import zstandard  # noqa: F401

    return worker.fork(worker.Worker, lambda report: _run(job, work, report), "copy layer", progress)


def _run(job: Job, work: Work, report: Callable[[int], None]) -> dict[str, Any]:
    shared = work.destination is not None
    try:
        # Where it is sent from here, too, that is the other half of the work.
        descriptor, made = _make(job, work, (lambda total: report(total // 2)) if shared else report)
    except OSError as error:
        raise translated(error, f"write {work.path}") from error
    delivered = work.destination is not None
    if work.destination is not None:
        destination = work.destination.fresh()
        if not destination.has_blob(descriptor):
            _send(destination, descriptor, work.path, job.size, report)
        destination.close()
    return {
        "media_type": descriptor.media_type,
        "digest": descriptor.digest,
        "size": descriptor.size,
        "annotations": descriptor.annotations,
        "recipe": str(made) if made is not None else "",
        "delivered": delivered,
    }


def _make(job: Job, work: Work, report: Callable[[int], None]) -> tuple[Descriptor, Recipe | None]:
    """Make one of the blobs that are known, or else a new one."""
    for known, text in job.known:
        recipe = compressing.parse(text)
        if recipe is not None:
            # With another version of the library it may be another blob: that does no harm.
            made = _compress(job, work.path, recipe, report)
            return (known if made.digest == known.digest else made), recipe
    for known, _ in job.known:
        if work.original is not None and _fetch(known, work.path, work.original):
            return known, None
    return _compress(job, work.path, work.recipe, report), work.recipe


def _compress(job: Job, path: str, recipe: Recipe, report: Callable[[int], None]) -> Descriptor:
    annotations: dict[str, str] = {}
    # One layer after another: each is compressed beside its reading, and takes up to 70 MB of memory for that.
    turn = Lock(os.path.join(os.path.dirname(path), "turn"), fcntl.LOCK_EX) if recipe.kind != "zstd:chunked" else None
    with turn or contextlib.nullcontext():
        digest, size = _spool(path, compressing.compress(_verified(job, report), recipe, annotations))
    return Descriptor(documents.layer_type(recipe.kind), digest, size, annotations=annotations)


def _verified(job: Job, report: Callable[[int], None]) -> Iterator[bytes]:
    """Yield a layer's tar; CorruptError at its end unless it is the one that was unpacked."""
    digest, total = hashlib.sha256(), 0
    for chunk in rebuild_tar(job.path):
        digest.update(chunk)
        total += len(chunk)
        yield chunk
        report(total)
    if f"sha256:{digest.hexdigest()}" != job.diff_id:
        raise CorruptError(f"layer {job.diff_id} is damaged: pull the image again")


def _fetch(blob: Descriptor, path: str, original: Callable[[Descriptor], Iterator[bytes]]) -> bool:
    """Fetch a blob from where it once came from; False if it is not to be had."""
    try:
        return _spool(path, original(blob), algorithm=blob.digest.partition(":")[0]) == (blob.digest, blob.size)
    except StorageError:
        return False


def _spool(path: str, chunks: Iterator[bytes], *, algorithm: str = "sha256") -> tuple[str, int]:
    digest, size = hashlib.new(algorithm), 0
    with open(path, "wb", buffering=0) as file:
        for chunk in chunks:
            digest.update(chunk)
            size += len(chunk)
            view = memoryview(chunk)
            while view:
                view = view[file.write(view) :]
    return f"{algorithm}:{digest.hexdigest()}", size


def spooled(path: str, offset: int = 0) -> Iterator[bytes]:
    """Read what was made, from an offset on."""
    with open(path, "rb", buffering=0) as file:
        file.seek(offset)
        while chunk := file.read(_CHUNK):
            yield chunk


def _send(
    destination: SharedDestination, blob: Descriptor, path: str, size: int, report: Callable[[int], None]
) -> None:
    """Send what was made, and report how far it is in bytes of the tar: that is what was announced."""

    def open_at(offset: int) -> Iterator[bytes]:
        sent = offset
        for chunk in spooled(path, offset):
            yield chunk
            sent += len(chunk)
            report((size + sent * size // blob.size) // 2)

    destination.send_blob(blob, open_at)
