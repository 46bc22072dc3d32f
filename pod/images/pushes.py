"""Getting images and lists of them out: to a registry, or to where else a transport leads."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from pod import events
from pod.errors import PodError
from pod.images import signing, transports
from pod.images.lists import origin_of
from storage import image_signatures, images, lists, reference
from storage.documents import OCI_INDEX, OCI_MANIFEST
from storage.errors import ImageNotFoundError
from storage.outgoing import image as outgoing
from storage.outgoing.push import Originals, Pusher
from storage.outgoing.push_list import push_list

if TYPE_CHECKING:
    from collections.abc import Callable

    from pod.engine import Engine
    from pod.images.showing import Shown
    from pod.images.transports import Place
    from storage.lists import ManifestList
    from storage.outgoing.image import Request, Sent
    from storage.reference import Reference
    from storage.registry.options import RegistryOptions
    from storage.transports.protocols import Destination

    Send = Callable[[images.Image, Request], Sent]


class Push:
    """What one command says about pushing."""

    def __init__(
        self,
        engine: Engine,
        options: RegistryOptions,
        request: Request,
        sign_by: str = "",
        *,
        remove_signatures: bool = False,
    ) -> None:
        self.engine = engine
        self.options = options
        self.request = request
        self.sign_by = sign_by
        self.remove_signatures = remove_signatures

    def any(self, text: str, target: Reference | Place, shown: Shown, *, all: bool) -> str:
        """Copy what a text names; return the digest of its manifest there.

        Of a list its image for this machine, as podman; the whole list with `all`, or if the store has no such image.
        """
        known = lists.known(self.engine.store, text)
        if known is None:
            return self.image(images.resolve(self.engine.store, text), target, shown)
        image = None if all else self._instance(known[0])
        if image is not None:
            return self.image(image, target, shown)
        return self.list(known[0], target, shown, all=True)

    def _instance(self, found: ManifestList) -> images.Image | None:
        try:
            return images.load(self.engine.store, lists.instance(self.engine.store, found)[0])
        except ImageNotFoundError:
            return None

    def image(self, image: images.Image, target: Reference | Place, shown: Shown) -> str:
        """Copy an image with the signatures that it has, and sign it there."""
        sign = signing.signer(self.engine.config, target, self.sign_by) if self.sign_by else None
        kept = () if self.remove_signatures else image_signatures.of(self.engine.store, image)
        keep = signing.keeper(self.engine.config, target) if kept else None
        with ExitStack() as stack:
            destination, send = self._open(stack, target, image.names, shown)
            sent = send(image, _unchanged(image) if kept else self.request)
            _check_digest(target, sent)
            if keep is not None:
                _check_unchanged(image, sent)
                keep(destination, sent.digest, kept)
            destination.finish(sent.raw, sent.media_type)
        if sign is not None:
            sign(sent.digest)
        shown.end(image.id)
        events.record(self.engine.config, "image", "push", id=image.id, name=str(target))
        return sent.digest

    def list(self, found: ManifestList, target: Reference | Place, shown: Shown, *, all: bool) -> str:
        """Copy a list, and (with `all`) its members."""
        if self.sign_by:
            raise PodError("--sign-by: lists are signed where they are", hint="push it, then: pod image sign --all")
        with ExitStack() as stack:
            destination, send = self._open(stack, target, (), shown)
            if OCI_INDEX not in destination.manifest_types:
                raise PodError(f"{target}: a list of manifests cannot be written there")
            digest = push_list(
                self.engine.store,
                found,
                destination,
                send,
                self.request,
                open_origin=lambda source: origin_of(self.engine.config, self.options, source, stack),
                all=all,
                progress=shown.progress,
            )
        events.record(self.engine.config, "image", "push", id=found.id, name=str(target))
        return digest

    def _open(
        self, stack: ExitStack, target: Reference | Place, names: tuple[str, ...], shown: Shown
    ) -> tuple[Destination, Send]:
        """Open a destination, and give what sends the blobs of an image there."""
        store, progress = self.engine.store, shown.progress
        if not isinstance(target, transports.Place):
            pusher = Pusher(store, target, self.options, progress)
            stack.callback(pusher.destination.close)
            return pusher.destination, pusher.send
        destination = stack.enter_context(transports.destination(store, target, names))
        # As podman, whose store has tars.
        plain = target.transport == "dir" and self.request.compression is None

        def send(image: images.Image, request: Request) -> Sent:
            originals = Originals(store, image, self.options)
            request = replace(request, compression="none" if plain else request.compression, original=originals)
            return outgoing.send_image(store, image, destination, request, progress)

        return destination, send


def _unchanged(image: images.Image) -> Request:
    """Return how a signed image goes out: as it is, for its signatures are on that, whatever else is asked for."""
    return outgoing.Request("oci" if image.media_type == OCI_MANIFEST else "v2s2", "none")


def _check_digest(target: Reference | Place, sent: Sent) -> None:
    """Raise PodError if the image is to go where another one is meant by its digest."""
    wanted = None if isinstance(target, transports.Place) else target.digest
    if wanted not in (None, sent.digest):
        raise PodError(
            f"Digest of source image's manifest would not match destination reference: it is {sent.digest}",
            hint="name the destination by a tag",
        )


def _check_unchanged(image: images.Image, sent: Sent) -> None:
    if sent.digest != image.digest:
        raise PodError(
            f"{image.id}: its manifest would change, and its signatures with it", hint="pod push --remove-signatures"
        )


def request(
    format: str = "",
    compression: str = "",
    level: int | None = None,
    force: bool | None = None,
    *,
    compress: bool = False,
) -> Request:
    """Return what the flags ask for. Raises PodError for what there is not."""
    if format == "v2s1":
        raise PodError("manifests of schema version 1 are no longer written", hint="choose --format v2s2 or oci")
    if format not in ("", "oci", "v2s2"):
        raise PodError(f"unknown format \"{format}\". Choose one of the supported formats: 'oci' or 'v2s2'")
    if compression not in ("", "gzip", "zstd", "zstd:chunked"):
        raise PodError(f'cannot find compressor for "{compression}"', hint="choose gzip, zstd or zstd:chunked")
    return outgoing.Request(format or None, compression or ("gzip" if compress else None), level, force)


def target(image: str, destination: str = "") -> Reference | Place:
    """Return where an image is to go: by default to where its name says."""
    text = destination or image
    if transports.is_named(text):
        return transports.parse(text)
    if not destination and len(text) >= 12 and not text.strip("0123456789abcdef"):
        raise PodError(f"{image}: an ID names no registry", hint="name the destination, too: REGISTRY/REPOSITORY:TAG")
    return reference.normalize(text.removeprefix("docker://"))
