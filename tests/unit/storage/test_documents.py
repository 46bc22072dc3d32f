"""Manifests, indexes and configs: what specifications allow is read, everything else refused with one clear error."""

from __future__ import annotations

import base64
import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage import documents
from storage.documents import Index, Manifest
from storage.errors import CorruptError, StorageError

DIGEST = "sha256:" + "a" * 64
CONFIG = {"mediaType": documents.OCI_CONFIG, "digest": DIGEST, "size": 2}
LAYER = {"mediaType": documents.OCI_LAYER + "+gzip", "digest": DIGEST, "size": 3}


def manifest(**changes: Any) -> bytes:
    """Make a good manifest with changes; a change to `...` removes the key."""
    document = {"schemaVersion": 2, "mediaType": documents.OCI_MANIFEST, "config": CONFIG, "layers": [LAYER], **changes}
    return json.dumps({key: value for key, value in document.items() if value is not ...}).encode()


def index(*entries: Any, **changes: Any) -> bytes:
    """Make an index."""
    document = {"schemaVersion": 2, "mediaType": documents.OCI_INDEX, "manifests": list(entries), **changes}
    return json.dumps({key: value for key, value in document.items() if value is not ...}).encode()


def test_manifest() -> None:
    raw = manifest(annotations={"a": "b"})
    found = documents.parse_manifest(raw, documents.OCI_MANIFEST + "; charset=utf-8")
    assert isinstance(found, Manifest)
    assert found.raw == raw
    assert found.config.digest == DIGEST
    assert [layer.size for layer in found.layers] == [3]
    assert found.annotations == {"a": "b"}
    documents.check_image(found)


@pytest.mark.parametrize(
    ("raw", "content_type", "media_type"),
    [
        (manifest(mediaType=...), "", documents.OCI_MANIFEST),
        (manifest(mediaType=...), "text/plain", documents.OCI_MANIFEST),
        (manifest(mediaType=...), documents.DOCKER_MANIFEST, documents.DOCKER_MANIFEST),
        (manifest(mediaType=documents.DOCKER_MANIFEST), "application/json", documents.DOCKER_MANIFEST),
        (manifest(layers=None), documents.OCI_MANIFEST, documents.OCI_MANIFEST),
        (index(), documents.OCI_INDEX, documents.OCI_INDEX),
        (index(mediaType=...), "", documents.OCI_INDEX),
        (index(mediaType=documents.DOCKER_LIST), "", documents.DOCKER_LIST),
    ],
)
def test_media_type(raw: bytes, content_type: str, media_type: str) -> None:
    assert documents.parse_manifest(raw, content_type).media_type == media_type


@pytest.mark.parametrize(
    ("raw", "content_type", "message"),
    [
        (b"", "", "not valid JSON"),
        (b"{", "", "not valid JSON"),
        (b"[]", "", "not an object"),
        (b"\xff\xfe", "", "not valid JSON"),
        (b'{"schemaVersion": NaN}', "", "not valid JSON"),
        (b"[" * 200_000, "", "nested too deeply"),
        (b"1" * 5000, "", "not valid JSON"),
        (b" " * ((4 << 20) + 1), "", "larger than 4 MiB"),
        (manifest(schemaVersion=3), "", "schemaVersion"),
        (manifest(manifests=[]), "", "ambiguous"),
        (index(layers=[]), "", "ambiguous"),
        (index(config=CONFIG), "", "ambiguous"),
        (manifest(fsLayers=[]), "", "schema version 1"),
        (manifest(), documents.OCI_INDEX, "served as"),
        (index(), documents.OCI_MANIFEST, "served as"),
        (manifest(mediaType=...), documents.OCI_INDEX, "no manifests"),
        (index(mediaType=...), documents.OCI_MANIFEST, "no config"),
        (manifest(mediaType="text/html"), "", "unsupported media type"),
        (manifest(mediaType=7), "", "not a string"),
        (manifest(config=...), "", "no config"),
        (manifest(config=[]), "", "not an object"),
        (manifest(layers={}), "", "not a list"),
        (manifest(layers=[LAYER] * 10_001), "", "too many"),
        (manifest(layers=[{**LAYER, "size": -1}]), "", "bad size"),
        (manifest(layers=[{**LAYER, "size": True}]), "", "bad size"),
        (manifest(layers=[{**LAYER, "size": 1.0}]), "", "bad size"),
        (manifest(layers=[{**LAYER, "size": 1 << 63}]), "", "bad size"),
        (manifest(layers=[{**LAYER, "digest": "sha256:../../etc"}]), "", "invalid digest"),
        (manifest(layers=[{**LAYER, "digest": "md5:" + "0" * 32}]), "", "invalid digest"),
        (manifest(layers=[{**LAYER, "digest": None}]), "", "digest"),
        (manifest(layers=[{**LAYER, "mediaType": ""}]), "", "no mediaType"),
        (manifest(layers=[{**LAYER, "urls": ["a", 1]}]), "", "urls"),
        (manifest(layers=[{**LAYER, "annotations": {"a": 1}}]), "", "annotations"),
        (manifest(layers=[{**LAYER, "data": "AAAA"}]), "", "digest does not match"),
        (manifest(layers=[{**LAYER, "data": "AAA"}]), "", "base64"),
        (manifest(layers=[{**LAYER, "data": "AAAAAA=="}]), "", "bytes instead of"),
        (index({**CONFIG, "platform": []}), "", "platform"),
        (index({**CONFIG, "platform": {"os": 1}}), "", "platform"),
        (index(7), "", "not an object"),
    ],
)
def test_refuse(raw: bytes, content_type: str, message: str) -> None:
    with pytest.raises(CorruptError, match=message):
        documents.parse_manifest(raw, content_type)


@pytest.mark.parametrize(
    ("raw", "content_type"),
    [
        (b'{"schemaVersion": 1, "fsLayers": [], "history": []}', ""),
        (b'{"schemaVersion": 1, "fsLayers": []}', documents.DOCKER_SCHEMA1_SIGNED),
        (manifest(mediaType=documents.DOCKER_SCHEMA1), ""),
    ],
)
def test_schema_1_has_a_hint(raw: bytes, content_type: str) -> None:
    with pytest.raises(StorageError, match="schema version 1") as caught:
        documents.parse_manifest(raw, content_type)
    assert "skopeo copy" in caught.value.hint


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"config": {**CONFIG, "mediaType": "application/vnd.cncf.helm.config.v1+json"}}, "helm"),
        ({"config": {**CONFIG, "mediaType": documents.OCI_EMPTY}, "artifactType": "text/poem"}, "text/poem"),
        ({"layers": [{**LAYER, "mediaType": "application/vnd.in-toto+json"}]}, "in-toto"),
        ({"layers": [{**LAYER, "mediaType": documents.OCI_LAYER + "+gzip+encrypted"}]}, "encrypted"),
    ],
)
def test_what_is_no_image(changes: dict[str, Any], message: str) -> None:
    found = documents.parse_manifest(manifest(**changes))
    assert isinstance(found, Manifest)
    with pytest.raises(StorageError, match=message):
        documents.check_image(found)


def test_inline_data() -> None:
    data = b"hello"
    layer = {**LAYER, "digest": documents.digest_of(data), "size": 5, "data": base64.b64encode(data).decode()}
    found = documents.parse_manifest(manifest(layers=[layer]))
    assert isinstance(found, Manifest)
    assert found.layers[0].data == data


def test_index_and_attestations() -> None:
    entry = {"mediaType": documents.OCI_MANIFEST, "digest": DIGEST, "size": 1}
    found = documents.parse_manifest(
        index(
            {**entry, "platform": {"os": "linux", "architecture": "arm", "variant": "v7"}},
            {**entry, "platform": {"os": "unknown", "architecture": "unknown"}},
            {**entry, "annotations": {"vnd.docker.reference.type": "attestation-manifest"}},
            entry,
        )
    )
    assert isinstance(found, Index)
    assert [str(one.platform) for one in found.manifests] == ["linux/arm/v7", "unknown/unknown", "None", "None"]
    assert [one.is_attestation for one in found.manifests] == [False, True, True, False]


def test_config() -> None:
    raw = json.dumps(
        {"os": "linux", "architecture": "arm64", "variant": "v8", "rootfs": {"diff_ids": [DIGEST]}}
    ).encode()
    one_layer = documents.parse_manifest(manifest())
    assert isinstance(one_layer, Manifest)
    found = documents.parse_config(raw, one_layer)
    assert (found.diff_ids, found.os, found.architecture, found.variant) == ((DIGEST,), "linux", "arm64", "v8")
    two_layers = documents.parse_manifest(manifest(layers=[LAYER, LAYER]))
    assert isinstance(two_layers, Manifest)
    with pytest.raises(CorruptError, match="1 diff_ids for 2 layers"):
        documents.parse_config(raw, two_layers)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"rootfs": []},
        {"rootfs": {"type": "other", "diff_ids": []}},
        {"rootfs": {"diff_ids": {}}},
        {"rootfs": {"diff_ids": ["sha256:x"]}},
        {"rootfs": {"diff_ids": ["sha512:" + "a" * 128]}},
        {"rootfs": {"diff_ids": []}, "os": 1},
        {"rootfs": {"diff_ids": []}, "config": []},
        {"rootfs": {"diff_ids": []}, "os": "\ud800"},
    ],
)
def test_bad_config(document: dict[str, Any]) -> None:
    with pytest.raises(CorruptError):
        documents.parse_config(json.dumps(document).encode())


def test_check_digest() -> None:
    for algorithm in ("sha256", "sha384", "sha512"):
        documents.check_digest(b"x", documents.digest_of(b"x", algorithm), "blob")
    with pytest.raises(CorruptError, match=r"^blob: digest does not match: expected sha256:.*, got sha256:"):
        documents.check_digest(b"y", documents.digest_of(b"x"), "blob")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    ["schemaVersion", "mediaType", "config", "layers", "manifests", "annotations", "artifactType", "fsLayers", "rootfs"]
)


@given(st.dictionaries(KEYS, JSON), st.sampled_from(["", *documents.ACCEPTED]))
def test_any_document_is_read_or_refused_with_our_errors(changes: dict[str, Any], content_type: str) -> None:
    for start in (manifest(), index(CONFIG)):
        raw = json.dumps({**json.loads(start), **changes}).encode()
        with contextlib.suppress(StorageError):
            documents.parse_manifest(raw, content_type)
        with contextlib.suppress(StorageError):
            documents.parse_config(raw)


@given(st.binary(max_size=200))
def test_any_bytes(raw: bytes) -> None:
    with pytest.raises(CorruptError):
        documents.parse_manifest(raw)
