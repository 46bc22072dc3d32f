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
from storage.compressing import recipe
from storage.errors import CorruptError, ImageNotFoundError, StorageError
from storage.interrupts import Interrupts
from storage.layers.rebuild import rebuild_tar
from storage.manifests import Family, rewrite
from storage.outgoing_layer import Job, Wish, Work, fork_job, spooled
from storage.pieces import ahead
from storage.transfer import NoProgress
from storage.transports.protocols import SharedDestination

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
    sender = _Sender(store, image, manifest, destination, wish, request.original, progress or NoProgress())
    try:
        layers = sender.send()
    except CorruptError:
        _check_present(store, image)
        raise
    raw = rewrite(manifest, family, layers)
    sent = Sent(raw, family.manifest, documents.digest_of(raw), layers)
    if sent.digest != image.digest and sender.is_as_pulled and request.format is None and compression is None:
        sender.progress.note(f"The manifest changes with its blobs: {image.digest} becomes {sent.digest}")
    return sent


class _Sender:
    """The sending of one image's blobs."""

    def __init__(
        self,
        store: Store,
        image: Image,
        manifest: Manifest,
        destination: Destination,
        wish: Wish,
        original: Original | None,
        progress: Progress,
    ) -> None:
        self._store = store
        self._image = image
        self._manifest = manifest
        self._destination = destination
        self._wish = wish
        self._original = original
        self._running: dict[int, Job] = {}
        self._waiting: list[Job] = []
        self.is_as_pulled = True
        self.progress = progress

    def send(self) -> tuple[tuple[str, Descriptor], ...]:
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
                        config = self._manifest.config
                        if not self._destination.has_blob(config):
                            self._destination.put_blob(config, iter([self._image.config]))
            finally:
                for job in self._running.values():
                    job.stop()
                gc.empty_trash(self._store)
        self._record(jobs)
        return tuple((diff_id, jobs[diff_id].descriptor) for diff_id in self._image.layers)

    def _jobs(self) -> dict[str, Job]:
        """List the layers, each once."""
        query = (
            "SELECT image_layer.diff_id, layer.key, layer.size FROM image_layer JOIN layer ON key = image_layer.layer"
            " WHERE image = ? ORDER BY position"
        )
        rows = self._store.connection.execute(query, (self._image.id,)).fetchall()
        if len(rows) != len(self._manifest.layers):
            _check_present(self._store, self._image)
            raise CorruptError(f"image {self._image.id}: some of its layers are missing: pull it again")
        jobs: dict[str, Job] = {}
        for (diff_id, key, size), own in zip(rows, self._manifest.layers, strict=True):
            if diff_id not in jobs:
                job = jobs[diff_id] = Job(diff_id, self._store.layer_path(key), size, own)
                job.look_up(self._store)
                self.is_as_pulled &= job.is_as_pulled
                self.progress.layer(diff_id, size)
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
