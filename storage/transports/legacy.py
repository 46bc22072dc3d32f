"""Archives that docker wrote before 1.10: `repositories`, and for each layer ID/json and ID/layer.tar.

There is no config with diffIDs: one is made from the json of the topmost layer and the digests of the tars.
Source: docker's image-spec 1.0, "Combined Image JSON + Filesystem Changeset Format".
"""

from __future__ import annotations

import hashlib
import json
from functools import partial
from typing import TYPE_CHECKING, Any

from storage import documents, reference
from storage.errors import CorruptError
from storage.transports.files import inflated, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from storage.transports.files import Files

_MAX_LAYERS = 1000
_MAX_JSON = 16 << 20
_HEX = frozenset("0123456789abcdef")
# What of a layer's json belongs to an image's config.
_KEPT = ("architecture", "author", "config", "created", "docker_version", "os")


def images(files: Files) -> Iterator[tuple[Callable[[], bytes], tuple[str, ...], tuple[str, ...]]]:
    """Yield of each image what gives its config, its layers, and its names."""
    named: dict[str, list[str]] = {}
    for repository, tags in _object(files, "repositories").items():
        if not isinstance(tags, dict):
            raise CorruptError(f"{files.path}: repositories: not an object of tags")
        for tag, top in tags.items():
            named.setdefault(_identifier(top), []).append(str(reference.parse(repository).with_tag(tag)))
    room = _MAX_JSON
    for top, names in named.items():
        chain = _chain(files, top, room)
        room -= sum(files.size(f"{one}/json") for one, _ in chain)
        layers = tuple(f"{one}/layer.tar" for one, _ in chain)
        yield partial(_config, files, chain, layers), layers, tuple(names)


def _chain(files: Files, top: str, room: int) -> list[tuple[str, dict[str, Any]]]:
    """List the layers of an image from the bottom up, each with its json; all of these together have so much room."""
    chain: list[tuple[str, dict[str, Any]]] = []
    current = top
    while current:
        if len(chain) >= _MAX_LAYERS or any(current == one for one, _ in chain):
            raise CorruptError(f"{files.path}: layer {top} has too many parents, or is one of its own")
        room -= files.size(f"{current}/json")
        if room < 0:
            raise CorruptError(f"{files.path}: the layers of all images say more than {_MAX_JSON} bytes of themselves")
        document = _object(files, f"{current}/json")
        chain.append((current, document))
        parent = document.get("parent")
        current = _identifier(parent) if parent else ""
    return chain[::-1]


def _config(files: Files, chain: list[tuple[str, dict[str, Any]]], layers: tuple[str, ...]) -> bytes:
    top = chain[-1][1]
    document = {key: top[key] for key in _KEPT if top.get(key) is not None}
    document.setdefault("architecture", "amd64")
    document.setdefault("os", "linux")
    document["rootfs"] = {"type": "layers", "diff_ids": [_diff_id(files, name) for name in layers]}
    document["history"] = [
        {key: one[key] for key in ("created", "author", "comment") if isinstance(one.get(key), str)} for _, one in chain
    ]
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()


def _diff_id(files: Files, name: str) -> str:
    hasher = hashlib.sha256()
    for piece in inflated(files.chunks(name), files.path):
        hasher.update(piece)
    return f"sha256:{hasher.hexdigest()}"


def _object(files: Files, name: str) -> dict[str, Any]:
    try:
        found = json.loads(read(files, name, documents.MAX_DOCUMENT))
    except (ValueError, RecursionError) as error:
        raise CorruptError(f"{files.path}: {name} is not valid JSON: {error}"[:500]) from None
    if not isinstance(found, dict):
        raise CorruptError(f"{files.path}: {name} is not an object")
    return found


def _identifier(value: object) -> str:
    if not isinstance(value, str) or len(value) != 64 or not _HEX.issuperset(value):
        raise CorruptError("repositories: the ID of a layer is malformed")
    return value
