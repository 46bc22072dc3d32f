"""Copying an image of the store out, to wherever it is to go.

A blob goes out as it came if the destination has it, if we made it ourselves and know how, or if where it came from
still has it; else the layer's tar is made again and compressed anew, and the image gets another manifest. Each layer
is the work of a process; what it makes waits in staging until its digest is known.
"""

from __future__ import annotations

import select
from dataclasses import dataclass
from typing import TYPE_CHECKING

from storage import database, documents, gc, images
from storage.errors import CorruptError, ImageNotFoundError, StorageError
from storage.interrupts import Interrupts
from storage.layers.rebuild import rebuild_tar
from storage.manifests import Family, rewrite
from storage.outgoing.compressing import recipe
from storage.outgoing.layer import Job, Wish, Work, fork_job, spooled
from storage.pieces import ahead
from storage.transfer import NoProgress
from storage.transports.protocols import SharedDestination

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from storage.documents import Descriptor, Manifest
    from storage.images import Image
    from storage.store import Staging, Store
    from storage.transfer import Progress
    from storage.transports.protocols import Destination

    Original = Callable[[Descriptor], Iterator[bytes]]

_WORKERS = 4
# Layers that registries may not distribute are fetched from elsewhere by who pulls.
_FOREIGN = ("nondistributable", "foreign")


@dataclass(frozen=True)
class Sent:
    """What went out: a manifest that the destination does not have yet, and its layers' blobs by diffID."""

    raw: bytes
    media_type: str
    digest: str
    layers: tuple[tuple[str, Descriptor], ...]


@dataclass(frozen=True)
class Request:
    """What is asked for.

    `format` is oci or v2s2, by default that of the image. `compression` is none, gzip, zstd or zstd:chunked, by default
    that of each layer (gzip for layers that never were compressed). `force`, the default if a compression is named,
    compresses again what could go out compressed otherwise. `original` reads a blob from where it once was.
    """

    format: str | None = None
    compression: str | None = None
    level: int | None = None
    force: bool | None = None
    original: Original | None = None


def copy_out(
    store: Store, image: Image, destination: Destination, request: Request, progress: Progress | None = None
) -> str:
    """Write an image to a destination and finish it; give the digest of the manifest that it has there.

    Raises StorageError, CorruptError if a layer of the store is damaged.
    """
    sent = send_image(store, image, destination, request, progress)
    destination.finish(sent.raw, sent.media_type)
    return sent.digest


def send_image(
    store: Store, image: Image, destination: Destination, request: Request, progress: Progress | None = None
) -> Sent:
    """Write the layers and the config of an image, as `copy_out`; the manifest is left to the caller."""
    compression = "none" if destination.plain_layers else request.compression
    family = Family.choose(image.media_type, request.format, compression, destination.manifest_types)
    forced = compression is not None if request.force is None else request.force
    wish = Wish(compression, request.level, forced=forced, zstd=family.is_oci)
    wish.check()
    manifest = documents.parse_manifest(image.manifest, image.media_type)
    if not isinstance(manifest, documents.Manifest):
        raise CorruptError(f"image {image.id}: its manifest is an index")
    try:
        rows = _rows(store, image, manifest)
        sender = _Sender(store, rows, destination, wish, request.original, progress or NoProgress())
        layers = sender.send((manifest.config, image.config))
    except CorruptError:
        _check_present(store, image)
        raise
    raw = rewrite(manifest, family, layers)
    sent = Sent(raw, family.manifest, documents.digest_of(raw), layers)
    if sent.digest != image.digest and sender.is_as_pulled and request.format is None and compression is None:
        sender.progress.note(f"The manifest changes with its blobs: {image.digest} becomes {sent.digest}")
    return sent


def send_layers(
    store: Store, layers: Sequence[tuple[str, str, int]], destination: Destination
) -> tuple[tuple[str, Descriptor], ...]:
    """Write layers alone, given by diffID, key and size: gzip's, unless the destination has others; else as `copy_out`.

    Returns their diffIDs and blobs.
    """
    rows = [_Row(*one, documents.Descriptor(documents.layer_type("none"), one[0], one[2])) for one in layers]
    return _Sender(store, rows, destination, Wish(None, None, forced=False, zstd=True), None, NoProgress()).send()


@dataclass(frozen=True)
class _Row:
    """A layer to send: diffID, key and size of its tar in the store, and its descriptor in a manifest."""

    diff_id: str
    key: str
    size: int
    own: Descriptor


def _rows(store: Store, image: Image, manifest: Manifest) -> list[_Row]:
    rows = images.layers(store, image.id)
    if len(rows) != len(manifest.layers):
        raise CorruptError(f"image {image.id}: some of its layers are missing: pull it again")
    return [_Row(*row, own) for row, own in zip(rows, manifest.layers, strict=True)]


class _Sender:
    """The sending of blobs."""

    def __init__(
        self,
        store: Store,
        rows: Sequence[_Row],
        destination: Destination,
        wish: Wish,
        original: Original | None,
        progress: Progress,
    ) -> None:
        self._store = store
        self._rows = rows
        self._destination = destination
        self._wish = wish
        self._original = original
        self._running: dict[int, Job] = {}
        self._waiting: list[Job] = []
        self.is_as_pulled = True
        self.progress = progress

    def send(self, config: tuple[Descriptor, bytes] | None = None) -> tuple[tuple[str, Descriptor], ...]:
        """See that the destination has all blobs; give the layers' diffIDs and descriptors, from the bottom up."""
        jobs = self._jobs()
        with Interrupts() as interrupts:
            try:
                with self._store.staging() as staging:
                    with interrupts.waiting():
                        self._waiting = [job for job in jobs.values() if not self._is_there(job)]
                    self._waiting.sort(key=lambda job: -job.size)
                    while self._waiting or self._running:
                        self._start(staging, interrupts)
                        self._await(interrupts)
                    with interrupts.waiting():
                        if config is not None and not self._destination.has_blob(config[0]):
                            self._destination.put_blob(config[0], iter([config[1]]))
            finally:
                for job in self._running.values():
                    job.stop()
                gc.empty_trash(self._store)
        self._record(jobs)
        return tuple((row.diff_id, jobs[row.diff_id].descriptor) for row in self._rows)

    def _jobs(self) -> dict[str, Job]:
        """List the layers, each once."""
        jobs: dict[str, Job] = {}
        for row in self._rows:
            if row.diff_id not in jobs:
                path = self._store.layer_path(row.key)
                job = jobs[row.diff_id] = Job(row.diff_id, path, row.size, row.own)
                job.look_up(self._store)
                self.is_as_pulled &= job.is_as_pulled
                self.progress.layer(row.diff_id, row.size)
        return jobs

    def _is_there(self, job: Job) -> bool:
        """Look whether the destination has a blob of this layer that will do."""
        own = job.own
        if own.urls and any(word in own.media_type for word in _FOREIGN) and not self._destination.plain_layers:
            job.sent = own
        else:
            job.known = self._wish.fitting(job)
            job.sent = next((one for one, _ in job.known if self._destination.has_blob(one)), None)
        if job.sent is not None:
            self.progress.state(job.diff_id, "exists")
        return job.sent is not None

    def _start(self, staging: Staging, interrupts: Interrupts) -> None:
        """Begin with as many layers as there is room for, the largest first."""
        while self._waiting and len(self._running) < _WORKERS:
            interrupts.check()
            job = self._waiting.pop(0)
            self.progress.state(job.diff_id, "downloading")
            kind = self._wish.kind(job)
            if kind == "none":
                self._put_plain(job, interrupts)
                continue
            destination = self._destination
            work = Work(
                path=f"{staging.path}/{job.diff_id.rpartition(':')[2]}",
                recipe=recipe(kind, self._wish.level),
                original=self._original,
                destination=destination if isinstance(destination, SharedDestination) else None,
            )
            job.begin(fork_job(job, work, self._advanced(job)), work.path)
            self._running[job.fileno()] = job

    def _put_plain(self, job: Job, interrupts: Interrupts) -> None:
        """Write a layer's tar: its digest and size are known, and nothing is gained by another process."""
        descriptor = documents.Descriptor(documents.layer_type("none"), job.diff_id, job.size)
        with interrupts.waiting():
            self._destination.put_blob(descriptor, _counted(ahead(rebuild_tar(job.path)), self._advanced(job)))
        job.sent = descriptor
        self.progress.state(job.diff_id, "done")

    def _await(self, interrupts: Interrupts) -> None:
        """Wait until a layer's process has something to say."""
        if not self._running:
            return
        with interrupts.waiting():
            ready, _, _ = select.select(list(self._running), [], [])
        for fd in ready:
            job = self._running[fd]
            if job.advance():
                del self._running[fd]
                self._finish(job, interrupts)

    def _finish(self, job: Job, interrupts: Interrupts) -> None:
        try:
            descriptor, delivered = job.finish()
            if not delivered:
                with interrupts.waiting():
                    if not self._destination.has_blob(descriptor):
                        self._destination.put_blob(descriptor, spooled(job.spool))
        finally:
            job.stop()
        self.progress.state(job.diff_id, "done")

    def _advanced(self, job: Job) -> Callable[[int], None]:
        """Make the callback that turns totals into further bytes."""
        seen = 0

        def report(total: int) -> None:
            nonlocal seen
            self.progress.bytes(job.diff_id, total - seen)
            seen = total

        return report

    def _record(self, jobs: dict[str, Job]) -> None:
        """Remember how blobs were made, unless their layers went meanwhile."""
        made = [job for job in jobs.values() if job.made is not None]
        if made:
            with database.transaction(self._store.connection) as connection:
                for job in made:
                    connection.execute(
                        "INSERT INTO layer_blob (digest, diff_id, size, media_type, recipe)"
                        " SELECT ?1, ?2, ?3, ?4, ?5 WHERE EXISTS (SELECT 1 FROM layer WHERE diff_id = ?2)"
                        " ON CONFLICT (digest) DO UPDATE SET recipe = excluded.recipe",
                        (
                            job.descriptor.digest,
                            job.diff_id,
                            job.descriptor.size,
                            job.descriptor.media_type,
                            job.remembered,
                        ),
                    )


def _counted(chunks: Iterator[bytes], report: Callable[[int], None]) -> Iterator[bytes]:
    total = 0
    for chunk in chunks:
        yield chunk
        total += len(chunk)
        report(total)


def _check_present(store: Store, image: Image) -> None:
    try:
        images.load(store, image.id)
    except ImageNotFoundError:
        raise StorageError(f"image {image.id} was removed meanwhile") from None
