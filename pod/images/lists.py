"""Lists of manifests: what is added to them, and what they say of it (podman-manifest(1))."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pod.errors import PodError
from pod.images import transports
from storage import documents, images, lists, platform, reference
from storage.errors import ImageNotFoundError
from storage.registry.origin import Clients, RegistryOrigin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pod.config import Config
    from pod.engine import Engine
    from storage.lists import ManifestList
    from storage.registry.options import RegistryOptions
    from storage.transports.protocols import Origin

_DOCKER = "docker://"
_STORE = "containers-storage:"


@dataclass(frozen=True)
class Changes:
    """What is said of a member otherwise than it says itself; what is empty stays."""

    annotations: Mapping[str, str] | None = None
    architecture: str = ""
    os: str = ""
    variant: str = ""
    os_version: str = ""
    features: tuple[str, ...] = ()
    os_features: tuple[str, ...] = ()

    def apply(self, member: dict[str, Any]) -> None:
        """Write into a member's descriptor."""
        said = {
            "architecture": self.architecture,
            "os": self.os,
            "os.version": self.os_version,
            "os.features": list(self.os_features),
            "variant": self.variant,
            "features": list(self.features),
        }
        changed = {name: value for name, value in said.items() if value}
        if changed:
            member["platform"] = {**(member.get("platform") or {}), **changed}
        if self.annotations:
            member["annotations"] = {**(member.get("annotations") or {}), **self.annotations}


def add(engine: Engine, list_id: str, text: str, options: RegistryOptions, *, all: bool, changes: Changes) -> list[str]:
    """Add an image to a list, from the store or from where a transport leads; return the digests of what was added.

    Of a list, the image for this machine is added, or with `all` all of them.
    """
    found = _found(engine, text, options, all=all)

    def put(target: ManifestList) -> None:
        for member, source in found:
            changes.apply(member)
            lists.put(target, member, source)

    lists.change(engine.store, list_id, put)
    return [member["digest"] for member, _ in found]


def annotate(engine: Engine, list_id: str, annotations: Mapping[str, str]) -> None:
    """Set annotations of a list itself."""

    def change(found: ManifestList) -> None:
        found.document["annotations"] = {**(found.document.get("annotations") or {}), **annotations}

    lists.change(engine.store, list_id, change)


def member_digest(engine: Engine, text: str) -> str:
    """Return the digest of a member, which is named by it or by an image of the store."""
    return text if text.startswith("sha256:") else images.resolve(engine.store, text).digest


def take_out(engine: Engine, list_id: str, name: str, digest: str) -> None:
    """Take a member out of a list. Raises PodError, with the list's name, if it has no such member."""

    def change(found: ManifestList) -> None:
        kept = [member for member in found.members if member["digest"] != digest]
        if len(kept) == len(found.members):
            raise PodError(
                f'removing from manifest list {name}: no instance matching digest "{digest}" found in manifest list'
            )
        found.document["manifests"] = kept

    lists.change(engine.store, list_id, change)


def contents(engine: Engine, text: str, options: RegistryOptions) -> dict[str, Any]:
    """Return a list of the store, else what a registry has under this name: an image that was pulled may be of a list.

    Raises NotListError for the ID of an image.
    """
    try:
        return lists.find(engine.store, text).document
    except ImageNotFoundError:
        return remote(options, text)
    except lists.NotListError:
        name = images.find(engine.store, text)[1]
        if name is None:
            raise
        return remote(options, name)


def remote(options: RegistryOptions, text: str) -> dict[str, Any]:
    """Return the manifest or index that a registry has under a name."""
    origin = RegistryOrigin(Clients(options), reference.normalize(text.removeprefix(_DOCKER)))
    try:
        raw, content_type, _ = origin.manifest()
    finally:
        origin.close()
    documents.parse_manifest(raw, content_type)
    found: dict[str, Any] = json.loads(raw)
    return found


def origin_of(config: Config, options: RegistryOptions, source: str, stack: ExitStack) -> Origin:
    """Open what a member's source names; what has to be closed with it is left to the stack."""
    if source.startswith(_DOCKER):
        return RegistryOrigin(Clients(options), reference.normalize(source.removeprefix(_DOCKER)))
    return stack.enter_context(transports.opened(config, transports.parse(source))).origin


def _found(engine: Engine, text: str, options: RegistryOptions, *, all: bool) -> list[tuple[dict[str, Any], str]]:
    """List what a text stands for: descriptors, each with its source."""
    local = text.removeprefix(_STORE)
    if local != text or not (text.startswith(_DOCKER) or transports.is_named(text)):
        known = lists.known(engine.store, local)
        if known is not None:
            return _of_list(known[0], text, all=all)
        try:
            return [member_of(images.resolve(engine.store, local))]
        except ImageNotFoundError:
            if local != text:
                raise
    named = transports.is_named(text)
    source = text if named else f"{_DOCKER}{reference.normalize(text.removeprefix(_DOCKER))}"
    with ExitStack() as stack:
        origin = origin_of(engine.config, options, source, stack)
        stack.callback(origin.close)
        return [(member, source) for member in _of_origin(origin, all=all)]


def _of_list(found: ManifestList, text: str, *, all: bool) -> list[tuple[dict[str, Any], str]]:
    if not all:
        raise PodError(f"{text} is a manifest list", hint="add its images with --all")
    return [(dict(one), found.sources[one["digest"]]) for one in found.members]


def member_of(image: images.Image) -> tuple[dict[str, Any], str]:
    """Return what a list says of an image of the store, and where it comes from."""
    member = {"mediaType": image.media_type, "digest": image.digest, "size": len(image.manifest)}
    member["platform"] = _platform(json.loads(image.config))
    return member, f"{lists.LOCAL}{image.id}"


def _of_origin(origin: Origin, *, all: bool) -> list[dict[str, Any]]:
    raw, content_type, digest = origin.manifest()
    document = documents.parse_manifest(raw, content_type)
    if isinstance(document, documents.Index):
        entries: list[dict[str, Any]] = json.loads(raw)["manifests"] or []
        if all:
            return entries
        chosen = platform.choose(document, platform.host()).digest
        return [one for one in entries if one["digest"] == chosen][:1]
    member: dict[str, Any] = {"mediaType": document.media_type, "digest": digest, "size": len(raw)}
    if document.config.media_type in (documents.OCI_CONFIG, documents.DOCKER_CONFIG):
        member["platform"] = _platform(documents.parse_config(origin.blob(document.config)).document)
    return [member]


def _platform(config: dict[str, Any]) -> dict[str, Any]:
    names = ("architecture", "os", "os.version", "os.features", "variant")
    return {name: config[name] for name in names if config.get(name)}
