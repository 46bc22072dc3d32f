"""Authentication: Basic, Bearer, refresh tokens, expiry in mid-pull, and realms that we do not follow."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from storage import credentials, documents
from storage.errors import RegistryError, StorageError, UnauthorizedError
from storage.registry.client import RegistryClient
from storage.registry.options import RegistryOptions
from tests.fakes import actions
from tests.fakes.registry import Action, Basic, Bearer, FakeRegistry, basic

QUICK = RegistryOptions(retry_delay=0.01, connect_timeout=5, read_timeout=5)
SECRET = "topsecret"


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    """A registry with one image, a/b:latest."""
    with FakeRegistry() as running:
        running.add_image("a/b", "latest")
        running.add_image("c/d", "latest")
        yield running


def client(registry: FakeRegistry, user: str | None = None, password: str = SECRET) -> RegistryClient:
    """Make a client with these credentials."""
    return RegistryClient(registry.domain, replace(QUICK, credentials=(user, password) if user else None))


def auth_file(path: Path, domain: str, entry: dict[str, str]) -> RegistryOptions:
    """Write an auth file with one entry; give options that name it."""
    path.write_text(json.dumps({"auths": {domain: entry}}))
    return replace(QUICK, auth_files=(str(path),))


def test_basic(registry: FakeRegistry) -> None:
    registry.auth = Basic("user", SECRET)
    client(registry, "user").manifest("a/b", "latest")
    assert [request.headers["Authorization"] for request in registry.requests] == [None, basic("user", SECRET)]
    with pytest.raises(UnauthorizedError, match="unauthorized: authentication required"):
        client(registry).manifest("a/b", "latest")


def test_wrong_password_is_tried_once(registry: FakeRegistry) -> None:
    registry.auth = Basic("user", SECRET)
    with pytest.raises(UnauthorizedError, match=r"reading manifest latest in .*: unauthorized") as caught:
        client(registry, "user", "mistaken").manifest("a/b", "latest")
    assert "mistaken" not in str(caught.value)
    assert len(registry.requests) == 2


@pytest.mark.parametrize("key", ["token", "access_token"])
def test_anonymous_token(registry: FakeRegistry, key: str) -> None:
    registry.auth = Bearer(registry, key=key)
    reader = client(registry)
    reader.manifest("a/b", "latest")
    reader.manifest("a/b", "latest")
    assert len(registry.seen("/token")) == 1
    query = registry.seen("/token")[0].query
    assert query == {"service": ["tests"], "scope": ["repository:a/b:pull"]}


def test_token_for_each_repository(registry: FakeRegistry) -> None:
    registry.auth = Bearer(registry)
    reader = client(registry)
    reader.manifest("a/b", "latest")
    reader.manifest("c/d", "latest")
    reader.fresh().manifest("c/d", "latest")
    assert [one.query["scope"] for one in registry.seen("/token")] == [["repository:a/b:pull"], ["repository:c/d:pull"]]
    assert sum(request.path == "/v2/" for request in registry.requests) == 1


def test_token_for_a_user(registry: FakeRegistry) -> None:
    registry.auth = Bearer(registry, user="user", password=SECRET)
    client(registry, "user").manifest("a/b", "latest")
    (request,) = registry.seen("/token")
    assert request.query["account"] == ["user"]
    assert request.headers["Authorization"] == basic("user", SECRET)
    assert basic("user", SECRET) not in [one.headers["Authorization"] for one in registry.seen("/v2/")]
    with pytest.raises(UnauthorizedError, match="invalid username/password"):
        client(registry, "user", "mistaken").manifest("a/b", "latest")
    with pytest.raises(UnauthorizedError, match="requesting bearer token: unauthorized"):
        client(registry).manifest("a/b", "latest")


def test_identity_token(registry: FakeRegistry, tmp_path: Path) -> None:
    registry.auth = Bearer(registry, user="nobody", refresh_token=SECRET)
    entry = {"auth": base64.b64encode(b"<token>:").decode(), "identitytoken": SECRET}
    reader = RegistryClient(registry.domain, auth_file(tmp_path / "auth.json", registry.domain, entry))
    reader.manifest("a/b", "latest")
    (request,) = registry.seen("/token")
    assert request.method == "POST"
    assert b"grant_type=refresh_token" in request.body
    assert b"scope=repository%3Aa%2Fb%3Apull" in request.body
    assert request.headers["Authorization"] is None


def test_identity_token_is_not_sent_on(registry: FakeRegistry, tmp_path: Path) -> None:
    registry.auth = Bearer(registry, refresh_token=SECRET)
    with FakeRegistry() as elsewhere:
        registry.script("/token", actions.redirect(f"{elsewhere.url}/token", 307))
        options = auth_file(tmp_path / "auth.json", registry.domain, {"identitytoken": SECRET})
        with pytest.raises(RegistryError, match="refusing to send a secret on"):
            RegistryClient(registry.domain, options).manifest("a/b", "latest")
        assert elsewhere.requests == []


def test_ready_token(registry: FakeRegistry, tmp_path: Path) -> None:
    registry.auth = Bearer(registry, tokens={SECRET: "repository:a/b:pull"})
    options = auth_file(tmp_path / "auth.json", registry.domain, {"registrytoken": SECRET})
    RegistryClient(registry.domain, options).manifest("a/b", "latest")
    assert registry.seen("/token") == []
    registry.auth.tokens.clear()
    with pytest.raises(UnauthorizedError):
        RegistryClient(registry.domain, options).manifest("a/b", "latest")


def test_namespaced_credentials(registry: FakeRegistry, tmp_path: Path) -> None:
    registry.auth = Basic("user", SECRET)
    entry = {"auth": base64.b64encode(f"user:{SECRET}".encode()).decode()}
    reader = RegistryClient(registry.domain, auth_file(tmp_path / "auth.json", f"{registry.domain}/a", entry))
    reader.manifest("a/b", "latest")
    with pytest.raises(UnauthorizedError):
        reader.manifest("c/d", "latest")


def test_token_expires_between_requests(registry: FakeRegistry) -> None:
    registry.auth = Bearer(registry)
    reader = client(registry)
    reader.manifest("a/b", "latest")
    registry.auth.revoke()
    reader.manifest("a/b", "latest")
    assert len(registry.seen("/token")) == 2


def test_token_expires_in_mid_pull(registry: FakeRegistry) -> None:
    registry.auth = Bearer(registry)
    data = bytes(range(256)) * 8192
    digest = registry.add_blob(data)
    broken = actions.broken_after(1 << 20)
    registry.script("/blobs/", actions.after(registry.auth.revoke, broken))
    chunks = client(registry).open_blob("a/b", documents.Descriptor(documents.OCI_LAYER, digest, len(data)))
    assert b"".join(chunks) == data
    assert [one.headers["Range"] for one in registry.seen("/blobs/")] == [None, "bytes=1048576-", "bytes=1048576-"]
    assert len(registry.seen("/token")) == 2


def test_short_lifetimes_are_stretched(registry: FakeRegistry) -> None:
    for lifetime in (None, 0, -5):
        registry.auth = Bearer(registry, lifetime=lifetime)
        reader = client(registry)
        before = len(registry.seen("/token"))
        reader.manifest("a/b", "latest")
        reader.manifest("a/b", "latest")
        assert len(registry.seen("/token")) == before + 1


def test_a_registry_that_asks_only_later(registry: FakeRegistry) -> None:
    registry.auth = Bearer(registry)
    registry.script("/v2/", actions.answer(200, b"{}"))
    client(registry).manifest("a/b", "latest")
    assert [request.path for request in registry.requests][0:3] == ["/v2/", "/v2/a/b/manifests/latest", "/token"]


def test_insufficient_scope(registry: FakeRegistry) -> None:
    wider = "repository:a/b:pull,push"
    registry.auth = Bearer(registry, extra=f',error="insufficient_scope",scope="{wider}"')
    challenge = f'Bearer realm="{registry.url}/token",service="tests",error="insufficient_scope",scope="{wider}"'
    registry.script(
        "/manifests/", actions.answer(401, b"", {"WWW-Authenticate": challenge}), actions.answer(200, b"{}")
    )
    client(registry).manifest("a/b", "latest")
    assert registry.seen("/token")[-1].query["scope"] == [wider]


def test_unauthorized_in_the_end(registry: FakeRegistry) -> None:
    registry.auth = Bearer(registry)
    registry.script("/manifests/", *[actions.status(401)] * 10)
    with pytest.raises(UnauthorizedError) as caught:
        client(registry).manifest("a/b", "latest")
    assert caught.value.hint == "log in with `pod login`"
    assert len(registry.seen("/manifests/")) == 2


def test_credentials_do_not_follow_a_token_redirect(registry: FakeRegistry) -> None:
    registry.auth = Bearer(registry, user="user", password=SECRET)
    with FakeRegistry() as elsewhere:
        elsewhere.script("/token", actions.answer(200, b'{"token": "x"}'))
        registry.script("/token", actions.redirect(f"{elsewhere.url}/token"))
        client(registry, "user").manifest("a/b", "latest")
        assert [one.headers["Authorization"] for one in elsewhere.requests] == [None]
    assert len(registry.seen("/token")) == 2  # its token was of no use


@pytest.mark.parametrize(
    ("realm", "message"),
    [
        ("http://169.254.169.254/latest", "private network"),
        ("http://10.0.0.1/token", "private network"),
        ("http://localhost:1/token", "this machine"),
        ("file:///etc/passwd", "malformed token server"),
        ("/token", "malformed token server"),
        ("", "names no token server"),
        ("http://user:password@a.invalid/token", "has a user name"),
    ],
)
def test_realms_that_are_refused(registry: FakeRegistry, realm: str, message: str) -> None:
    challenge = {"WWW-Authenticate": f'Bearer realm="{realm}",service="s"'}
    registry.script("/v2/", actions.answer(401, b"", challenge))
    with pytest.raises(RegistryError, match=message):
        client(registry, "user").manifest("a/b", "latest")
    assert registry.seen("/token") == []


def test_realm_redirects_are_checked(registry: FakeRegistry) -> None:
    registry.auth = Bearer(registry)
    registry.script("/token", actions.redirect("http://169.254.169.254/latest/meta-data"))
    with pytest.raises(RegistryError, match=r"refusing token server http://169\.254\.169\.254"):
        client(registry).manifest("a/b", "latest")


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (actions.answer(200, b"token"), "not a JSON object"),
        (actions.answer(200, b"[]"), "not a JSON object"),
        (actions.answer(200, b"{}"), "has no token"),
        (actions.answer(200, b'{"token": 5}'), "has no token"),
        (actions.answer(200, b'{"token": "a\\r\\nX: y"}'), "has no token"),
        (actions.answer(200, b'{"token": "' + b"a" * (2 << 20) + b'"}'), "larger than 1048576"),
        (actions.status(404), "requesting bearer token"),
        (actions.silent(), "no answer in time"),
    ],
)
def test_token_servers_that_misbehave(registry: FakeRegistry, action: Action, message: str) -> None:
    registry.auth = Bearer(registry)
    registry.script("/token", action)
    with pytest.raises(RegistryError, match=message):
        client(registry).manifest("a/b", "latest")
    client(registry).manifest("a/b", "latest")


@pytest.mark.parametrize("auth", ["basic", "bearer"])
def test_checking_credentials(registry: FakeRegistry, tmp_path: Path, auth: str) -> None:
    registry.auth = Basic("user", SECRET) if auth == "basic" else Bearer(registry, user="user", password=SECRET)
    options = replace(QUICK, auth_file=str(tmp_path / "auth.json"))
    with pytest.raises(UnauthorizedError, match=f'logging into "{registry.domain}": .*invalid username/password'):
        credentials.check(registry.domain, credentials.Credentials("user", "mistaken"), options=QUICK)
    credentials.check(registry.domain, credentials.Credentials("user", SECRET), options=QUICK)
    credentials.store(str(options.auth_file), registry.domain, "user", SECRET)
    RegistryClient(registry.domain, options).manifest("a/b", "latest")
    credentials.remove(str(options.auth_file), registry.domain)
    with pytest.raises(UnauthorizedError):
        RegistryClient(registry.domain, options).manifest("a/b", "latest")


def test_checking_credentials_where_nobody_listens() -> None:
    with pytest.raises(
        RegistryError, match=r'authenticating creds for "127\.0\.0\.1:1": pinging .*: connection refused'
    ):
        credentials.check("127.0.0.1:1", credentials.Credentials("user", SECRET), options=QUICK)


def test_named_auth_file_must_exist(registry: FakeRegistry, tmp_path: Path) -> None:
    options = replace(QUICK, auth_file=str(tmp_path / "missing.json"))
    with pytest.raises(RegistryError, match=r"missing\.json: no such file"):
        RegistryClient(registry.domain, options).manifest("a/b", "latest")


def test_secrets_stay_out_of_logs_and_messages(
    registry: FakeRegistry, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    tokens: list[Any] = []
    registry.auth = Bearer(registry, user="user", password=SECRET)
    reader = client(registry, "user")
    reader.manifest("a/b", "latest")
    tokens.extend(registry.auth.tokens)
    with pytest.raises(StorageError) as caught:
        reader.manifest("a/b", "missing")
    said = caplog.text + "".join(capfd.readouterr()) + repr(caught.value) + repr(reader.__dict__) + repr(QUICK)
    for secret in (SECRET, base64.b64encode(f"user:{SECRET}".encode()).decode(), *tokens):
        assert secret not in said
    assert repr(replace(QUICK, credentials=("user", SECRET))).find(SECRET) == -1
