"""Copying images out: what goes out as it came, what is made anew, and what is remembered of it."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from storage import database, documents, images, transfer
from storage.compression import inflate
from storage.documents import DOCKER_MANIFEST, OCI_MANIFEST, Descriptor
from storage.errors import CorruptError, StorageError
from storage.outgoing import compressing
from storage.outgoing.compressing import Recipe, compress, recipe
from storage.outgoing.image import Request, copy_out
from storage.reference import normalize
from storage.registry.options import RegistryOptions
from storage.registry.origin import Clients, RegistryOrigin
from storage.store import Store
from tests.fakes.registry import FakeRegistry
from tests.fixtures.tars import archive, directory, file
from tests.fixtures.trusting import accept_anything
from tests.fixtures.unpacked import IS_ROOT, pieces

NOISE = random.Random(1).randbytes(1 << 20)
TARS = [
    archive(directory(b"d"), file(b"d/a", NOISE + b"text " * 300_000)),
    archive(file(b"b", b"second"), file(b"b", b"replaced")),
]


class Memory:
    """A destination that keeps everything, and verifies it."""

    def __init__(self, *types: str, plain: bool = False) -> None:
        self.manifest_types = types or (OCI_MANIFEST, DOCKER_MANIFEST)
        self.plain_layers = plain
        self.blobs: dict[str, bytes] = {}
        self.written: list[str] = []
        self.named: tuple[bytes, str] | None = None

    def has_blob(self, descriptor: Descriptor) -> bool:
        return descriptor.digest in self.blobs

    def put_blob(self, descriptor: Descriptor, chunks: Iterator[bytes]) -> None:
        data = b"".join(chunks)
        documents.check_digest(data, descriptor.digest, "blob")
        assert len(data) == descriptor.size
        self.blobs[descriptor.digest] = data
        self.written.append(descriptor.digest)

    def put_manifest(self, raw: bytes, media_type: str, digest: str) -> None:
        raise AssertionError("no index was written")

    def finish(self, raw: bytes, media_type: str) -> None:
        self.named = (raw, media_type)

    def close(self) -> None:
        pass

    def layers(self) -> list[tuple[str, bytes]]:
        """Media types and blobs of the image that was written."""
        assert self.named is not None
        return [(one["mediaType"], self.blobs[one["digest"]]) for one in json.loads(self.named[0])["layers"]]


def pulled(store: Store, *, layers: list[bytes], kind: str = "gzip", oci: bool = True) -> images.Image:
    """Pull an image of layers with these tars, compressed by somebody else."""
    options = RegistryOptions(retries=0)
    with FakeRegistry() as registry:
        blobs = [gzip.compress(one, mtime=7) if kind == "gzip" else one for one in layers]
        descriptors = [
            {"mediaType": documents.layer_type(kind, oci=oci), "digest": registry.add_blob(one), "size": len(one)}
            for one in blobs
        ]
        media_type = OCI_MANIFEST if oci else DOCKER_MANIFEST
        changes: dict[str, Any] = {"layers": descriptors, "mediaType": media_type}
        if not oci:
            raw = json.dumps({"os": "linux", "rootfs": {"diff_ids": [digest_of(one) for one in layers]}}).encode()
            config = {"mediaType": documents.DOCKER_CONFIG, "digest": registry.add_blob(raw), "size": len(raw)}
            changes["config"] = config
        registry.add_image("a/b", "latest", layers, changes)
        reference = normalize(f"{registry.domain}/a/b")
        origin = RegistryOrigin(Clients(options), reference)
        trust = accept_anything(options)
        return transfer.copy_in(
            store, origin, trust=trust, names=["x/y:1"], rootless=not IS_ROOT, single_id=not IS_ROOT
        )


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def inflated(blob: bytes) -> bytes:
    if blob[:2] == b"\x1f\x8b":
        return gzip.decompress(blob)
    return b"".join(inflate(pieces(blob)))


@pytest.mark.parametrize(
    "one",
    [recipe("gzip"), Recipe("gzip", "zlib", 4), recipe("gzip", 9), recipe("zstd"), recipe("zstd", 1)],
)
@pytest.mark.parametrize("size", [0, 1, 1 << 20, 3_500_000])
def test_compressing_gives_the_same_however_it_is_fed(one: Recipe, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data = (NOISE + b"text" * 1_000_000)[:size]
    first = b"".join(compress(pieces(data, 700_000), one))
    monkeypatch.setattr(compressing, "_cores", lambda: 7)
    assert b"".join(compress(pieces(data, 4096), one)) == first
    assert inflated(first) == data
    assert first[:10] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff" or one.kind == "zstd"
    assert compressing.parse(str(one)) == one


def test_zstd_takes_one_thread_whatever_processors_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compressing, "_cores", lambda: 7)
    before = len(os.listdir("/proc/self/task"))
    stream = compress(iter([NOISE] * 200), recipe("zstd"))
    assert max(len(os.listdir("/proc/self/task")) for _ in stream) == before + 1  # each has 25 MB of memory


@pytest.mark.parametrize(("kind", "level"), [("lz4", None), ("gzip", 0), ("gzip", 10), ("zstd", 23), ("", None)])
def test_no_such_compression(kind: str, level: int | None) -> None:
    with pytest.raises(StorageError, match="invalid compression"):
        recipe(kind, level)


def test_blobs_that_are_there_go_out_as_they_came(store: Store) -> None:
    image = pulled(store, layers=TARS)
    there = Memory()
    there.blobs = {digest_of(blob): blob for blob in (gzip.compress(one, mtime=7) for one in TARS)}
    assert copy_out(store, image, there, Request()) == image.digest
    assert there.named == (image.manifest, image.media_type)
    assert there.written == [f"sha256:{image.id}"]


def test_blobs_that_are_nowhere_are_made_anew_and_the_same_the_next_time(store: Store) -> None:
    image = pulled(store, layers=TARS)
    first, second = Memory(), Memory()
    digest = copy_out(store, image, first, Request())
    assert digest != image.digest
    assert [(kind, inflated(blob)) for kind, blob in first.layers()] == [
        (documents.layer_type("gzip"), TARS[0]),
        (documents.layer_type("gzip"), TARS[1]),
    ]
    assert copy_out(store, image, second, Request()) == digest
    assert second.blobs == first.blobs
    written = list(second.written)
    assert copy_out(store, image, second, Request()) == digest
    assert second.written == written


def test_what_once_was_somewhere_is_asked_for_there(store: Store) -> None:
    image = pulled(store, layers=TARS)
    kept = {digest_of(blob): blob for blob in (gzip.compress(one, mtime=7) for one in TARS)}
    there = Memory()
    assert copy_out(store, image, there, Request(original=lambda one: pieces(kept[one.digest], 1000))) == image.digest
    # One that is something else by now is no reason to fail.
    other = Memory()
    assert copy_out(store, image, other, Request(original=lambda _: iter([b"something else"]))) != image.digest
    assert [inflated(blob) for _, blob in other.layers()] == TARS


@pytest.mark.parametrize(
    ("oci", "wishes", "media_type", "layer"),
    [
        (True, {"compression": "zstd"}, OCI_MANIFEST, documents.layer_type("zstd")),
        (True, {"compression": "zstd:chunked"}, OCI_MANIFEST, documents.layer_type("zstd")),
        (True, {"compression": "zstd", "level": 1}, OCI_MANIFEST, documents.layer_type("zstd")),
        (True, {"compression": "none"}, OCI_MANIFEST, documents.layer_type("none")),
        (True, {"format": "v2s2"}, DOCKER_MANIFEST, documents.layer_type("gzip", oci=False)),
        (False, {}, DOCKER_MANIFEST, documents.layer_type("gzip", oci=False)),
        (False, {"format": "oci"}, OCI_MANIFEST, documents.layer_type("gzip")),
        (False, {"compression": "zstd"}, OCI_MANIFEST, documents.layer_type("zstd")),
    ],
)
def test_families_and_compressions(
    store: Store, oci: bool, wishes: dict[str, Any], media_type: str, layer: str
) -> None:
    image = pulled(store, layers=TARS, oci=oci)
    there = Memory()
    digest = copy_out(store, image, there, Request(**wishes))
    assert there.named is not None
    assert there.named[1] == media_type
    assert digest_of(there.named[0]) == digest
    assert [kind for kind, _ in there.layers()] == [layer, layer]
    assert isinstance(documents.parse_manifest(*there.named), documents.Manifest)


def test_chunked_layers_say_where_their_tables_are(store: Store) -> None:
    image = pulled(store, layers=TARS)
    there = Memory()
    digest = copy_out(store, image, there, Request(compression="zstd:chunked"))
    assert [inflated(blob) for _, blob in there.layers()] == TARS
    assert there.named is not None
    for one in json.loads(there.named[0])["layers"]:
        assert one["annotations"]["io.github.containers.zstd-chunked.manifest-checksum"]
    written = list(there.written)
    assert copy_out(store, image, there, Request(compression="zstd:chunked")) == digest
    assert copy_out(store, image, there, Request(compression="zstd")) == digest
    assert there.written == written
    # What is not there any more is made again, the same.
    again = Memory()
    assert copy_out(store, image, again, Request(compression="zstd:chunked")) == digest


def test_a_destination_of_plain_layers(store: Store) -> None:
    image = pulled(store, layers=TARS)
    there = Memory(DOCKER_MANIFEST, plain=True)
    copy_out(store, image, there, Request())
    assert there.layers() == [(documents.layer_type("none", oci=False), tar) for tar in TARS]


def test_layers_that_came_plain_stay_plain_and_those_that_never_left_are_compressed(store: Store) -> None:
    image = pulled(store, layers=TARS, kind="none")
    there = Memory()
    assert copy_out(store, image, there, Request()) == image.digest
    with database.transaction(store.connection) as connection:
        connection.execute("DELETE FROM layer_blob")  # as after a commit
    copy_out(store, image, there, Request())
    assert [kind for kind, _ in there.layers()] == [documents.layer_type("gzip")] * 2


def test_what_is_compressed_otherwise_will_do_unless_it_is_forced(store: Store) -> None:
    image = pulled(store, layers=TARS)
    there = Memory()
    copy_out(store, image, there, Request())
    copy_out(store, image, there, Request(compression="zstd", force=False))
    assert [kind for kind, _ in there.layers()] == [documents.layer_type("gzip")] * 2
    copy_out(store, image, there, Request(compression="zstd"))
    assert [kind for kind, _ in there.layers()] == [documents.layer_type("zstd")] * 2


@pytest.mark.parametrize("wishes", [{"format": "v2s2", "compression": "zstd"}, {"format": "v3"}])
def test_what_does_not_go_together(store: Store, wishes: dict[str, Any]) -> None:
    there = Memory()
    with pytest.raises(StorageError):
        copy_out(store, pulled(store, layers=TARS), there, Request(**wishes))
    assert not there.written


@pytest.mark.parametrize("compression", [None, "none"])
def test_a_damaged_layer_does_not_go_out(store: Store, compression: str | None) -> None:
    image = pulled(store, layers=TARS[:1])
    path = Path(store.layer_path(image.layers[0]), "diff/d/a")
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    there = Memory()
    with pytest.raises(CorruptError, match=r"damaged|does not match"):
        copy_out(store, image, there, Request(compression=compression))
    assert there.named is None


def test_an_image_that_goes_meanwhile(store: Store) -> None:
    image = pulled(store, layers=TARS)
    images.remove(store, image.id, force=True)
    with pytest.raises(StorageError, match="removed meanwhile"):
        copy_out(store, image, Memory(), Request())
