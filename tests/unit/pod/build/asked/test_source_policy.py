"""Source policies: which rule is about an image, what it makes of it, and which files are none."""

from __future__ import annotations

import json

import pytest

from pod.build.asked.source_policy import SourcePolicy, identifiers, parse
from pod.errors import PodError


def policy(*rules: tuple[str, ...]) -> SourcePolicy:
    """Return a policy of rules (action, identifier, matchType, the identifier of updates)."""
    documents = []
    for action, identifier, *more in rules:
        kind, target = (*more, "", "")[:2]
        selector = {"identifier": identifier, **({"matchType": kind} if kind else {})}
        updates = {"updates": {"identifier": target}} if target else {}
        documents.append({"action": action, "selector": selector, **updates})
    return parse(json.dumps({"rules": documents}))


HUB = "docker-image://docker.io/library"


def test_what_images_are_called() -> None:
    assert identifiers("alpine") == (f"{HUB}/alpine", f"{HUB}/alpine:latest")
    assert identifiers("docker://alpine:3") == identifiers("docker.io/alpine:3") == (f"{HUB}/alpine:3",)
    assert identifiers("oci:/some/place:x y") == ("docker-image://oci:/some/place:x y",)


@pytest.mark.parametrize(
    ("identifier", "kind", "denied"),
    [
        (f"{HUB}/alpine:3.1", "EXACT", True),
        (f"{HUB}/alpine:*", "EXACT", False),
        (f"{HUB}/alpine:*", "WILDCARD", True),
        (f"{HUB}/alpine:?.?", "", True),
        (f"{HUB}/alpine:?", "", False),
        (f"{HUB}/alpine:3x1", "", False),
        ("*", "", True),
        ("alpine:3.1", "", False),
    ],
)
def test_patterns(identifier: str, kind: str, denied: bool) -> None:
    made = policy(("DENY", identifier, kind))
    if not denied:
        assert made.image("alpine:3.1") == "alpine:3.1"
        return
    with pytest.raises(PodError) as error:
        made.image("alpine:3.1")
    told = f'source "alpine:3.1" denied by source policy: matched rule 0 (selector: "{identifier}")'
    assert str(error.value) == told


def test_the_first_rule_that_matches_counts() -> None:
    made = policy(
        ("ALLOW", f"{HUB}/alpine:3"), ("CONVERT", f"{HUB}/*", "", "docker-image://quay.io/x:1"), ("DENY", "*")
    )
    assert made.image("alpine:3") == "alpine:3"
    assert made.image("debian") == "quay.io/x:1"
    with pytest.raises(PodError, match="matched rule 2"):
        made.image("quay.io/x:1")
    assert parse("{}").image("x") == parse("null").image("x") == "x"


def test_a_rule_on_the_tag_that_is_left_out_holds() -> None:
    for identifier in (f"{HUB}/debian", f"{HUB}/debian:latest", f"{HUB}/debian:*"):
        with pytest.raises(PodError, match="denied"):
            policy(("DENY", identifier)).image("debian")


SELECTOR = {"identifier": "x"}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], r"not an object: \[\]"),
        ({"rules": {}}, "rules: not a list: {}"),
        ({"Rules": [{}]}, "rule 0: action is required"),
        ({"rules": [{"action": "allow"}]}, r'rule 0: unknown action "allow" \(valid: ALLOW, DENY, CONVERT\)'),
        ({"rules": [{"action": "DENY", "selector": {}}]}, "rule 0: selector.identifier is required"),
        ({"rules": [{"action": "DENY", "selector": {"identifier": 1}}]}, "rule 0: identifier: not a text: 1"),
        (
            {"rules": [{"action": "DENY", "selector": {**SELECTOR, "matchType": "REGEX"}}]},
            "rule 0: REGEX match type is not supported in this version",
        ),
        (
            {"rules": [{"action": "DENY", "selector": {**SELECTOR, "matchType": "x"}}]},
            r'rule 0: unknown matchType "x" \(valid: EXACT, WILDCARD\)',
        ),
        (
            {"rules": [{"action": "DENY", "selector": {**SELECTOR, "constraints": [{}]}}]},
            "rule 0: selector.constraints are not supported",
        ),
        (
            {"rules": [{"action": "DENY", "selector": SELECTOR}, {"action": "CONVERT", "selector": SELECTOR}]},
            "rule 1: updates.identifier is required for CONVERT action",
        ),
    ],
)
def test_what_is_no_policy(document: object, message: str) -> None:
    with pytest.raises(PodError, match=f"^loading source policy: validating source policy: {message}$"):
        parse(json.dumps(document))


def test_what_is_no_json() -> None:
    with pytest.raises(PodError, match=r"^loading source policy: parsing source policy JSON: "):
        parse("{invalid json}")
