"""The registry client against Debian's docker-registry: open, with Basic authentication, with TLS."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from storage import credentials, documents
from storage.documents import Descriptor, Manifest
from storage.errors import CorruptError, ImageNotFoundError, RegistryError, UnauthorizedError
from storage.registry.client import RegistryClient
from storage.registry.options import RegistryOptions
from tests.fakes.certificates import Authority
from tests.fixtures.registry import free_port

QUICK = RegistryOptions(retry_delay=0.01, connect_timeout=5, read_timeout=30)
LAYER = os.urandom(3 << 20)
# The bcrypt hash of "topsecret", as `htpasswd -B` writes it.
HTPASSWD = "user:$2y$05$/rrhRLKOqALviXnYiHj.Susk2IQUQd5nacLgtO2XaeF3dzIjXDKlq\n"


@contextmanager
def serve(directory: Path, settings: str = "") -> Iterator[str]:
    """Run docker-registry with further settings in its http and auth sections; give its address."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("docker-registry is not installed")
    domain = f"127.0.0.1:{free_port()}"
    (directory / "config.yml").write_text(
        "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
        f"storage: {{filesystem: {{rootdirectory: {directory}/data}}, delete: {{enabled: true}}}}\n"
        f"http:\n  addr: {domain}\n{settings}"
    )
    with open(directory / "log", "wb") as log:
        process = subprocess.Popen([program, "serve", str(directory / "config.yml")], stdout=log, stderr=log, cwd="/")
    try:
        _wait(domain, process)
        yield domain
    finally:
        process.terminate()
        process.wait()


def _wait(domain: str, process: subprocess.Popen[bytes]) -> None:
    host, _, port = domain.partition(":")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection((host, int(port)), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    pytest.fail(f"docker-registry does not answer at {domain}")


class Uploader:
    """Pushes by plain requests: independent of the code under test."""

    def __init__(self, url: str, *, auth: tuple[str, str] | None = None, ca: str | None = None) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.auth = auth
        self._session.verify = ca if ca is not None else True

    def blob(self, repository: str, data: bytes, media_type: str) -> dict[str, object]:
        """Upload a blob; give its descriptor."""
        started = self._session.post(f"{self._url}/v2/{repository}/blobs/uploads/", timeout=20)
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        location = started.headers["Location"]
        answer = self._session.put(location, params={"digest": digest}, data=data, timeout=20)
        assert answer.status_code == 201, answer.text
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def image(self, repository: str, tag: str, layer: bytes = LAYER) -> None:
        """Upload an image of one layer."""
        diff_id = f"sha256:{hashlib.sha256(layer).hexdigest()}"
        config = {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [diff_id]}}
        manifest = {
            "schemaVersion": 2,
            "mediaType": documents.DOCKER_MANIFEST,
            "config": self.blob(repository, json.dumps(config).encode(), documents.DOCKER_CONFIG),
            "layers": [self.blob(repository, layer, documents.DOCKER_LAYER)],
        }
        url = f"{self._url}/v2/{repository}/manifests/{tag}"
        headers = {"Content-Type": documents.DOCKER_MANIFEST}
        answer = self._session.put(url, json=manifest, headers=headers, timeout=20)
        assert answer.status_code == 201, answer.text

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


def pull(client: RegistryClient, repository: str, tag: str) -> bytes:
    """Pull an image of one layer; give the layer."""
    raw, content_type, digest = client.manifest(repository, tag)
    assert client.manifest(repository, digest)[0] == raw
    manifest = documents.parse_manifest(raw, content_type)
    assert isinstance(manifest, Manifest)
    documents.check_image(manifest)
    config = documents.parse_config(client.blob(repository, manifest.config), manifest)
    layer = b"".join(client.open_blob(repository, manifest.layers[0]))
    assert config.diff_ids == (documents.digest_of(layer),)
    return layer


@pytest.fixture(scope="module")
def open_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry for everybody that has a/b:latest."""
    with serve(tmp_path_factory.mktemp("open")) as domain:
        uploader = Uploader(f"http://{domain}")
        uploader.image("a/b", "latest")
        yield domain
        uploader.close()


def test_pull(open_registry: str) -> None:
    client = RegistryClient(open_registry, QUICK)
    assert pull(client, "a/b", "latest") == LAYER
    assert list(client.tags("a/b")) == ["latest"]
    client.close()


def test_resume(open_registry: str) -> None:
    client = RegistryClient(open_registry, QUICK)
    blob = Descriptor(documents.DOCKER_LAYER, documents.digest_of(LAYER), len(LAYER))
    assert b"".join(client.open_blob("a/b", blob, offset=1_234_567)) == LAYER[1_234_567:]
    with pytest.raises(CorruptError):
        list(client.open_blob("a/b", replace(blob, size=len(LAYER) - 1)))
    client.close()


def test_unknown(open_registry: str) -> None:
    client = RegistryClient(open_registry, QUICK)
    for repository, tag in (("a/b", "missing"), ("missing", "latest"), ("a/b", "sha256:" + "0" * 64)):
        with pytest.raises(ImageNotFoundError, match="manifest unknown"):
            client.manifest(repository, tag)
    client.close()


def test_basic_authentication(tmp_path: Path) -> None:
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    settings = f"auth:\n  htpasswd:\n    realm: tests\n    path: {tmp_path}/htpasswd\n"
    with serve(tmp_path, settings) as domain:
        uploader = Uploader(f"http://{domain}", auth=("user", "topsecret"))
        uploader.image("a/b", "latest")
        uploader.close()
        path = str(tmp_path / "auth.json")
        options = replace(QUICK, auth_files=(path,))
        for user, password in (("user", "mistaken"), ("nobody", "topsecret")):
            with pytest.raises(UnauthorizedError, match="invalid username/password"):
                credentials.check(domain, credentials.Credentials(user, password), options=options)
        with pytest.raises(UnauthorizedError, match="unauthorized: authentication required"):
            RegistryClient(domain, options).manifest("a/b", "latest")
        credentials.check(domain, credentials.Credentials("user", "topsecret"), options=options)
        credentials.store(path, domain, "user", "topsecret")
        client = RegistryClient(domain, options)
        assert pull(client, "a/b", "latest") == LAYER
        client.close()


def test_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("127.0.0.1")
    settings = f"  tls:\n    certificate: {pair.certificate}\n    key: {pair.key}\n"
    with serve(tmp_path, settings) as domain:
        uploader = Uploader(f"https://{domain}", ca=authority.certificate)
        uploader.image("a/b", "latest")
        uploader.close()
        with pytest.raises(RegistryError, match="failed to verify certificate"):
            RegistryClient(domain, QUICK).manifest("a/b", "latest")
        (tmp_path / "certs.d" / domain).mkdir(parents=True)
        shutil.copy(authority.certificate, tmp_path / "certs.d" / domain / "ca.crt")
        for options in (replace(QUICK, cert_dirs=(str(tmp_path / "certs.d"),)), replace(QUICK, tls_verify=False)):
            client = RegistryClient(domain, options)
            assert pull(client, "a/b", "latest") == LAYER
            client.close()
