"""policy.json: the man page's examples, what is refused, and which requirements count for which image."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.trust import policy, scopes
from storage.trust.errors import PolicyError
from storage.trust.identity import ExactReference, ExactRepository, MatchRepository, RemapIdentity
from storage.trust.policy import AcceptAnything, Keys, Policy, Reject, SignedBy, SigstoreSigned, Unsupported

REJECT = [{"type": "reject"}]
ACCEPT = [{"type": "insecureAcceptAnything"}]
SIGNED = {"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/k"}
SIGSTORE = {"type": "sigstoreSigned", "keyPath": "/k"}
HEX = "0" * 64

# "A reasonably locked-down system" of containers-policy.json(5), without its comments.
LOCKED_DOWN = {
    "default": REJECT,
    "transports": {
        "docker": {
            "docker.io/openshift": ACCEPT,
            "docker.io/library/busybox": ACCEPT,
            "*.temporary-project.example.com": ACCEPT,
            "hostname:5000/myns/sigstore-signed-with-full-references": [
                {"type": "sigstoreSigned", "keyPath": "/path/to/sigstore-pubkey.pub"}
            ],
            "hostname:5000/myns/sigstore-signed-allows-malicious-tag-substitution": [
                {
                    "type": "sigstoreSigned",
                    "keyPath": "/path/to/sigstore-pubkey.pub",
                    "signedIdentity": {"type": "matchRepository"},
                }
            ],
        },
        "dir": {"": ACCEPT},
        "atomic": {
            "hostname:5000/myns/official": [
                {"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/path/to/official-pubkey.gpg"}
            ],
            "hostname:5000/vendor/product": [
                {
                    "type": "signedBy",
                    "keyType": "GPGKeys",
                    "keyPath": "/path/to/vendor-pubkey.gpg",
                    "signedIdentity": {
                        "type": "exactRepository",
                        "dockerRepository": "vendor-hostname:80/product/repository",
                    },
                },
                {"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/path/to/reviewer-pubkey.gpg"},
            ],
            "private-mirror:5000/vendor-mirror": [
                {
                    "type": "signedBy",
                    "keyType": "GPGKeys",
                    "keyPath": "/path/to/vendor-pubkey.gpg",
                    "signedIdentity": {
                        "type": "remapIdentity",
                        "prefix": "private-mirror:5000/vendor-mirror",
                        "signedPrefix": "vendor.example.com",
                    },
                }
            ],
        },
    },
}


def parsed(document: Any) -> Policy:
    return policy.parse(json.dumps(document).encode())


def requirement(**members: Any) -> Any:
    (found,) = parsed({"default": [members]}).default
    return found


def test_the_man_pages_example() -> None:
    found = parsed(LOCKED_DOWN)
    assert found.default == (Reject(),)
    assert found.requirements("docker", "docker.io/library/alpine:latest") == (Reject(),)
    assert found.requirements("docker", "docker.io/library/busybox:latest") == (AcceptAnything(),)
    assert found.requirements("docker", f"docker.io/library/busybox@sha256:{HEX}") == (AcceptAnything(),)
    assert found.requirements("docker", "a.b.temporary-project.example.com:80/x:1") == (AcceptAnything(),)
    assert found.requirements("docker", "temporary-project.example.com/x:1") == (Reject(),)
    assert found.requirements("dir", "/anywhere") == (AcceptAnything(),)
    assert found.requirements("oci", "/anywhere:tag") == (Reject(),)
    mirror = found.requirements("atomic", "private-mirror:5000/vendor-mirror/product-a/image1:latest")
    assert mirror == (
        SignedBy(
            Keys(paths=("/path/to/vendor-pubkey.gpg",)),
            RemapIdentity("private-mirror:5000/vendor-mirror", "vendor.example.com"),
        ),
    )
    assert len(found.requirements("atomic", "hostname:5000/vendor/product:1")) == 2
    (substitution,) = found.requirements(
        "docker", "hostname:5000/myns/sigstore-signed-allows-malicious-tag-substitution:1"
    )
    assert substitution == SigstoreSigned(Keys(paths=("/path/to/sigstore-pubkey.pub",)), MatchRepository())


def test_the_longest_scope_counts_alone() -> None:
    by_scope = {"": REJECT, "q.io": ACCEPT, "q.io/a/b": REJECT, "q.io/a/b:1": ACCEPT, f"q.io/a/b@sha256:{HEX}": ACCEPT}
    found = parsed({"default": ACCEPT, "transports": {"docker": by_scope}})

    def accepts(name: str) -> bool:
        return found.requirements("docker", name) == (AcceptAnything(),)

    assert not accepts("other.io/a:1")
    assert accepts("q.io/a:1")
    assert accepts("q.io/a/bc:1")  # whole components only
    assert not accepts("q.io/a/b:2")
    assert not accepts("q.io/a/b/c:1")
    assert accepts("q.io/a/b:1")
    assert accepts(f"q.io/a/b@sha256:{HEX}")
    assert accepts(f"q.io/a/b:9@sha256:{HEX}")
    assert found.requirements("oci", "/x") == (AcceptAnything(),)


def test_scopes_of_directories(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (tmp_path / "link").symlink_to(real)
    above = scopes.of("dir", str(tmp_path))
    assert scopes.of("dir", f"{tmp_path}/link/x") == [f"{real}/x", str(real), *above]
    assert scopes.of("oci", str(real)) == [str(real), *above]
    assert scopes.of("dir", "/a:b") == scopes.of("oci", "/a:b") == ["/a:b"]
    assert "/" not in above
    assert scopes.of("docker-archive", "/x") == []


def test_scopes_of_a_daemon() -> None:
    assert scopes.of("docker-daemon", f"sha256:{HEX}") == []
    assert scopes.of("docker-daemon", "docker.io/library/a:1")[0] == "docker.io/library/a:1"


def test_keys() -> None:
    data = base64.b64encode(b"key").decode()
    assert requirement(**SIGNED).keys.paths == ("/k",)
    assert requirement(type="signedBy", keyType="GPGKeys", keyPaths=["/a", "/b"]).keys.paths == ("/a", "/b")
    assert requirement(type="signedBy", keyType="GPGKeys", keyData=data).keys.read() == [b"key"]
    assert requirement(type="sigstoreSigned", keyDatas=[data, data]).keys.read() == [b"key", b"key"]
    with pytest.raises(PolicyError, match="open /nonexistent: no such file or directory"):
        Keys(paths=("/nonexistent",)).read()


def test_identities() -> None:
    def identity(**members: str) -> Any:
        return requirement(**SIGNED, signedIdentity=members).identity

    assert str(identity(type="exactReference", dockerReference="a:1").reference) == "docker.io/library/a:1"
    assert isinstance(identity(type="exactReference", dockerReference=f"q.io/a@sha256:{HEX}"), ExactReference)
    assert isinstance(identity(type="exactRepository", dockerRepository="q.io/a"), ExactRepository)
    assert isinstance(identity(type="remapIdentity", prefix="host", signedPrefix="h.io:80/a/b"), RemapIdentity)


@pytest.mark.parametrize(
    "members",
    [
        {"fulcio": {"caPath": "/c", "oidcIssuer": "i", "subjectEmail": "e"}, "rekorPublicKeyPath": "/r"},
        {"keyPath": "/k", "rekorPublicKeyData": "a2V5"},
        {"pki": {"caRootsPath": "/c"}},
    ],
)
def test_what_cannot_be_checked_is_kept_as_what_nothing_meets(members: dict[str, Any]) -> None:
    assert isinstance(requirement(type="sigstoreSigned", **members), Unsupported)


def test_other_kinds_of_keys_are_met_by_nothing() -> None:
    found = requirement(type="signedBy", keyType="X509Certificates", keyPath="/k")
    assert found == Unsupported("signedBy with keyType X509Certificates")
    base = requirement(type="signedBaseLayer", baseLayerIdentity={"type": "matchExact"})
    assert base == Unsupported("signedBaseLayer")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"default":', "Expecting value"),
        ("[]", "JSON object expected"),
        ("null", "JSON object expected"),
        ("{}", "Default policy is missing"),
        ('{"default":[]}', "List of verification policy requirements must not be empty"),
        ('{"default":{}}', "JSON array"),
        ('{"default":[{"type":"reject"}],"x":1}', 'Unknown key "x"'),
        ('{"default":[{"type":"reject"}],"default":[{"type":"insecureAcceptAnything"}]}', 'Duplicate key "default"'),
        ('{"default":[{"type":"reject","x":1}]}', 'Unknown key "x"'),
        ('{"default":[{"type":"foo"}]}', 'Unknown policy requirement type "foo"'),
        ('{"default":[{}]}', 'Unknown policy requirement type ""'),
        ('{"default":[{"type":[]}]}', "Unknown policy requirement type"),
        ('{"default":[1]}', "JSON object expected"),
        ('{"default":[{"type":"reject"}]} trailing', "Extra data"),
        ('{"default":[{"type":"reject"}],"transports":null}', "JSON object expected"),
        ('{"default":[{"type":"reject"}],"transports":{"docker":{"a":[]}}}', "must not be empty"),
        ('{"default":[{"type":"reject"}],"transports":{"docker":{"a":[{"type":"reject"}],"a":[]}}}', "Duplicate key"),
        ('{"default":[{"type":"reject"}],"transports":{"dir":{"/":[{"type":"reject"}]}}}', 'Invalid scope "/"'),
        ('{"default":[{"type":"reject"}],"transports":{"oci":{"a":[{"type":"reject"}]}}}', "Must be an absolute path"),
        ('{"default":[{"type":"reject"}],"transports":{"dir":{"/a/":[{"type":"reject"}]}}}', "perhaps try"),
        ('{"default":[{"type":"reject"}],"transports":{"docker-archive":{"/a":[{"type":"reject"}]}}}', "Invalid scope"),
        ('{"default":[NaN]}', "NaN is no value"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(PolicyError) as caught:
        policy.parse(text.encode(), "/p")
    assert str(caught.value).startswith('invalid policy in "/p": ')
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"type": "signedBy"}, "Exactly one of keyPath, keyPaths and keyData must be specified, none of them present"),
        ({**SIGNED, "keyData": "aGVsbG8="}, "more than one present"),
        ({**SIGNED, "keyType": "X"}, 'Unrecognized keyType value "X"'),
        ({"type": "signedBy", "keyPath": "/k"}, 'Key "keyType" must be a string'),
        ({**SIGNED, "keyPath": 1}, 'Key "keyPath" must be a string'),
        ({**SIGNED, "keyPath": ""}, "is no path"),
        ({"type": "signedBy", "keyType": "GPGKeys", "keyPaths": []}, "must be an array of strings"),
        ({"type": "signedBy", "keyType": "GPGKeys", "keyData": "a!"}, "illegal base64 data"),
        ({**SIGNED, "rekorPublicKeyPath": "/r"}, 'Unknown key "rekorPublicKeyPath"'),
        ({**SIGNED, "signedIdentity": None}, "JSON object expected"),
        ({**SIGNED, "signedIdentity": {"type": "x"}}, 'Unknown policy reference match type "x"'),
        ({**SIGNED, "signedIdentity": {"type": "matchExact", "x": 1}}, 'Unknown key "x"'),
        (
            {**SIGNED, "signedIdentity": {"type": "exactReference", "dockerReference": "a"}},
            "contains neither a tag nor digest",
        ),
        ({**SIGNED, "signedIdentity": {"type": "exactReference", "dockerReference": "UP"}}, "Invalid format"),
        (
            {**SIGNED, "signedIdentity": {"type": "remapIdentity", "prefix": "a.io/b:1", "signedPrefix": "c.io"}},
            "is not valid",
        ),
        ({"type": "sigstoreSigned"}, "none of them present"),
        ({**SIGSTORE, "keyData": "a2V5"}, "more than one present"),
        ({**SIGSTORE, "keyType": "GPGKeys"}, 'Unknown key "keyType"'),
    ],
)
def test_requirements_that_are_refused(members: dict[str, Any], message: str) -> None:
    with pytest.raises(PolicyError) as caught:
        requirement(**members)
    assert message in str(caught.value)


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"^open /nonexistent: no such file or directory$"):
        policy.load("/nonexistent")
    assert policy.find(["/nonexistent", str(tmp_path)]) == str(tmp_path)
    assert policy.find(["/nonexistent"]) is None
    dangling = tmp_path / "dangling"
    dangling.symlink_to("nowhere")
    assert policy.find([str(dangling)]) == str(dangling)  # it was meant to be there: no silent acceptance


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["default", "transports", "docker", "dir", "type", "keyPath", "keyData", "keyType"])
LIKELY = st.sampled_from(["reject", "signedBy", "sigstoreSigned", "insecureAcceptAnything", "GPGKeys", "/a", "x"])
DOCUMENTS = st.recursive(
    LIKELY | JSON_VALUES,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(NAMES, children, max_size=4),
    max_leaves=20,
)


@given(DOCUMENTS | st.fixed_dictionaries({"default": st.lists(DOCUMENTS, max_size=2)}))
def test_any_document_is_a_policy_or_an_error(document: Any) -> None:
    try:
        found = parsed(document)
    except PolicyError:
        return
    assert found.default


@given(st.binary(max_size=200))
def test_any_bytes_are_a_policy_or_an_error(raw: bytes) -> None:
    try:
        policy.parse(raw)
    except PolicyError:
        return


def test_depth_and_size_are_no_way_around_it(tmp_path: Path) -> None:
    with pytest.raises(PolicyError):
        policy.parse(b"[" * 100_000)
    big = tmp_path / "big"
    with big.open("wb") as file:
        file.truncate(policy.MAX_SIZE + 1)
    with pytest.raises(PolicyError, match="larger than"):
        policy.load(str(big))


def test_names_that_are_rejected() -> None:
    found = parsed({"default": REJECT, "transports": {"docker": {"q.io/bad": REJECT, "q.io/bad/good": ACCEPT}}})
    assert policy.is_rejected(found, "q.io/bad:1")
    assert policy.is_rejected(found, "q.io/bad/x:1")
    assert not policy.is_rejected(found, "q.io/bad/good:1")
    assert not policy.is_rejected(found, "localhost/other:1")  # the default is for where images come from
