"""Uploads: what a registry may do to them, and that nothing is sent that it has."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

import pytest

from storage import documents
from storage.documents import Descriptor, digest_of
from storage.errors import RegistryError, StorageError, UnauthorizedError
from storage.reference import normalize
from storage.registry import uploads
from storage.registry.client import RegistryClient
from storage.registry.destination import RegistryDestination
from storage.registry.options import RegistryOptions
from tests.fakes.actions import after, answer, forgetting, headers, hung_up, redirect, status, too_many
from tests.fakes.registry import Action, Basic, Bearer, FakeRegistry

LARGE = random.Random(2).randbytes(3 << 20)
SMALL = b"a small blob"
OPTIONS = RegistryOptions(retries=2, retry_delay=0.001, credentials=("user", "password"))


def descriptor(data: bytes) -> Descriptor:
    return Descriptor(documents.layer_type("gzip"), digest_of(data), len(data))


class Source:
    """Bytes, and from where they were read."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.offsets: list[int] = []

    def __call__(self, offset: int) -> Iterator[bytes]:
        self.offsets.append(offset)
        for start in range(offset, len(self.data), 100_000):
            yield self.data[start : start + 100_000]


def place(registry: FakeRegistry, name: str = "a/b:tag", *others: str) -> RegistryDestination:
    client = RegistryClient(registry.domain, OPTIONS)
    return RegistryDestination(client, normalize(f"{registry.domain}/{name}"), OPTIONS, lambda _: others)


def sent(registry: FakeRegistry) -> list[str]:
    return [one.method for one in registry.seen("/uploads/")]


@pytest.mark.parametrize("located", ["{path}?_state=a%2Fb", "{url}{path}?_state=a%2Fb", "{path}"])
def test_wherever_the_upload_is(registry: FakeRegistry, located: str) -> None:
    registry.located = located
    there = place(registry)
    for data in (SMALL, LARGE):
        there.send_blob(descriptor(data), Source(data))
        assert registry.blobs[digest_of(data)] == data
        assert there.has_blob(descriptor(data))
    assert sent(registry) == ["POST", "PUT", "POST", "PATCH", "PUT"]


def test_an_empty_blob(registry: FakeRegistry) -> None:
    place(registry).put_blob(descriptor(b""), iter([]))
    assert registry.blobs[digest_of(b"")] == b""


@pytest.mark.parametrize("kept", [0, 1, 1_234_567])
def test_an_upload_that_breaks_goes_on(registry: FakeRegistry, kept: int) -> None:
    source = Source(LARGE)
    registry.script("/uploads/upload", forgetting(registry, kept), status(503))
    place(registry).send_blob(descriptor(LARGE), source)
    assert registry.blobs[digest_of(LARGE)] == LARGE
    assert source.offsets == [0, kept if kept > 1 else 0]  # one byte is not told from none
    if kept > 1:
        assert registry.seen("/uploads/upload")[-2].headers["Content-Range"] == f"{kept}-{len(LARGE) - 1}"


@pytest.mark.parametrize("action", [status(500), status(502), too_many("0"), hung_up(), status(416)])
def test_what_passes_is_tried_again(registry: FakeRegistry, action: Action) -> None:
    registry.script("/uploads/upload", action)
    place(registry).send_blob(descriptor(LARGE), Source(LARGE))
    assert registry.blobs[digest_of(LARGE)] == LARGE


def test_a_lost_answer_to_the_last_request(registry: FakeRegistry) -> None:
    registry.script("/uploads/upload", lambda exchange: exchange.send(exchange.answer), hung_up())
    place(registry).send_blob(descriptor(LARGE), Source(LARGE))
    assert sent(registry).count("PATCH") == 1


def test_pieces_are_as_long_as_the_registry_wants_them(registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "_PIECE", 1 << 20)
    registry.least_piece = 1 << 10
    place(registry).send_blob(descriptor(LARGE), Source(LARGE))
    assert sent(registry) == ["POST", "PATCH", "PATCH", "PATCH", "PUT"]
    assert registry.blobs[digest_of(LARGE)] == LARGE


@pytest.mark.parametrize("auth", ["basic", "bearer"])
def test_authorization(registry: FakeRegistry, auth: str) -> None:
    registry.auth = Basic() if auth == "basic" else Bearer(registry, user="user")
    there = place(registry)
    assert not there.has_blob(descriptor(LARGE))
    there.fresh().send_blob(descriptor(LARGE), Source(LARGE))
    assert registry.blobs[digest_of(LARGE)] == LARGE
    assert len(registry.seen("/token")) == (0 if auth == "basic" else 1)


def test_a_token_that_expires_on_the_way(registry: FakeRegistry) -> None:
    auth = registry.auth = Bearer(registry, user="user")
    source = Source(LARGE)
    registry.script("/uploads/", after(auth.revoke))
    place(registry).send_blob(descriptor(LARGE), source)
    assert registry.blobs[digest_of(LARGE)] == LARGE
    assert [one.method for one in registry.requests if one.path == "/token"] == ["GET", "GET"]
    assert source.offsets == [0, 0]  # opened again, not sent on from where it was


def test_other_credentials_are_asked_for_once(registry: FakeRegistry) -> None:
    registry.auth = Basic(password="other")
    with pytest.raises(UnauthorizedError):
        place(registry).send_blob(descriptor(LARGE), Source(LARGE))
    assert len(registry.requests) == 2


@pytest.mark.parametrize("bearer", [False, True])
def test_mounting(registry: FakeRegistry, bearer: bool) -> None:
    registry.add_image("other/one", "latest", [LARGE])
    registry.auth = Bearer(registry, user="user") if bearer else None
    there = place(registry, "a/b:tag", "a/b", "nowhere", "other/one")
    assert there.has_blob(descriptor(LARGE))
    assert sent(registry) == ["POST", "POST"]
    there.close()
    assert not registry.uploads


def test_a_refused_mount_is_gone_on_with(registry: FakeRegistry) -> None:
    registry.mounts = False
    there = place(registry, "a/b:tag", "other/one")
    assert not there.has_blob(descriptor(LARGE))
    there.send_blob(descriptor(LARGE), Source(LARGE))
    assert sent(registry) == ["POST", "PATCH", "PUT"]


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (status(413), "413 Request Entity Too Large"),
        (answer(400, b"<html>no</html>"), "400 Bad Request"),
        (answer(403, b""), "denied"),
        (redirect("http://127.0.0.1:1/elsewhere"), "refusing to send an upload on"),
    ],
)
def test_what_does_not_pass_is_one_line(registry: FakeRegistry, action: Action, message: str) -> None:
    registry.script("/uploads/upload", action)
    with pytest.raises(StorageError, match=message) as caught:
        place(registry).send_blob(descriptor(LARGE), Source(LARGE))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("writing blob: ")


def test_patience_ends(registry: FakeRegistry) -> None:
    registry.script("/uploads/", *[status(503)] * 40)
    with pytest.raises(RegistryError, match="503"):
        place(registry).send_blob(descriptor(LARGE), Source(LARGE))
    assert len(registry.requests) < 15


def test_a_source_that_ends_early(registry: FakeRegistry) -> None:
    with pytest.raises(RegistryError, match="early"):
        place(registry).send_blob(descriptor(LARGE), Source(LARGE[:-5]))


def test_other_bytes_are_refused_by_the_registry(registry: FakeRegistry) -> None:
    with pytest.raises(StorageError, match="digest"):
        place(registry).send_blob(descriptor(LARGE), Source(LARGE[:-1] + b"!"))
    assert digest_of(LARGE) not in registry.blobs


def test_uploads_elsewhere_get_no_credentials(registry: FakeRegistry) -> None:
    registry.auth = Basic()
    with FakeRegistry() as elsewhere:
        elsewhere.uploads["upload-2"] = bytearray()
        registry.script(
            "/uploads/",
            answer(202, headers={"Location": elsewhere.url + "/v2/a/b/blobs/uploads/upload-2?_state=a%2Fb"}),
        )
        place(registry).send_blob(descriptor(SMALL), Source(SMALL))
        assert elsewhere.blobs[digest_of(SMALL)] == SMALL
        assert [one.headers.get("Authorization") for one in elsewhere.requests] == [None]


@pytest.mark.parametrize("known", [False, True])
def test_referrers_are_listed_by_somebody(registry: FakeRegistry, known: bool) -> None:
    subject = "sha256:" + "5" * 64
    tag = ("a/b", "sha256-" + "5" * 64)
    manifests = [
        json.dumps({"artifactType": f"x/{number}", "subject": {"digest": subject}, "annotations": {"a": "b"}}).encode()
        for number in (1, 2)
    ]
    if known:
        registry.script("/manifests/", headers(OCI_Subject=subject), headers(OCI_Subject=subject))
    for raw in (*manifests, *([] if known else [manifests[0]])):
        place(registry, "a/b:one").finish(raw, documents.OCI_MANIFEST)
    if known:
        assert tag not in registry.manifests
        return
    listed = json.loads(registry.manifests[tag][0])["manifests"]
    assert [one["digest"] for one in listed] == [digest_of(raw) for raw in manifests]
    assert [one["artifactType"] for one in listed] == ["x/1", "x/2"]
    assert listed[0]["annotations"] == {"a": "b"}


def test_manifests_by_tag_and_digest(registry: FakeRegistry) -> None:
    config = b"{}"
    there = place(registry)
    there.put_blob(descriptor(config), iter([config]))
    raw = json.dumps({"config": {"digest": digest_of(config)}}).encode()
    there.put_manifest(raw, documents.OCI_MANIFEST, digest_of(raw))
    assert ("a/b", "tag") not in registry.manifests
    there.finish(raw, documents.OCI_MANIFEST)
    assert registry.manifests["a/b", "tag"] == (raw, documents.OCI_MANIFEST)
    with pytest.raises(StorageError, match="uploading manifest"):
        place(registry, "c/d").finish(raw, documents.OCI_MANIFEST)
