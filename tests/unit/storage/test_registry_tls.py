"""TLS: whose certificates count, who sees ours, and when plain http will do."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from storage import documents
from storage.errors import RegistryError
from storage.registry import tls
from storage.registry.client import RegistryClient
from storage.registry.options import RegistryOptions
from tests.fakes import actions
from tests.fakes.certificates import Authority
from tests.fakes.registry import Basic, FakeRegistry

QUICK = RegistryOptions(retry_delay=0.01, connect_timeout=30, read_timeout=30)
STRICT = replace(QUICK, tls_verify=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who signs."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def registry(authority: Authority) -> Iterator[FakeRegistry]:
    """A registry that speaks https."""
    with FakeRegistry(certificate=authority.issue("127.0.0.1").files) as running:
        running.add_image("a/b", "latest")
        yield running


def trusting(options: RegistryOptions, authority: Authority, directory: Path, domain: str) -> RegistryOptions:
    """Give options with a certs.d in which the authority counts for this domain."""
    (directory / domain).mkdir(parents=True)
    shutil.copy(authority.certificate, directory / domain / "ca.crt")
    return replace(options, cert_dirs=("/nonexistent", str(directory)))


@pytest.mark.parametrize("options", [QUICK, STRICT])
def test_authority_from_certs_d(
    registry: FakeRegistry, authority: Authority, tmp_path: Path, options: RegistryOptions
) -> None:
    client = RegistryClient(registry.domain, trusting(options, authority, tmp_path, registry.domain))
    client.manifest("a/b", "latest")
    client.manifest("a/b", "latest")
    client.close()


def test_cert_dir_itself(registry: FakeRegistry, authority: Authority, tmp_path: Path) -> None:
    shutil.copy(authority.certificate, tmp_path / "any.crt")
    RegistryClient(registry.domain, replace(QUICK, cert_dir=str(tmp_path))).manifest("a/b", "latest")


@pytest.mark.parametrize("options", [QUICK, STRICT])
def test_unknown_authority(registry: FakeRegistry, options: RegistryOptions) -> None:
    with pytest.raises(RegistryError, match=r"tls: failed to verify certificate: .*local issuer") as caught:
        RegistryClient(registry.domain, options).manifest("a/b", "latest")
    assert "certs.d" in caught.value.hint
    assert registry.seen("/manifests/") == []


def test_authority_of_another_port(registry: FakeRegistry, authority: Authority, tmp_path: Path) -> None:
    options = trusting(QUICK, authority, tmp_path, "127.0.0.1")
    with pytest.raises(RegistryError, match="failed to verify"):
        RegistryClient(registry.domain, options).manifest("a/b", "latest")


def test_wrong_name_and_expired(authority: Authority, tmp_path: Path) -> None:
    for name, days, message in (("other.example", 2, "IP address mismatch"), ("127.0.0.1", -1, "expired")):
        with FakeRegistry(certificate=authority.issue(name, days=days).files) as running:
            options = trusting(QUICK, authority, tmp_path / name, running.domain)
            with pytest.raises(RegistryError, match=message):
                RegistryClient(running.domain, options).manifest("a/b", "latest")


def test_no_verification(registry: FakeRegistry, recwarn: pytest.WarningsRecorder) -> None:
    RegistryClient(registry.domain, replace(QUICK, tls_verify=False)).manifest("a/b", "latest")
    assert list(recwarn) == []


def test_plain_http_is_for_loopback_only_if_not_forbidden() -> None:
    with FakeRegistry() as plain:
        plain.add_image("a/b", "latest")
        for options in (QUICK, replace(QUICK, tls_verify=False)):
            RegistryClient(plain.domain, options).manifest("a/b", "latest")
        with pytest.raises(RegistryError, match="server gave HTTP response to HTTPS client") as caught:
            RegistryClient(plain.domain, STRICT).manifest("a/b", "latest")
        assert caught.value.hint == "for plain http use --tls-verify=false"


def test_redirect_to_http_is_refused(registry: FakeRegistry, authority: Authority, tmp_path: Path) -> None:
    options = trusting(QUICK, authority, tmp_path, registry.domain)
    digest = registry.add_blob(b"data")
    with FakeRegistry() as plain:
        plain.add_blob(b"data")
        registry.script("/blobs/", actions.redirect(plain.url + "{path}"))
        with pytest.raises(RegistryError, match="refusing redirect from https to http://"):
            RegistryClient(registry.domain, options).blob("a/b", documents.Descriptor(documents.OCI_LAYER, digest, 4))
        assert plain.requests == []


def test_redirect_from_http_to_https_drops_authorization(registry: FakeRegistry) -> None:
    with FakeRegistry() as plain:
        plain.auth = Basic("user", "topsecret")
        plain.add_image("a/b", "latest")
        plain.script("/manifests/", actions.redirect(registry.url + "{path}"))
        options = replace(QUICK, tls_verify=False, credentials=("user", "topsecret"))
        RegistryClient(plain.domain, options).manifest("a/b", "latest")
        assert [request.headers["Authorization"] for request in registry.requests] == [None]


def test_client_certificates_are_for_the_registry_alone(authority: Authority, tmp_path: Path) -> None:
    server, own = authority.issue("127.0.0.1"), authority.issue("client")
    digest = documents.digest_of(b"data")
    blob = documents.Descriptor(documents.OCI_LAYER, digest, 4)
    with FakeRegistry(certificate=server.files, client_authority=authority.certificate) as careful:
        careful.add_blob(b"data")
        options = trusting(QUICK, authority, tmp_path, careful.domain)
        with pytest.raises(RegistryError):
            RegistryClient(careful.domain, options).blob("a/b", blob)
        shutil.copy(own.certificate, tmp_path / careful.domain / "client.cert")
        shutil.copy(own.key, tmp_path / careful.domain / "client.key")
        assert RegistryClient(careful.domain, options).blob("a/b", blob) == b"data"
        with FakeRegistry(certificate=server.files, client_authority=authority.certificate) as elsewhere:
            careful.script("/blobs/", *[actions.redirect(elsewhere.url + "{path}")] * 20)
            with pytest.raises(RegistryError):
                RegistryClient(careful.domain, options).blob("a/b", blob)
            assert elsewhere.requests == []


def test_incomplete_directories(tmp_path: Path) -> None:
    options = replace(QUICK, cert_dirs=(str(tmp_path),))
    directory = tmp_path / "a.b"
    assert tls.find("a.b", options) == tls.Certificates()
    directory.mkdir()
    (directory / "client.cert").write_text("")
    with pytest.raises(RegistryError, match=r"missing client\.key for client\.cert"):
        tls.find("a.b", options)
    (directory / "client.cert").rename(directory / "client.key")
    with pytest.raises(RegistryError, match=r"missing client\.cert for client\.key"):
        tls.find("a.b", options)
    (directory / "client.cert").write_text("nonsense")
    (directory / "README").write_text("ignored")
    with pytest.raises(RegistryError, match=r"reading client certificate .*client\.cert"):
        tls.context(tls.find("a.b", options), verify=True)
    with pytest.raises(RegistryError, match=r"reading CA certificate .*README"):
        tls.context(tls.Certificates((str(directory / "README"),)), verify=True)
    with pytest.raises(RegistryError, match="reading certificates in"):
        tls.find("a.b", replace(QUICK, cert_dir=str(tmp_path / "missing")))
