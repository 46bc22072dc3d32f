"""Fetching the layers of one image that are not there, each in a worker process, the biggest first."""

from __future__ import annotations

import os
import select
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from storage import chain, database
from storage.errors import CorruptError, NoSpaceError, StorageError
from storage.ingest import Ingest, claim
from storage.keeping import options_for
from storage.layers.unpacking import UnpackOptions, bounded
from storage.layers.worker import AHEAD, fork_unpack
from storage.publish import Layer, publish_layer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from storage.documents import Descriptor
    from storage.interrupts import Interrupts
    from storage.layers.donors import Donors
    from storage.layers.unpacking import LayerResult
    from storage.layers.worker import Worker
    from storage.source import Source
    from storage.store import Staging, Store
    from storage.transfer import Progress

# More than some machines have processors: a worker waits for the network as often as for one of them.
_WORKERS = 4
# How many MiB of all layers are inflated ahead at once. Small files take long to write, large ones to inflate: with
# four for one layer, the one process often waits for the other, a tenth of the time that is taken by both.
_AHEAD = 24
# How often the lock of a blob that another process is fetching is tried.
_POLL_SECONDS = 0.1


@dataclass
class Job:
    """One layer to fetch; the last five are set while a worker is at it.

    `whole` says that its blob must come whole: else it may be enough to fetch those files that no other layer has.
    """

    diff_id: str
    chain_id: str
    blob: Descriptor
    announced: bool = False
    whole: bool = False
    ingest: Ingest | None = None
    staging: Staging | None = None
    worker: Worker | None = None
    resumed: bool = False
    donors: Donors | None = None

    @property
    def in_parts(self) -> bool:
        """Whether it is made of other layers' files and of parts of the blob."""
        return self.donors is not None

    def advanced(self, progress: Progress) -> Callable[[int], None]:
        """Make the callback that turns the worker's totals into further bytes."""
        seen = 0

        def report(total: int) -> None:
            nonlocal seen
            total = min(total, self.blob.size)  # what is made of parts is counted as it comes out of them
            progress.bytes(self.blob.digest, total - seen)
            seen = total

        return report


class Fetcher:
    """The fetching of one image's layers; `fetch` may be called again if layers went missing meanwhile."""

    def __init__(
        self,
        store: Store,
        source: Source,
        progress: Progress,
        interrupts: Interrupts,
        *,
        rootless: bool,
        single_id: bool,
    ) -> None:
        self._store = store
        self.source = source
        self._progress = progress
        self._interrupts = interrupts
        self._options = UnpackOptions(rootless=rootless, ignore_chown_errors=single_id, defer_links=True)
        self._waiting: list[Job] = []
        self._running: dict[int, Job] = {}
        self.published = 0

    def fetch(self) -> tuple[tuple[str, str], ...]:
        """See that all layers are in the store; give their diffIDs and keys, from the bottom up."""
        diff_ids = self.source.config.diff_ids
        self._waiting = self._plan()
        if self._waiting:
            self._options = options_for(self._store, self._options, self._progress.note)
            database.begin_log(self._store.connection)
        try:
            while self._waiting or self._running:
                self._interrupts.check()
                self._start()
                self._await()
        finally:
            for job in self._running.values():
                self._stop(job)
            self._running = {}
        return tuple(zip(diff_ids, chain.keys(self._store, diff_ids), strict=True))

    def _plan(self) -> list[Job]:
        """List the layers that are missing, the biggest first; each once, however often the image has it."""
        layers = self.source.layers
        jobs: dict[str, Job] = {}
        for (diff_id, blob), chain_id in zip(layers, chain.chain_ids([one for one, _ in layers]), strict=True):
            if diff_id in jobs:
                continue
            self._progress.layer(blob.digest, blob.size)
            if chain.present(self._store, diff_id, chain_id):
                self._progress.state(blob.digest, "exists")
            else:
                jobs[diff_id] = Job(diff_id, chain_id, blob)
        return sorted(jobs.values(), key=lambda job: -job.blob.size)

    def _start(self) -> None:
        """Give work to as many workers as there is room for; leave alone what another process is fetching."""
        for job in list(self._waiting):
            if len(self._running) >= _WORKERS:
                return
            ingest = claim(self._store, job.blob.digest)
            if ingest is None:
                if not job.announced:
                    self._progress.state(job.blob.digest, "waiting")
                    job.announced = True
                continue
            self._waiting.remove(job)
            if chain.present(self._store, job.diff_id, job.chain_id):
                ingest.done()
                self._progress.state(job.blob.digest, "exists")
                continue
            self._launch(job, ingest)

    def _launch(self, job: Job, ingest: Ingest) -> None:
        job.ingest = ingest
        job.resumed = ingest.kept > 0
        blob = job.blob
        try:
            job.staging = self._store.staging()
            chunks = self._chunks(job, ingest, job.staging.path)
            options = replace(bounded(self._options, blob.size), donors=job.donors) if job.in_parts else self._options
            job.worker = fork_unpack(
                chunks,
                job.staging.path,
                options=options,
                expected_digest=None if job.in_parts else blob.digest,
                expected_size=None if job.in_parts else blob.size,
                expected_diff_id=job.diff_id,
                progress=job.advanced(self._progress),
                ahead=self._ahead(job),
            )
        except BaseException:
            self._stop(job)
            raise
        self._running[job.worker.fileno()] = job
        self._progress.state(blob.digest, "downloading")
        if self._waiting:
            # What each worker needs, for those to come: it costs more than a fork. The first has it at the same time.
            import zstandard  # noqa: F401

    def _ahead(self, job: Job) -> int:
        """Give how many MiB of a layer are inflated ahead; none where other layers keep all processors busy."""
        others = [one.blob.size for one in (*self._waiting, *self._running.values())]
        if job.blob.size <= sum(others) and (os.cpu_count() or 1) < 2 * (len(others) + 1):
            return 0
        return max(AHEAD, _AHEAD // (len(others) + 1))

    def _chunks(self, job: Job, ingest: Ingest, directory: str) -> Callable[[], Iterator[bytes]]:
        """Give what yields the blob in the worker; or the tar that is in it, made of other layers' files and parts."""
        origin, blob = self.source.origin, job.blob
        job.donors = None

        def whole() -> Iterator[bytes]:
            fresh = origin.fresh()
            return ingest.chunks(lambda offset: fresh.open_blob(blob, offset=offset), blob.size)

        if not blob.annotations:
            return whole
        from storage.chunked import placement

        tables = placement.read(blob)
        if tables is None:
            return whole
        from storage.chunked import known, partial
        from storage.layers.donors import Donors

        layer = partial.layer(origin, blob)
        others = known.layers(self._store.layers)
        if job.whole or ingest.kept or layer is None or not others:
            return lambda: partial.noting(whole(), tables, blob, directory)
        job.donors = Donors(others)
        return lambda: partial.stream(layer, others, whole, directory, job.donors)

    def _await(self) -> None:
        """Wait until a worker has something to say, or it is time to look at the locks of others again."""
        with self._interrupts.waiting():
            if not self._running:
                time.sleep(_POLL_SECONDS if self._waiting else 0)
                return
            ready, _, _ = select.select(list(self._running), [], [], _POLL_SECONDS if self._waiting else None)
        for fd in ready:
            job = self._running[fd]
            if job.worker is not None and job.worker.advance():
                del self._running[fd]
                self._finish(job)

    def _finish(self, job: Job) -> None:
        """Publish what a worker has done, or see to its failure."""
        assert job.worker is not None
        assert job.staging is not None
        assert job.ingest is not None
        try:
            result = job.worker.result()
            self._publish(job, job.staging, result)
            job.ingest.restart()
            self._progress.state(job.blob.digest, "done")
        except NoSpaceError:
            raise
        except StorageError as error:
            if not job.in_parts and not isinstance(error, CorruptError):
                raise
            job.ingest.restart()
            if not job.resumed and not job.in_parts:
                raise
            # What an earlier process left, or another layer has, may be to blame: once more, from the first byte.
            job.whole = True
            self._waiting.append(job)
        finally:
            self._stop(job)

    def _publish(self, job: Job, staging: Staging, result: LayerResult) -> None:
        layer = Layer(
            key=job.diff_id.removeprefix("sha256:"),
            diff_id=job.diff_id,
            size=result.size,
            entries=result.entries,
            implied=result.implied,
            pending_links=result.pending_links,
        )
        # What came in parts says nothing of the blob as a whole.
        publish_layer(self._store, staging, layer, None if job.in_parts else job.blob)
        self.published += 1
        for note in result.notes:
            self._progress.note(note)

    def _stop(self, job: Job) -> None:
        """End a job in whatever state it is: no process, no staging directory, no lock remains."""
        if job.worker is not None:
            job.worker.kill()
        if job.staging is not None:
            job.staging.discard()
        if job.ingest is not None:
            job.ingest.abandon()
        job.worker = job.staging = job.ingest = None
