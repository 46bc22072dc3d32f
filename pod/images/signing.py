"""Signing images of registries: their manifests are fetched, and the signatures put into lookaside storage."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pod import __version__, trust
from pod.errors import PodError
from pod.images import transports
from storage import documents, reference
from storage.image_signatures import Signature
from storage.registry.origin import Clients, RegistryOrigin
from storage.transports.directory_destination import DirectoryDestination
from storage.trust import registries_d, signing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pod.config import Config
    from pod.images.transports import Place
    from storage.reference import Reference
    from storage.registry.options import RegistryOptions
    from storage.transports.protocols import Destination, Origin


def sign(config: Config, text: str, options: RegistryOptions, *, key: str, directory: str, each: bool) -> None:
    """Sign what a name stands for: with `each` the manifests of an index, else its own.

    `directory` is where signatures go, "" for where registries.d says.
    """
    name = named(text)
    base = directory or _directory(config, name)
    clients = Clients(options)
    try:
        for digest in _digests(RegistryOrigin(clients, name), text, each=each):
            signing.write(base, name, digest, _signed(digest, name, key))
    finally:
        clients.close()


def signer(config: Config, target: Reference | Place, key: str) -> Callable[[str], None]:
    """Return what signs the manifest of a digest that was written to a target. Raises PodError where that cannot be."""
    if isinstance(target, transports.Place):
        raise PodError(f"cannot determine canonical Docker reference for destination {target}")
    base = _directory(config, target)

    def sign_digest(digest: str) -> None:
        signing.write(base, target, digest, _signed(digest, target, key))

    return sign_digest


def of_images(key: str) -> Callable[[bytes, Sequence[str]], tuple[Signature, ...]]:
    """Return what signs manifests of images of the store. Raises StorageError if there is no such key."""
    signing.check_key(key, environment=os.environ)

    def sign_image(manifest: bytes, names: Sequence[str]) -> tuple[Signature, ...]:
        digest = documents.digest_of(manifest)
        return tuple(Signature(name, key, _signed(digest, reference.parse(name), key)) for name in names)

    return sign_image


def keeper(config: Config, target: Reference | Place) -> Callable[[Destination, str, Iterable[bytes]], None]:
    """Return what puts the signatures of an image where it goes. Raises PodError where there is no place for them."""
    if not isinstance(target, transports.Place):
        name, base = target, _directory(config, target)

        def put(_destination: Destination, digest: str, signatures: Iterable[bytes]) -> None:
            for one in signatures:
                signing.write(base, name, digest, one)

        return put
    if target.transport != "dir":
        raise PodError(
            f"Can not copy signatures to {target}: storing signatures there is not supported",
            hint="pod push --remove-signatures",
        )

    def add(destination: Destination, _digest: str, signatures: Iterable[bytes]) -> None:
        assert isinstance(destination, DirectoryDestination)
        destination.put_signatures(signatures)

    return add


def _signed(digest: str, name: Reference, key: str) -> bytes:
    return signing.sign(digest, name, key, creator=f"pod {__version__}", environment=os.environ)


def _directory(config: Config, name: Reference) -> str:
    """Return where registries.d says that signatures go."""
    settings = registries_d.load(trust.registries_d(config), trust.signatures(config))
    return signing.local_directory(settings.staging(name))


def named(text: str) -> Reference:
    """Return the name of an image at a registry. Raises PodError for those of other transports, which have none."""
    if transports.is_named(text):
        raise PodError(f"cannot determine canonical Docker reference for destination {text}")
    name = reference.normalize(text.removeprefix("docker://"))
    return name if name.digest is None else name.with_digest(name.digest)


def _digests(origin: Origin, text: str, *, each: bool) -> Iterator[str]:
    raw, content_type, digest = origin.manifest()
    if not each:
        yield digest
        return
    document = documents.parse_manifest(raw, content_type)
    if not isinstance(document, documents.Index):
        raise PodError(f"{text} is not a multi-architecture image (manifest type {document.media_type})")
    for one in document.manifests:
        yield origin.manifest(one.digest)[2]
