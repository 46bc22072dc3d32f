"""The registry client against a registry that misbehaves: documents, tags, redirects, retries, limits."""

from __future__ import annotations

import email.utils
import os
import pickle
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from storage import documents
from storage.documents import Manifest
from storage.errors import BadReferenceError, CorruptError, ImageNotFoundError, RegistryError, StorageError
from storage.registry.client import RegistryClient
from storage.registry.failures import ConnectionFailedError
from storage.registry.options import RegistryOptions
from tests.fakes import actions
from tests.fakes.registry import Action, Basic, FakeRegistry, basic, normally

QUICK = RegistryOptions(retry_delay=0.01, connect_timeout=30, read_timeout=30)
HASTY = replace(QUICK, connect_timeout=2, read_timeout=0.5)  # for what never comes
LAYERS = (b"first layer", b"second layer")


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    """A registry with one image, a/b:latest."""
    with FakeRegistry() as running:
        running.add_image("a/b", "latest", LAYERS)
        yield running


@pytest.fixture
def client(registry: FakeRegistry) -> Iterator[RegistryClient]:
    """A client that waits for its answers."""
    made = RegistryClient(registry.domain, QUICK)
    yield made
    made.close()


@pytest.fixture
def hasty(registry: FakeRegistry) -> Iterator[RegistryClient]:
    """A client that is quick to lose patience."""
    made = RegistryClient(registry.domain, HASTY)
    yield made
    made.close()


def test_pull(registry: FakeRegistry, client: RegistryClient) -> None:
    raw, content_type, digest = client.manifest("a/b", "latest")
    assert content_type == documents.OCI_MANIFEST
    assert digest == documents.digest_of(raw)
    manifest = documents.parse_manifest(raw, content_type)
    assert isinstance(manifest, Manifest)
    config = documents.parse_config(client.blob("a/b", manifest.config), manifest)
    assert config.architecture == "amd64"
    assert tuple(b"".join(client.open_blob("a/b", layer)) for layer in manifest.layers) == LAYERS
    assert client.manifest("a/b", digest) == (raw, content_type, digest)


def test_one_ping_and_what_is_asked_for(registry: FakeRegistry, client: RegistryClient) -> None:
    client.manifest("a/b", "latest")
    client.manifest("a/b", "latest")
    assert len(registry.seen("/v2/")) == 3
    request = registry.requests[-1]
    accepted = (request.headers["Accept"] or "").split(", ")
    assert accepted[:4] == [
        documents.OCI_MANIFEST,
        documents.DOCKER_MANIFEST,
        documents.OCI_INDEX,
        documents.DOCKER_LIST,
    ]
    assert request.headers["Accept-Encoding"] == "identity"
    assert request.headers["User-Agent"] == "pod"
    assert request.headers["Authorization"] is None
    assert request.headers["Cookie"] is None


def test_cookies_are_not_kept(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.script("/v2/", actions.headers(Set_Cookie="a=b; Path=/"))
    client.manifest("a/b", "latest")
    assert all(request.headers["Cookie"] is None for request in registry.requests)


def test_netrc_and_environment_are_ignored(
    registry: FakeRegistry, client: RegistryClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login user password topsecret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    client.manifest("a/b", "latest")
    assert all(request.headers["Authorization"] is None for request in registry.requests)


@pytest.mark.parametrize(
    ("repository", "tag", "message"),
    [("a/b", "missing", "manifest unknown"), ("c", "latest", "name unknown: manifest unknown")],
)
def test_not_found(registry: FakeRegistry, client: RegistryClient, repository: str, tag: str, message: str) -> None:
    with pytest.raises(ImageNotFoundError) as caught:
        client.manifest(repository, tag)
    name = f"{registry.domain}/{repository}"
    assert str(caught.value) == f"reading manifest {tag} in {name}: {message}"


@pytest.mark.parametrize(
    ("repository", "tag"), [("../x", "a"), ("a/b", "../c"), ("a?b", "c"), ("A", "b"), ("a", "sha256:0")]
)
def test_bad_names_are_not_sent(registry: FakeRegistry, client: RegistryClient, repository: str, tag: str) -> None:
    with pytest.raises(BadReferenceError):
        client.manifest(repository, tag)
    assert registry.requests == []


@pytest.mark.parametrize("domain", ["a.b/c", "user@a.b", "a.b?c", "a.b#c", "a.b\n"])
def test_bad_domains_are_not_asked(domain: str) -> None:
    with pytest.raises(StorageError):
        RegistryClient(domain, QUICK).check_login()


def test_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        domain = f"127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(RegistryError) as caught:
            RegistryClient(domain, QUICK).manifest("a", "b")
    assert str(caught.value) == (f'pinging container registry {domain}: Get "https://{domain}/v2/": connection refused')


def test_unknown_host() -> None:
    with pytest.raises(
        RegistryError, match=r"pinging container registry no\.such\.invalid: Get .*: (no such host|temp.*)"
    ):
        RegistryClient("no.such.invalid", QUICK).manifest("a", "b")


def test_errors_survive_a_pipe(registry: FakeRegistry, client: RegistryClient) -> None:
    with pytest.raises(ImageNotFoundError) as caught:
        client.manifest("a/b", "missing")
    for error in (caught.value, ConnectionFailedError("no answer", kind="timeout", hint="wait")):
        copy = pickle.loads(pickle.dumps(error))
        assert (type(copy), str(copy), copy.__dict__) == (type(error), str(error), error.__dict__)


def test_what_is_no_registry(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.script("/v2/", actions.answer(404, b"<html>no</html>"))
    with pytest.raises(RegistryError, match=r"pinging container registry .*: not found"):
        client.manifest("a/b", "latest")


def test_manifest_by_digest_must_match(registry: FakeRegistry, client: RegistryClient) -> None:
    digest = documents.digest_of(registry.manifests["a/b", "latest"][0])
    registry.script("/manifests/", actions.spoiled())
    with pytest.raises(CorruptError, match="digest does not match"):
        client.manifest("a/b", digest)
    assert client.manifest("a/b", digest)[2] == digest


def test_sha512(registry: FakeRegistry, client: RegistryClient) -> None:
    raw = registry.manifests["a/b", "latest"][0]
    digest = documents.digest_of(raw, "sha512")
    registry.manifests["a/b", digest] = (raw, documents.OCI_MANIFEST)
    assert client.manifest("a/b", digest)[2] == digest


@pytest.mark.parametrize("action", [actions.longer(b" " * (5 << 20)), actions.longer(b" " * (5 << 20), chunked=True)])
def test_huge_manifest(registry: FakeRegistry, client: RegistryClient, action: Action) -> None:
    registry.script("/manifests/", action)
    with pytest.raises(RegistryError, match="larger than 4194304 bytes"):
        client.manifest("a/b", "latest")


def test_broken_manifest_is_asked_for_again(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.script("/manifests/", actions.broken_after(20), actions.hung_up(), actions.broken_after(0))
    assert client.manifest("a/b", "latest")[0] == registry.manifests["a/b", "latest"][0]


@pytest.mark.parametrize("code", [500, 502, 503, 504, 408])
def test_passing_errors_are_retried(registry: FakeRegistry, client: RegistryClient, code: int) -> None:
    registry.script("/manifests/", actions.status(code), actions.status(code), actions.status(code))
    client.manifest("a/b", "latest")
    assert len(registry.seen("/manifests/")) == 4


def test_lasting_errors_are_reported(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.script("/manifests/", *[actions.status(503)] * 10)
    with pytest.raises(RegistryError, match="received unexpected HTTP status: 503 Service Unavailable"):
        client.manifest("a/b", "latest")
    assert len(registry.seen("/manifests/")) == 4


def test_rate_limit(registry: FakeRegistry, client: RegistryClient) -> None:
    past = email.utils.formatdate(time.time() - 10, usegmt=True)
    registry.script("/manifests/", *(actions.too_many(asked) for asked in ("0", past, None, "0", "0")))
    client.manifest("a/b", "latest")
    registry.script("/manifests/", *[actions.too_many("0")] * 10)
    with pytest.raises(RegistryError, match="toomanyrequests: pull rate limit exceeded"):
        client.manifest("a/b", "latest")
    assert len(registry.seen("/manifests/")) == 12


def test_a_web_page_is_no_manifest(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.script("/manifests/", actions.answer(200, b"<html>", {"Content-Type": "text/html; charset=utf-8"}))
    with pytest.raises(RegistryError, match=r"reading manifest latest in .*: the answer is a web page, not a manifest"):
        client.manifest("a/b", "latest")


def test_retry_after_is_waited_for(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.script("/manifests/", actions.too_many("1"))
    start = time.monotonic()
    client.manifest("a/b", "latest")
    assert 1 <= time.monotonic() - start < 10


@pytest.mark.parametrize("text", ["/v2/", "/manifests/"])
def test_a_registry_that_hangs(registry: FakeRegistry, hasty: RegistryClient, text: str) -> None:
    registry.script(text, *[actions.silent()] * 10)
    start = time.monotonic()
    with pytest.raises(RegistryError, match="no answer in time"):
        hasty.manifest("a/b", "latest")
    assert time.monotonic() - start < 30


def test_a_manifest_that_trickles(registry: FakeRegistry, hasty: RegistryClient) -> None:
    registry.script("/manifests/", actions.trickling(1, 0.1))
    with pytest.raises(RegistryError, match="comes too slowly"):
        hasty.manifest("a/b", "latest")


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n" * 1000),
        (b"HTTP/1.1 200 OK\r\nX-A: ", b"b" * 1000),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    ],
    ids=["many", "long", "continue"],
)
def test_a_header_without_end(registry: FakeRegistry, client: RegistryClient, start: bytes, piece: bytes) -> None:
    registry.script("/manifests/", *[actions.endless_head(start, piece, pause=0)] * 2)
    with pytest.raises(RegistryError, match="header of the answer is too long"):
        client.manifest("a/b", "latest")
    assert len(registry.seen("/manifests/")) == 1


def test_a_header_that_trickles(registry: FakeRegistry, hasty: RegistryClient) -> None:
    registry.script("/manifests/", *[actions.endless_head(b"HTTP/1.1 200 OK\r\nX-A: ", b"b", pause=0.1)] * 2)
    with pytest.raises(RegistryError, match="no answer in time"):
        hasty.manifest("a/b", "latest")
    assert len(registry.seen("/manifests/")) == 1


def test_redirect_to_another_host_drops_authorization(registry: FakeRegistry) -> None:
    digest = registry.add_blob(b"data")
    with FakeRegistry() as elsewhere:
        elsewhere.add_blob(b"data")
        # The fake's registry asks for nothing; a ready token is sent along unasked.
        client = RegistryClient(registry.domain, replace(QUICK, credentials=("user", "topsecret")))

        registry.auth = Basic("user", "topsecret")
        registry.script("/blobs/", actions.redirect(elsewhere.url + "{path}?signature=topsecret"))
        assert client.blob("a/b", descriptor(digest, 4)) == b"data"
        assert registry.seen("/blobs/")[0].headers["Authorization"] == basic("user", "topsecret")
        assert [request.headers["Authorization"] for request in elsewhere.requests] == [None]


def test_authorization_does_not_come_back(registry: FakeRegistry) -> None:

    digest = registry.add_blob(b"data")
    registry.auth = Basic("user", "topsecret")
    client = RegistryClient(registry.domain, replace(QUICK, credentials=("user", "topsecret")))
    with FakeRegistry() as elsewhere:
        elsewhere.script("/blobs/", *[actions.redirect(registry.url + "{path}")] * 9)
        registry.script("/blobs/", *[actions.redirect(elsewhere.url + "{path}"), normally] * 9)
        with pytest.raises(RegistryError, match="unauthorized"):
            client.blob("a/b", descriptor(digest, 4))
    sent = [request.headers["Authorization"] for request in registry.seen("/blobs/")]
    assert sent[1] is None


def test_redirect_within_the_registry_keeps_authorization(registry: FakeRegistry) -> None:

    digest = registry.add_blob(b"data")
    registry.auth = Basic("user", "topsecret")
    client = RegistryClient(registry.domain, replace(QUICK, credentials=("user", "topsecret")))
    registry.script("/blobs/", actions.redirect("/v2/other/blobs/" + digest, 302))
    assert client.blob("a/b", descriptor(digest, 4)) == b"data"
    assert registry.requests[-1].headers["Authorization"] == basic("user", "topsecret")


def test_range_goes_along_with_a_redirect(registry: FakeRegistry, client: RegistryClient) -> None:
    digest = registry.add_blob(b"0123456789")
    registry.script("/blobs/", *[actions.redirect("/v2/other/blobs/" + digest)] * 1)
    assert b"".join(client.open_blob("a/b", descriptor(digest, 10), offset=4)) == b"456789"


def test_endless_redirects(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.script("/manifests/", *[actions.redirect("{path}?token=topsecret")] * 50)
    with pytest.raises(RegistryError, match="stopped after 10 redirects") as caught:
        client.manifest("a/b", "latest")
    assert "topsecret" not in str(caught.value)
    assert len(registry.seen("/manifests/")) == 11


@pytest.mark.parametrize("location", ["file:///etc/passwd", "gopher://a.b/", "http://[", "http://a.b:x/"])
def test_strange_redirects(registry: FakeRegistry, client: RegistryClient, location: str) -> None:
    registry.script("/manifests/", actions.redirect(location))
    with pytest.raises(RegistryError, match="redirect to a malformed address"):
        client.manifest("a/b", "latest")


def test_redirect_body_is_not_read(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.script("/manifests/", actions.answer(307, b"x" * (8 << 20), {"Location": "/v2/a/b/manifests/latest"}))
    client.manifest("a/b", "latest")


def test_tags_in_pages(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.tag_page = 3
    expected = sorted([f"v{number}" for number in range(10)] + ["latest"])
    for tag in expected:
        registry.add_image("a/b", tag)
    assert list(client.tags("a/b")) == expected
    with pytest.raises(BadReferenceError, match="invalid repository name 'Bad'"):
        list(client.tags("Bad"))


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (actions.headers(Link='<http://10.0.0.1/v2/a/b/tags/list>; rel="next"'), "not at this registry"),
        (actions.headers(Link='<file:///etc/passwd>; rel="next"'), "not at this registry"),
        (actions.answer(200, b"[]"), "not a JSON object"),
        (actions.answer(200, b'{"tags": [1]}'), "not a list of strings"),
        (actions.answer(200, b'{"tags": "ab"}'), "not a list of strings"),
    ],
)
def test_bad_tag_lists(registry: FakeRegistry, client: RegistryClient, action: Action, message: str) -> None:
    registry.script("/tags/", action)
    with pytest.raises(RegistryError, match=message):
        list(client.tags("a/b"))


def test_no_tags(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.script("/tags/", actions.answer(200, b'{"name": "a/b", "tags": null}'))
    assert list(client.tags("a/b")) == []


def test_fresh_client_after_fork(registry: FakeRegistry, client: RegistryClient) -> None:
    digest = registry.add_blob(b"data")
    client.manifest("a/b", "latest")
    child = os.fork()
    if child == 0:
        try:
            own = client.fresh()
            os._exit(0 if own.blob("a/b", descriptor(digest, 4)) == b"data" else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert client.blob("a/b", descriptor(digest, 4)) == b"data"
    assert sum(request.path == "/v2/" for request in registry.requests) == 1


def test_connections_are_used_again(registry: FakeRegistry, client: RegistryClient) -> None:
    digest = registry.add_blob(b"data")
    before = threading.active_count()
    registry.script("/blobs/", *[actions.redirect(f"/v2/other/blobs/{digest}"), normally] * 10)
    registry.script("/manifests/", *[actions.status(503), normally] * 10)
    for _ in range(10):
        client.manifest("a/b", "latest")
        client.blob("a/b", descriptor(digest, 4))
    assert threading.active_count() <= before + 1


def test_proxy(registry: FakeRegistry) -> None:
    with FakeRegistry() as proxy:
        proxy.add_image("a/b", "latest", LAYERS)
        environment = {"http_proxy": f"http://user:secret@{proxy.domain}"}
        options = replace(QUICK, tls_verify=False, environment=environment)
        client = RegistryClient("registry.invalid:5000", options)
        client.manifest("a/b", "latest")
        assert proxy.seen("/manifests/")[0].headers["Host"] == "registry.invalid:5000"
        assert proxy.seen("/manifests/")[0].headers["Proxy-Authorization"] == basic("user", "secret")


def test_socks_proxy_needs_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "urllib3.contrib.socks", None)
    options = replace(QUICK, environment={"https_proxy": "socks5://127.0.0.1:1"})
    with pytest.raises(RegistryError, match="PySocks") as caught:
        RegistryClient("registry.invalid", options).manifest("a/b", "latest")
    assert "pip install" in caught.value.hint


def test_header_that_cannot_be_sent_is_an_error() -> None:
    with FakeRegistry() as registry:
        options = replace(QUICK, user_agent="pod\r\nX: y")
        with pytest.raises(RegistryError):
            RegistryClient(registry.domain, options).manifest("a/b", "latest")


def test_broken_proxy_is_named_without_its_password() -> None:
    options = replace(QUICK, environment={"https_proxy": "http://user:topsecret@127.0.0.1:1"})
    with pytest.raises(RegistryError, match=r"registry\.invalid: Get .*: proxy: connection refused") as caught:
        RegistryClient("registry.invalid", options).manifest("a", "b")
    assert "topsecret" not in str(caught.value)


def descriptor(digest: str, size: int) -> documents.Descriptor:
    """Describe a blob."""
    return documents.Descriptor(documents.OCI_LAYER, digest, size)
