"""Signatures from a registry and from lookaside storage: good ones, and all that an attacker could offer."""

from __future__ import annotations

import functools
import http.server
import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from storage.documents import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, Platform, digest_of
from storage.errors import StorageError
from storage.images import list_images
from storage.reference import parse
from storage.registry.options import RegistryOptions
from storage.registry.origin import Clients, RegistryOrigin
from storage.source import Source, locate
from storage.store import open_store
from storage.transfer import pull
from storage.trust import policy
from storage.trust.errors import PolicyError, RejectedError
from storage.trust.verification import Trust
from tests.fakes.registry import FakeRegistry
from tests.fixtures import signing
from tests.fixtures.signing import COSIGN, Gpg, payload

OPTIONS = RegistryOptions(retries=1, retry_delay=0.05)
NO_SIGNATURE = "Source image rejected: A signature was required, but no signature exists"
OTHER_DIGEST = digest_of(b"another manifest")


@pytest.fixture(scope="module")
def gpg() -> Iterator[Gpg]:
    with signing.gpg() as made:
        yield made


@pytest.fixture(scope="module")
def keys(gpg: Gpg, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Files of public keys: alice is trusted, mallory is not, old has expired."""
    directory = tmp_path_factory.mktemp("keys")
    made = {
        "alice": gpg.make_key("alice", time="20200101T000000"),
        "mallory": gpg.make_key("mallory"),
        "old": gpg.make_key("old", expires="1y", time="20200101T000000"),
    }
    for name, raw in made.items():
        (directory / name).write_bytes(raw)
    (directory / "none").write_bytes(b"no key")
    return {name: str(directory / name) for name in (*made, "none")}


class Place:
    """A registry with an image a/b:1, and an empty directory for its signatures."""

    def __init__(self, registry: FakeRegistry, directory: Path) -> None:
        self.registry = registry
        self.digest = registry.add_image("a/b", "1", [b"layer"])
        self.name = f"{registry.domain}/a/b:1"
        self.directory = directory
        self.lookaside = str(directory / "lookaside")

    def trust(self, *requirements: dict[str, Any], base: str = "", attachments: bool = False) -> Trust:
        """Trust what meets these requirements."""
        settings = self.directory / "registries.d"
        settings.mkdir(exist_ok=True)
        url = base or f"file://{self.lookaside}"
        text = f"default-docker:\n  lookaside: {url}\n  use-sigstore-attachments: {str(attachments).lower()}\n"
        (settings / "default.yaml").write_text(text)
        document = {"default": [{"type": "reject"}], "transports": {"docker": {"": list(requirements)}}}
        return Trust(policy.parse(json.dumps(document).encode()), OPTIONS, (str(settings),), "/nonexistent")

    def sign(self, *signatures: bytes) -> None:
        """Put signatures into lookaside storage."""
        signing.write_signatures(self.lookaside, "a/b", self.digest, list(signatures))

    def attach(self, *layers: tuple[bytes, str | None], media_type: str = signing.SIGSTORE_TYPE) -> None:
        """Attach payloads with their signatures to the image."""
        described = []
        for raw, signature in layers:
            annotations = {} if signature is None else {"dev.cosignproject.cosign/signature": signature}
            blob = {"mediaType": media_type, "digest": self.registry.add_blob(raw), "size": len(raw)}
            described.append({**blob, "annotations": annotations})
        config = {"mediaType": OCI_CONFIG, "digest": self.registry.add_blob(b"{}"), "size": 2}
        manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": described}
        self.registry.add_manifest("a/b", f"{self.digest.replace(':', '-')}.sig", json.dumps(manifest).encode())

    def locate(self, trust: Trust, name: str = "", platform: Platform | None = None) -> Source:
        """Do what comes before the first layer."""
        clients = Clients(OPTIONS)
        try:
            return locate(RegistryOrigin(clients, parse(name or self.name)), platform or AMD64, trust)
        finally:
            clients.close()

    def rejection(self, trust: Trust, name: str = "") -> str:
        """Return why an image is rejected, and see that nothing but its manifest was read."""
        self.registry.requests.clear()
        with pytest.raises(RejectedError) as caught:
            self.locate(trust, name)
        config = json.loads(self.registry.manifests["a/b", "1"][0])["config"]["digest"]
        assert not self.registry.seen(f"/v2/a/b/blobs/{config}")
        return str(caught.value).removeprefix("Source image rejected: ")


AMD64 = Platform("linux", "amd64")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with FakeRegistry() as registry:
        yield Place(registry, tmp_path)


def signed_by(path: str, **identity: str) -> dict[str, Any]:
    members: dict[str, Any] = {"type": "signedBy", "keyType": "GPGKeys", "keyPath": path}
    return members | ({"signedIdentity": identity} if identity else {})


def test_a_signature_lets_an_image_in(place: Place, gpg: Gpg, keys: dict[str, str]) -> None:
    trust = place.trust(signed_by(keys["alice"]))
    assert place.rejection(trust) == "A signature was required, but no signature exists"
    place.sign(gpg.sign("alice", payload(place.digest, place.name)))
    assert place.locate(trust).digests == (place.digest,)
    by_digest = f"{place.registry.domain}/a/b@{place.digest}"
    assert place.locate(trust, by_digest).digests == (place.digest,)
    exact = place.trust(signed_by(keys["alice"], type="matchExact"))
    assert "is not accepted" in place.rejection(exact, by_digest)


def test_one_good_signature_among_others_is_enough(place: Place, gpg: Gpg, keys: dict[str, str]) -> None:
    good = payload(place.digest, place.name)
    place.sign(b"\x99garbage", gpg.sign("mallory", good), gpg.sign("alice", good))
    place.locate(place.trust(signed_by(keys["alice"])))


def test_each_requirement_must_be_met(place: Place, gpg: Gpg, keys: dict[str, str]) -> None:
    good = payload(place.digest, place.name)
    both = place.trust(signed_by(keys["alice"]), signed_by(keys["mallory"]))
    place.sign(gpg.sign("alice", good))
    assert "is not accepted" in place.rejection(both)
    assert "rejected by policy" in place.rejection(place.trust(signed_by(keys["alice"]), {"type": "reject"}))


ATTACKS: dict[str, tuple[Callable[[Place, Gpg], bytes], str]] = {
    "another repository": (
        lambda place, gpg: gpg.sign("alice", payload(place.digest, f"{place.registry.domain}/a/c:1")),
        "Signature for identity 127.0.0.1:",
    ),
    "another tag": (
        lambda place, gpg: gpg.sign("alice", payload(place.digest, place.name[:-1] + "2")),
        "Signature for identity 127.0.0.1:",
    ),
    "another digest": (
        lambda place, gpg: gpg.sign("alice", payload(OTHER_DIGEST, place.name)),
        f"Signature for digest {OTHER_DIGEST} does not match",
    ),
    "another key": (
        lambda place, gpg: gpg.sign("mallory", payload(place.digest, place.name)),
        "Signature by key ",
    ),
    "an expired signature": (
        lambda place, gpg: gpg.sign(
            "alice",
            payload(place.digest, place.name),
            *("--default-sig-expire", "1d", "--faked-system-time", "20200201T000000"),
        ),
        "Invalid GPG signature: the signature has expired",
    ),
    "a payload that is no container signature": (
        lambda place, gpg: gpg.sign("alice", payload(place.digest, place.name, kind=COSIGN)),
        "Unrecognized signature type",
    ),
    "a payload that is no JSON": (lambda place, gpg: gpg.sign("alice", b"hello"), "invalid signature payload"),
    "a payload with more in it": (
        lambda place, gpg: gpg.sign("alice", payload(place.digest, place.name)[:-1] + b', "more": 1}'),
        'Unknown key "more"',
    ),
    "a tampered payload": (
        lambda place, gpg: tampered(gpg.sign("alice", payload(OTHER_DIGEST, place.name), "-z0"), place.digest),
        "Invalid GPG signature: it does not match what is signed",
    ),
    "nothing that is signed": (
        lambda place, gpg: gpg.run("--store", data=payload(place.digest, place.name)),
        "Invalid GPG signature",
    ),
    "a detached signature": (
        lambda place, gpg: gpg.run("--local-user", "alice", "--detach-sign", data=payload(place.digest, place.name)),
        "Invalid GPG signature",
    ),
    "a clear-signed text": (
        lambda place, gpg: gpg.run("--local-user", "alice", "--clear-sign", data=payload(place.digest, place.name)),
        "unrecognized signature format",
    ),
    "armour": (
        lambda place, gpg: gpg.sign("alice", payload(place.digest, place.name), "--armor"),
        "unrecognized signature format",
    ),
    "two signatures on one text": (
        lambda place, gpg: gpg.sign("alice", payload(place.digest, place.name), "--local-user", "mallory"),
        "is not accepted",
    ),
    "two messages in one": (
        lambda place, gpg: (
            gpg.sign("alice", payload(OTHER_DIGEST, place.name))
            + gpg.run("--store", data=payload(place.digest, place.name))
        ),
        f"Signature for digest {OTHER_DIGEST} does not match",  # what is read is what is signed
    ),
    "an unsigned message before a signed one": (
        lambda place, gpg: (
            gpg.run("--store", data=payload(place.digest, place.name))
            + gpg.sign("alice", payload(OTHER_DIGEST, place.name))
        ),
        "Invalid GPG signature",
    ),
    "an empty file": (lambda place, gpg: b"", "unrecognized signature format"),
    "a file that is cut off": (
        lambda place, gpg: gpg.sign("alice", payload(place.digest, place.name))[:60],
        "Invalid GPG signature",
    ),
    "a bomb": (lambda place, gpg: gpg.sign("alice", bytes(64 << 20)), "Invalid GPG signature"),
    "a public key": (lambda place, gpg: gpg.run("--export", "alice"), "Invalid GPG signature"),
}


def tampered(signature: bytes, digest: str) -> bytes:
    changed = signature.replace(OTHER_DIGEST.encode(), digest.encode())
    assert changed != signature
    return changed


@pytest.mark.parametrize("attack", ATTACKS)
def test_signatures_that_do_not_count(place: Place, gpg: Gpg, keys: dict[str, str], attack: str) -> None:
    make, message = ATTACKS[attack]
    place.sign(make(place, gpg))
    assert message in place.rejection(place.trust(signed_by(keys["alice"])))


def test_a_key_that_has_expired(place: Place, gpg: Gpg, keys: dict[str, str]) -> None:
    good = payload(place.digest, place.name)
    place.sign(gpg.sign("old", good, "--faked-system-time", "20200201T000000"))
    assert place.rejection(place.trust(signed_by(keys["old"]))) == "Invalid GPG signature: the key has expired"


def test_every_signature_has_its_reason(place: Place, gpg: Gpg, keys: dict[str, str]) -> None:
    place.sign(b"\x99", gpg.sign("alice", payload(OTHER_DIGEST, place.name)))
    reasons = place.rejection(place.trust(signed_by(keys["alice"])))
    assert reasons.startswith("None of the signatures were accepted, reasons: Invalid GPG signature")
    assert reasons.endswith(f"; Signature for digest {OTHER_DIGEST} does not match")


def test_keys_that_are_none(place: Place, gpg: Gpg, keys: dict[str, str]) -> None:
    place.sign(gpg.sign("alice", payload(place.digest, place.name)))
    assert place.rejection(place.trust(signed_by(keys["none"]))) == "No public keys imported"
    assert "open /nonexistent: no such file" in place.rejection(place.trust(signed_by("/nonexistent")))


def test_without_gpg_nothing_comes_in(place: Place, gpg: Gpg, keys: dict[str, str]) -> None:
    place.sign(gpg.sign("alice", payload(place.digest, place.name)))
    trust = place.trust(signed_by(keys["alice"]))
    elsewhere = replace(OPTIONS, environment={"PATH": "/nonexistent"})
    assert "there is no gpg" in place.rejection(replace(trust, options=elsewhere))
    place.locate(trust)


def test_of_an_index_the_chosen_manifest_counts(place: Place, gpg: Gpg, keys: dict[str, str]) -> None:
    amd64 = {"mediaType": OCI_MANIFEST, "digest": place.digest, "size": 1}
    amd64["size"] = len(place.registry.manifests["a/b", place.digest][0])
    index = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [{**amd64, "platform": {"os": "linux", "architecture": "amd64"}}],
    }
    top = place.registry.add_manifest("a/b", "list", json.dumps(index).encode(), OCI_INDEX)
    name = f"{place.registry.domain}/a/b:list"
    trust = place.trust(signed_by(keys["alice"]))
    signing.write_signatures(place.lookaside, "a/b", top, [gpg.sign("alice", payload(top, name))])
    assert place.rejection(trust, name) == "A signature was required, but no signature exists"
    place.sign(gpg.sign("alice", payload(place.digest, name)))
    assert place.locate(trust, name).digests == (place.digest, top)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """A web server for the lookaside directory; its URL."""
    handler = functools.partial(_Quiet, directory=str(tmp_path / "lookaside"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


def test_lookaside_on_a_web_server(place: Place, gpg: Gpg, keys: dict[str, str], web: str) -> None:
    trust = place.trust(signed_by(keys["alice"]), base=web)
    assert place.rejection(trust) == "A signature was required, but no signature exists"
    good = payload(place.digest, place.name)
    place.sign(gpg.sign("mallory", good), gpg.sign("alice", good))
    place.locate(trust)


def test_lookaside_that_fails_is_no_empty_list(place: Place, keys: dict[str, str]) -> None:
    for base in ("ftp://example.com/x", "http://127.0.0.1:1", "http://[x", "http:///x", '"file:///\\u0000"'):
        with pytest.raises(StorageError):
            place.locate(place.trust(signed_by(keys["alice"]), base=base))
    os.makedirs(os.path.join(place.lookaside, f"a/b@{place.digest.replace(':', '=')}", "signature-1"))
    assert "is a directory" in place.rejection(place.trust(signed_by(keys["alice"])))


SIGSTORE_KEYS: dict[str, signing.PrivateKey] = {
    "ecdsa": ec.generate_private_key(ec.SECP256R1()),
    "rsa": rsa.generate_private_key(65537, 2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
}
TRUSTED = SIGSTORE_KEYS["ecdsa"]


def sigstore_signed(path: Path, *keys: signing.PrivateKey, **identity: str) -> dict[str, Any]:
    paths = []
    for number, key in enumerate(keys or (TRUSTED,)):
        paths.append(str(path / f"{number}.pub"))
        Path(paths[-1]).write_bytes(signing.pem(key))
    members: dict[str, Any] = {"type": "sigstoreSigned"}
    members |= {"keyPath": paths[0]} if len(paths) == 1 else {"keyPaths": paths}
    return members | ({"signedIdentity": identity} if identity else {})


@pytest.mark.parametrize("kind", SIGSTORE_KEYS)
def test_a_sigstore_signature_lets_an_image_in(place: Place, tmp_path: Path, kind: str) -> None:
    key = SIGSTORE_KEYS[kind]
    trust = place.trust(sigstore_signed(tmp_path, key), attachments=True)
    assert place.rejection(trust) == "A signature was required, but no signature exists"
    good = payload(place.digest, place.name, kind=COSIGN)
    place.attach((good, signing.sigstore_signature(key, good)))
    place.locate(trust)
    # Unless the configuration says that there are attachments, none is looked for.
    assert place.rejection(place.trust(sigstore_signed(tmp_path, key))).startswith("A signature was required")


def test_sigstore_by_one_of_several_keys_under_the_repository_alone(place: Place, tmp_path: Path) -> None:
    good = payload(place.digest, place.name.removesuffix(":1"), kind=COSIGN)
    place.attach((good, signing.sigstore_signature(TRUSTED, good)))
    several = (SIGSTORE_KEYS["rsa"], TRUSTED)
    assert "is not accepted" in place.rejection(place.trust(sigstore_signed(tmp_path, *several), attachments=True))
    by_repository = sigstore_signed(tmp_path, *several, type="matchRepository")
    place.locate(place.trust(by_repository, attachments=True))


SIGSTORE_ATTACKS: dict[str, tuple[Callable[[Place], tuple[bytes, str | None]], str]] = {
    "another repository": (lambda place: cosigned(place.digest, f"{place.registry.domain}/a/c:1"), "identity"),
    "another digest": (lambda place: cosigned(OTHER_DIGEST, place.name), "Signature for digest"),
    "another key": (
        lambda place: cosigned(place.digest, place.name, SIGSTORE_KEYS["rsa"]),
        "cryptographic signature verification failed",
    ),
    "a signature of another payload": (
        lambda place: (payload(place.digest, place.name, kind=COSIGN), cosigned(OTHER_DIGEST, place.name)[1]),
        "cryptographic signature verification failed",
    ),
    "simple signing's payload": (
        lambda place: (raw := payload(place.digest, place.name), signing.sigstore_signature(TRUSTED, raw)),
        "Unrecognized signature type",
    ),
    "no base64": (lambda place: (payload(place.digest, place.name, kind=COSIGN), "!"), "no base64"),
    "no signature": (lambda place: (payload(place.digest, place.name, kind=COSIGN), None), "annotation"),
    "an empty signature": (
        lambda place: (payload(place.digest, place.name, kind=COSIGN), ""),
        "cryptographic signature verification failed",
    ),
}


def cosigned(digest: str, reference: str, key: signing.PrivateKey = TRUSTED) -> tuple[bytes, str]:
    raw = payload(digest, reference, kind=COSIGN)
    return raw, signing.sigstore_signature(key, raw)


@pytest.mark.parametrize("attack", SIGSTORE_ATTACKS)
def test_sigstore_signatures_that_do_not_count(place: Place, tmp_path: Path, attack: str) -> None:
    make, message = SIGSTORE_ATTACKS[attack]
    place.attach(make(place))
    assert message in place.rejection(place.trust(sigstore_signed(tmp_path), attachments=True))


def test_attachments_that_are_no_signatures(place: Place, tmp_path: Path) -> None:
    trust = place.trust(sigstore_signed(tmp_path), attachments=True)
    place.attach(cosigned(place.digest, place.name), media_type="application/vnd.dsse.envelope.v1+json")
    assert place.rejection(trust).endswith("(1 sigstore non-signature attachments)")
    place.attach()
    assert place.rejection(trust) == "A signature was required, but no signature exists"
    tag = f"{place.digest.replace(':', '-')}.sig"
    place.registry.add_manifest("a/b", tag, b'{"schemaVersion": 2, "manifests": []}', OCI_INDEX)
    assert "unexpected media type" in place.rejection(trust)


def test_keys_and_requirements_that_nothing_meets(place: Place, tmp_path: Path) -> None:
    place.attach(cosigned(place.digest, place.name))
    (tmp_path / "key").write_text("no key")
    bad = {"type": "sigstoreSigned", "keyPath": str(tmp_path / "key")}
    assert "not one in PEM" in place.rejection(place.trust(bad, attachments=True))
    rekor = {**sigstore_signed(tmp_path), "rekorPublicKeyPath": "/r"}
    assert "rekorPublicKeyPath is not supported" in place.rejection(place.trust(rekor, attachments=True))


def test_without_the_library_nothing_comes_in(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place.attach(cosigned(place.digest, place.name))
    monkeypatch.setitem(__import__("sys").modules, "cryptography.exceptions", None)
    assert "the Python package cryptography is missing" in place.rejection(
        place.trust(sigstore_signed(tmp_path), attachments=True)
    )


def test_a_pull_that_is_rejected_leaves_nothing(place: Place, keys: dict[str, str], tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    try:
        with pytest.raises(RejectedError, match=f"^{NO_SIGNATURE}$"):
            pull(store, parse(place.name), options=OPTIONS, trust=place.trust(signed_by(keys["alice"])))
        assert list_images(store) == []
        assert not any(os.listdir(f"{store.root}/{name}") for name in ("layers", "staging", "ingest"))
        assert not place.registry.seen("/blobs/")
    finally:
        store.close()


def test_registries_d_that_contradicts_itself(place: Place, keys: dict[str, str]) -> None:
    trust = place.trust(signed_by(keys["alice"]))
    Path(trust.registries_d[0], "other.yaml").write_text("default-docker:\n  lookaside: file:///x\n")
    with pytest.raises(RejectedError, match='"default-docker" is defined both in'):
        place.locate(trust)
    Path(trust.registries_d[0], "other.yaml").write_text("docker: [")
    with pytest.raises((PolicyError, RejectedError), match="parsing"):
        place.locate(trust)
