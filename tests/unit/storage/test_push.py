"""Pushing to a registry: what was pulled keeps its digests, and nothing is sent twice."""

from __future__ import annotations

import gzip

from storage import documents, images, transfer
from storage.outgoing.push import push
from storage.reference import normalize
from storage.registry.options import RegistryOptions
from storage.store import Store
from tests.fakes.registry import Basic, Bearer, FakeRegistry
from tests.fixtures.tars import archive, directory, file
from tests.fixtures.trusting import accept_anything
from tests.fixtures.unpacked import IS_ROOT

TARS = [archive(directory(b"d"), file(b"d/a", b"data" * 400_000)), archive(file(b"b", b"second"))]
OPTIONS = RegistryOptions(retries=0, connect_timeout=30)
TRUST = accept_anything(OPTIONS)


def pulled(store: Store, registry: FakeRegistry) -> images.Image:
    blobs = [gzip.compress(one, mtime=7) for one in TARS]
    kind = documents.layer_type("gzip")
    layers = [{"mediaType": kind, "digest": registry.add_blob(one), "size": len(one)} for one in blobs]
    registry.add_image("a/b", "latest", TARS, {"layers": layers})
    reference = normalize(f"{registry.domain}/a/b")
    return transfer.pull(store, reference, options=OPTIONS, trust=TRUST, rootless=not IS_ROOT, single_id=not IS_ROOT)


def uploaded(registry: FakeRegistry) -> int:
    return sum(one.method == "POST" and "mount" not in one.query for one in registry.seen("/uploads/"))


def test_to_another_registry_as_it_came(store: Store) -> None:
    with FakeRegistry() as first, FakeRegistry() as second:
        image = pulled(store, first)
        assert push(store, image, normalize(f"{second.domain}/x/y:1"), options=OPTIONS) == image.digest
        assert second.manifests["x/y", "1"] == (image.manifest, image.media_type)
        assert second.blobs.items() <= first.blobs.items()
        assert uploaded(second) == 3
        # Now it is known to be here too.
        assert push(store, image, normalize(f"{second.domain}/z:2"), options=OPTIONS) == image.digest
        assert uploaded(second) == 4  # the config's
    with FakeRegistry() as third:
        # Nobody has the blobs any more.
        notes = Notes()
        digest = push(store, image, normalize(f"{third.domain}/x/y:1"), options=OPTIONS, progress=notes)
        assert digest != image.digest
        assert notes.texts == [f"The manifest changes with its blobs: {image.digest} becomes {digest}"]
        assert push(store, image, normalize(f"{third.domain}/x/y:2"), options=OPTIONS) == digest
        assert uploaded(third) == 3


def test_to_another_repository_of_the_same_registry(store: Store) -> None:
    with FakeRegistry() as registry:
        registry.auth = Bearer(registry)
        image = pulled(store, registry)
        assert push(store, image, normalize(f"{registry.domain}/x/y:1"), options=OPTIONS) == image.digest
        assert uploaded(registry) == 1
        assert push(store, image, normalize(f"{registry.domain}/a/b:again"), options=OPTIONS) == image.digest
        assert uploaded(registry) == 1


def test_credentials_of_a_push_stay_at_their_registry(store: Store) -> None:
    with FakeRegistry() as first, FakeRegistry() as second:
        image = pulled(store, first)
        second.auth = Basic()
        before = len(first.requests)
        options = RegistryOptions(retries=0, credentials=("user", "password"))
        push(store, image, normalize(f"{second.domain}/x/y"), options=options)
        asked = first.requests[before:]
        assert asked
        assert all(one.headers.get("Authorization") is None for one in asked)


class Notes(transfer.NoProgress):
    """Keeps what the user is told."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        self.texts.append(text)
