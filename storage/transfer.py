"""Copying an image into the store: everything verified before it is visible, every byte fetched once, in parallel.

The main process plans, publishes and talks to the database; each layer is fetched and unpacked by a forked worker that
dies with it. Processes that pull the same blob wait for each other at its lock (storage/ingest.py); none waits while it
holds one without working on it, so there is no deadlock. Layers become visible one by one, the image at the end; what
a pull leaves without an image is collected when the last of the pulls under way ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from storage import gc, images
from storage.errors import ImageNotFoundError, StorageError
from storage.interrupts import Interrupts
from storage.publish import LayerGoneError, NewImage, publish_images
from storage.source import Source, created, locate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from storage.documents import Platform
    from storage.fetch import Fetcher
    from storage.images import Image
    from storage.reference import Reference
    from storage.registry.options import RegistryOptions
    from storage.store import Store
    from storage.transports.protocols import Origin
    from storage.trust.verification import Trust

_ATTEMPTS = 5
# Of the images that are copied in together.
_MAX_DOCUMENTS = 16 << 20


class Progress(Protocol):
    """Who shows how a pull goes on; called from the process that called `pull`."""

    def layer(self, digest: str, size: int) -> None:
        """Announce a layer, by its blob."""

    def bytes(self, digest: str, count: int) -> None:
        """Tell how many further bytes of it came."""

    def state(self, digest: str, state: str) -> None:
        """Tell its state: exists, waiting, downloading, done."""

    def note(self, text: str) -> None:
        """Tell the user something else."""


class NoProgress:
    """Shows nothing."""

    def layer(self, digest: str, size: int) -> None:
        """Show nothing."""

    def bytes(self, digest: str, count: int) -> None:
        """Show nothing."""

    def state(self, digest: str, state: str) -> None:
        """Show nothing."""

    def note(self, text: str) -> None:
        """Show nothing."""


def pull(
    store: Store,
    reference: Reference,
    *,
    options: RegistryOptions,
    trust: Trust,
    platform: Platform | None = None,
    rootless: bool = False,
    single_id: bool = False,
    progress: Progress | None = None,
) -> Image:
    """Fetch an image into the store and give it its name; what is there already is not fetched again.

    When it fails, or SIGINT, SIGTERM or SIGHUP end it, nothing is left but what the next pull can go on from.
    """
    return copy_in(
        store,
        _origin(reference, options),
        trust=trust,
        names=[_name(reference)],
        platform=platform,
        rootless=rootless,
        single_id=single_id,
        progress=progress,
    )


def copy_in(
    store: Store,
    origin: Origin,
    *,
    trust: Trust,
    names: Sequence[str] = (),
    platform: Platform | None = None,
    rootless: bool = False,
    single_id: bool = False,
    progress: Progress | None = None,
) -> Image:
    """Copy an image into the store from wherever it is, and give it these full names; else as `pull`."""
    return copy_all_in(
        store,
        [(origin, names)],
        trust=trust,
        platform=platform,
        rootless=rootless,
        single_id=single_id,
        progress=progress,
    )[0]


def copy_all_in(
    store: Store,
    origins: Sequence[tuple[Origin, Sequence[str]]],
    *,
    trust: Trust,
    platform: Platform | None = None,
    rootless: bool = False,
    single_id: bool = False,
    progress: Progress | None = None,
) -> list[Image]:
    """Copy several images in, each with its names, all or none; else as `copy_in`."""
    with Interrupts() as interrupts:
        puller = _Puller(store, trust, platform, progress or NoProgress(), interrupts, rootless, single_id)
        return puller.pull(origins)


def pull_all_tags(
    store: Store,
    reference: Reference,
    *,
    options: RegistryOptions,
    trust: Trust,
    platform: Platform | None = None,
    rootless: bool = False,
    single_id: bool = False,
    progress: Progress | None = None,
    begun: Callable[[Reference], None] | None = None,
    ended: Callable[[Image], None] | None = None,
) -> list[Image]:
    """Pull every tag of a repository, in the registry's order; tell of each when it is begun and when it is there."""
    from storage.registry.origin import Clients, RegistryOrigin

    clients = Clients(options)
    with Interrupts() as interrupts:
        with interrupts.waiting():
            tags = RegistryOrigin(clients, reference).tags()
        puller = _Puller(store, trust, platform, progress or NoProgress(), interrupts, rootless, single_id)
        pulled: list[Image] = []
        for one in [reference.with_tag(tag) for tag in tags]:
            if begun is not None:
                begun(one)
            pulled += puller.pull([(RegistryOrigin(clients, one), [_name(one)])])
            if ended is not None:
                ended(pulled[-1])
        return pulled


def remote_digest(reference: Reference, *, options: RegistryOptions) -> str:
    """Ask the registry for the digest that a reference has now; compare it with `Image.digests`."""
    return _origin(reference, options).manifest()[2]


def remote_id(reference: Reference, *, options: RegistryOptions, trust: Trust) -> str:
    """Ask the registry for the ID of the image that a reference has now for this machine; none of it is kept.

    Raises RejectedError for one that is not trusted.
    """
    return _new_image(locate(_origin(reference, options), None, trust), ()).id


def _origin(reference: Reference, options: RegistryOptions) -> Origin:
    from storage.registry.origin import Clients, RegistryOrigin

    return RegistryOrigin(Clients(options), reference)


@dataclass(frozen=True)
class _Puller:
    """What the pulls of one command share."""

    store: Store
    trust: Trust
    platform: Platform | None
    progress: Progress
    interrupts: Interrupts
    rootless: bool
    single_id: bool

    def pull(self, origins: Sequence[tuple[Origin, Sequence[str]]]) -> list[Image]:
        """Copy images in, each with its names, all or none."""
        store = self.store
        gc.sweep(store)
        with self.interrupts.waiting():
            sources = self._located([origin for origin, _ in origins])
        fetchers = [self._fetcher(source) for source in sources]
        try:
            with store.publishing():
                images = _publish(store, fetchers, [names for _, names in origins])
        finally:
            gc.sweep(store)
        for source in sources:
            _remember(store, source)
        if any(fetcher.published for fetcher in fetchers):
            from storage import durability

            durability.begin(store)
        return images

    def _located(self, origins: Sequence[Origin]) -> list[Source]:
        """Read the documents of all images, which are kept until all layers are there: no more than has room."""
        sources: list[Source] = []
        room = _MAX_DOCUMENTS
        for origin in origins:
            source = locate(origin, self.platform, self.trust)
            sources.append(source)
            room -= len(source.manifest.raw) + len(source.config.raw)
            if room < 0:
                raise StorageError(
                    f"the documents of these {len(origins)} images have more than {_MAX_DOCUMENTS} bytes"
                )
        return sources

    def _fetcher(self, source: Source) -> Fetcher:
        from storage.fetch import Fetcher

        return Fetcher(
            self.store, source, self.progress, self.interrupts, rootless=self.rootless, single_id=self.single_id
        )


def _publish(store: Store, fetchers: Sequence[Fetcher], names: Sequence[Sequence[str]]) -> list[Image]:
    """Fetch and record; once more if an `rmi` removed a layer that was there at first, or an image at once."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return _publish_once(store, fetchers, names)
        except (LayerGoneError, ImageNotFoundError):
            continue
    return _publish_once(store, fetchers, names)


def _publish_once(store: Store, fetchers: Sequence[Fetcher], names: Sequence[Sequence[str]]) -> list[Image]:
    new = [_new_image(fetcher.source, fetcher.fetch()) for fetcher in fetchers]
    publish_images(store, zip(new, names, strict=True))
    return [images.load(store, image.id) for image in new]


def _remember(store: Store, source: Source) -> None:
    """Note where the blobs were, for pushes."""
    if source.origin.transport == "docker":
        from storage import places
        from storage.reference import parse

        places.record(store, [one.digest for one in source.manifest.layers], parse(source.origin.scope))


def _new_image(source: Source, layers: tuple[tuple[str, str], ...]) -> NewImage:
    config = source.config
    return NewImage(
        config=config.raw,
        manifest=source.manifest.raw,
        media_type=source.manifest.media_type,
        digests=source.digests,
        created=created(config.document),
        architecture=config.architecture,
        os=config.os,
        layers=layers,
    )


def _name(reference: Reference) -> str:
    """Give the name under which a pulled image is kept: a digest is stronger than a tag."""
    if reference.digest is not None:
        return str(reference.with_digest(reference.digest))
    return str(reference.with_tag(reference.tag or "latest"))
