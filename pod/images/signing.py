"""Signing images of registries: their manifests are fetched, and the signatures put into lookaside storage."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pod import __version__, trust
from pod.errors import PodError
from pod.images import transports
from storage import documents, reference
from storage.registry.origin import Clients, RegistryOrigin
from storage.trust import registries_d, signing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pod.config import Config
    from pod.images.transports import Place
    from storage.reference import Reference
    from storage.registry.options import RegistryOptions
    from storage.transports.protocols import Origin


def sign(config: Config, text: str, options: RegistryOptions, *, key: str, directory: str, each: bool) -> None:
    """Sign what a name stands for: with `each` the manifests of an index, else its own.

    `directory` is where signatures go, "" for where registries.d says.
    """
    name = named(text)
    base = directory or _directory(config, name)
    clients = Clients(options)
    try:
        for digest in _digests(RegistryOrigin(clients, name), text, each=each):
            made = signing.sign(digest, name, key, creator=f"pod {__version__}", environment=os.environ)
            signing.write(base, name, digest, made)
    finally:
        clients.close()


def signer(config: Config, target: Reference | Place, key: str) -> Callable[[str], None]:
    """Return what signs the manifest of a digest that was written to a target. Raises PodError where that cannot be."""
    if isinstance(target, transports.Place):
        raise PodError(f"cannot determine canonical Docker reference for destination {target}")
    base = _directory(config, target)

    def sign_digest(digest: str) -> None:
        made = signing.sign(digest, target, key, creator=f"pod {__version__}", environment=os.environ)
        signing.write(base, target, digest, made)

    return sign_digest


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
