"""What signatures claim: payloads that are refused, and identities that match."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.documents import digest_of
from storage.reference import parse
from storage.trust import identity, payload
from storage.trust.errors import RejectedError
from storage.trust.identity import (
    ExactReference,
    ExactRepository,
    Identity,
    MatchExact,
    MatchRepoDigestOrExact,
    MatchRepository,
    RemapIdentity,
)

MANIFEST = b"{}"
DIGEST = digest_of(MANIFEST)
GOOD: dict[str, Any] = {
    "critical": {
        "type": payload.SIMPLE_SIGNING,
        "image": {"docker-manifest-digest": DIGEST},
        "identity": {"docker-reference": "docker.io/library/busybox:latest"},
    },
    "optional": {"creator": "a test", "timestamp": 1483228800, "unknown": []},
}


def changed(*path: str, **members: Any) -> bytes:
    """Give the good payload with members of an object in it changed; `...` removes one."""
    document = copy.deepcopy(GOOD)
    place = document
    for name in path:
        place = place[name]
    for name, value in members.items():
        name = name.replace("_", "-")
        if value is ...:
            del place[name]
        else:
            place[name] = value
    return json.dumps(document).encode()


def test_a_payload() -> None:
    claim = payload.read(json.dumps(GOOD).encode(), payload.SIMPLE_SIGNING)
    assert claim == payload.Claim(DIGEST, "docker.io/library/busybox:latest")
    payload.check_digest(claim, MANIFEST)
    with pytest.raises(RejectedError, match=f"Signature for digest {DIGEST} does not match"):
        payload.check_digest(claim, b"{ }")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b"\xff",
        json.dumps(GOOD).encode() + b"{}",
        changed(extra=1),
        changed(optional=...),
        changed(optional=None),
        changed(optional=[]),
        changed(critical=...),
        changed("critical", extra=1),
        changed("critical", type=payload.COSIGN),
        changed("critical", type=...),
        changed("critical", type=1),
        changed("critical", image=...),
        changed("critical", identity=None),
        changed("critical", "image", docker_manifest_digest=1),
        changed("critical", "image", docker_manifest_digest="md5:00"),
        changed("critical", "image", docker_manifest_digest="sha256:../.."),
        changed("critical", "image", more=1),
        changed("critical", "identity", docker_reference=None),
        changed("critical", "identity", more=1),
        changed("optional", creator=1),
        changed("optional", timestamp="1"),
        changed("optional", timestamp=1.5),
        changed("optional", timestamp=True),
        changed("optional", timestamp=1 << 63),
        json.dumps(GOOD).replace('"optional"', '"critical": {}, "optional"').encode(),
        json.dumps(GOOD).replace('"docker-reference"', '"docker-reference": "q.io/a:1", "docker-reference"').encode(),
    ],
)
def test_payloads_that_are_refused(raw: bytes) -> None:
    with pytest.raises(RejectedError):
        payload.read(raw, payload.SIMPLE_SIGNING)


def test_cosign_leaves_optional_null() -> None:
    raw = json.dumps(GOOD).replace(payload.SIMPLE_SIGNING, payload.COSIGN)
    document = {**json.loads(raw), "optional": None}
    assert payload.read(json.dumps(document).encode(), payload.COSIGN, null_optional=True).digest == DIGEST


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_are_a_claim_or_rejected(raw: bytes) -> None:
    with pytest.raises(RejectedError):
        payload.read(raw, payload.SIMPLE_SIGNING)


HEX = "0" * 64
BY_TAG, BY_DIGEST = "q.io/ns/a:1", f"q.io/ns/a@sha256:{HEX}"
MIRRORED = RemapIdentity("mirror:80/m", "q.io/ns")


@pytest.mark.parametrize(
    ("rule", "image", "claimed", "matches"),
    [
        (MatchExact(), BY_TAG, BY_TAG, True),
        (MatchExact(), BY_TAG, "q.io/ns/a:2", False),
        (MatchExact(), BY_TAG, "q.io/ns/a", False),
        (MatchExact(), BY_DIGEST, BY_DIGEST, True),
        (MatchExact(), BY_DIGEST, BY_TAG, False),
        (MatchExact(), "docker.io/library/a:1", "a:1", True),
        (MatchExact(), None, BY_TAG, False),
        (MatchRepoDigestOrExact(), BY_TAG, BY_TAG, True),
        (MatchRepoDigestOrExact(), BY_TAG, "q.io/ns/a:2", False),
        (MatchRepoDigestOrExact(), BY_TAG, BY_DIGEST, False),
        (MatchRepoDigestOrExact(), BY_DIGEST, BY_TAG, True),
        (MatchRepoDigestOrExact(), BY_DIGEST, "q.io/ns/b:1", False),
        (MatchRepoDigestOrExact(), BY_DIGEST, "q.io/ns/a", False),
        (MatchRepoDigestOrExact(), BY_TAG, "not A reference", False),
        (MatchRepoDigestOrExact(), BY_TAG, "", False),
        (MatchRepoDigestOrExact(), None, BY_TAG, False),
        (MatchRepository(), BY_TAG, "q.io/ns/a:2", True),
        (MatchRepository(), BY_TAG, "q.io/ns/a", True),
        (MatchRepository(), BY_TAG, "q.io/ns/ab:1", False),
        (MatchRepository(), None, BY_TAG, False),
        (ExactReference(parse(BY_TAG)), None, BY_TAG, True),
        (ExactReference(parse(BY_TAG)), "other.io/b:1", BY_TAG, True),
        (ExactReference(parse(BY_TAG)), BY_TAG, "q.io/ns/a:2", False),
        (ExactReference(parse(BY_TAG)), BY_TAG, "q.io/ns/a", False),
        (ExactRepository(parse("q.io/ns/a")), None, BY_TAG, True),
        (ExactRepository(parse("q.io/ns/a")), BY_TAG, "q.io/ns/b:1", False),
        (MIRRORED, "mirror:80/m/a:1", BY_TAG, True),
        (MIRRORED, "mirror:80/m/a:2", BY_TAG, False),
        (MIRRORED, f"mirror:80/m/a@sha256:{HEX}", BY_TAG, True),
        (MIRRORED, "mirror:80/m/a:1", "mirror:80/m/a:1", False),
        (MIRRORED, "mirror:80/ma/a:1", "mirror:80/ma/a:1", True),  # another prefix: nothing is remapped
        (MIRRORED, None, BY_TAG, False),
        (RemapIdentity("mirror:80", "q.io"), "mirror:80/ns/a:1", BY_TAG, True),
        (RemapIdentity("mirror:80/m", "q.io/ns/a"), "mirror:80/m:1", BY_TAG, True),
    ],
)
def test_identities(rule: Identity, image: str | None, claimed: str, matches: bool) -> None:
    assert rule.matches(None if image is None else parse(image), claimed) is matches


@given(st.text(max_size=60))
def test_any_claim_is_compared_or_refused(claimed: str) -> None:
    assert not identity.DEFAULT.matches(parse(BY_TAG), claimed) or parse(claimed) == parse(BY_TAG)
