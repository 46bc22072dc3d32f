"""References: the grammar of distribution, docker.io's defaults, and nothing that surprises."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage import reference
from storage.errors import BadReferenceError
from storage.reference import Reference

SHA256 = "sha256:" + "0123456789abcdef" * 4
SHA512 = "sha512:" + "0123456789abcdef" * 8


@pytest.mark.parametrize(
    ("text", "full", "familiar"),
    [
        ("busybox", "docker.io/library/busybox", "busybox"),
        ("busybox:1", "docker.io/library/busybox:1", "busybox:1"),
        ("user/thing", "docker.io/user/thing", "user/thing"),
        ("library/thing", "docker.io/library/thing", "thing"),
        ("library/a/b", "docker.io/library/a/b", "library/a/b"),
        ("docker.io/thing", "docker.io/library/thing", "thing"),
        ("index.docker.io/thing", "docker.io/library/thing", "thing"),
        ("docker.io/a.b/thing", "docker.io/a.b/thing", "docker.io/a.b/thing"),
        ("localhost/thing", "localhost/thing", "localhost/thing"),
        ("localhost:5000/a/b:c", "localhost:5000/a/b:c", "localhost:5000/a/b:c"),
        ("quay.io/a/b:c@" + SHA256, "quay.io/a/b:c@" + SHA256, "quay.io/a/b:c@" + SHA256),
        ("a@" + SHA512, "docker.io/library/a@" + SHA512, "a@" + SHA512),
        ("[2001:db8::1]:5000/x:1", "[2001:db8::1]:5000/x:1", "[2001:db8::1]:5000/x:1"),
        ("[::1]/x", "[::1]/x", "[::1]/x"),
        ("UPPER/x", "UPPER/x", "UPPER/x"),
        ("x/a-b_c__d---e.f", "docker.io/x/a-b_c__d---e.f", "x/a-b_c__d---e.f"),
        ("x:_T.a-g", "docker.io/library/x:_T.a-g", "x:_T.a-g"),
        ("x:5000", "docker.io/library/x:5000", "x:5000"),
        ("x:5000/y", "x:5000/y", "x:5000/y"),
    ],
)
def test_parse(text: str, full: str, familiar: str) -> None:
    found = reference.parse(text)
    assert str(found) == full
    assert found.familiar == familiar
    assert reference.parse(full) == found
    assert reference.parse(familiar) == found


@pytest.mark.parametrize(
    "text",
    [
        *("", "/", ":", "@", ":tag", "@" + SHA256, "x:", "x@", "x:@" + SHA256, "a b", "a\n", "\0", "a/", "/a", "a//b"),
        *(
            "-a",
            "a-",
            ".a",
            "a.",
            "_a",
            "a_",
            "a..b",
            "a._b",
            "a___b",
            "a.-b",
            "ä",
            "a/B",
            "Foo",
            "a:b:c",
            "https://a/b",
        ),
        *("x:-tag", "x:.tag", "x:" + "t" * 129, "x:ta/g:", "x:tä", "x@sha256:", "x@sha256:00", "x@md5:" + "0" * 32),
        *("x@" + SHA256.upper(), "x@" + SHA256 + "0", "x@sha256:" + "g" * 64, f"x@{SHA256}@{SHA256}", "0" * 64),
        *("a.b:/x", "a.b:port/x", "a.b:123456/x", "a..b/x", "-a.b/x", "a-.b/x", "[::1/x", "[]/x", "[g]/x", "[::1]x/y"),
        *("a.b/../x", "a.b/./x", "a.b/x/..", "../x", "a.b/%2e%2e/x", "a.b/x?y", "a.b/x#y", "user@a.b/x", "a\\b"),
        "a" * 256,
        "a.b/" + "c" * 252,
    ],
)
def test_refuse(text: str) -> None:
    with pytest.raises(BadReferenceError, match="invalid reference format"):
        reference.parse(text)


def test_messages_are_one_printable_line() -> None:
    with pytest.raises(BadReferenceError) as caught:
        reference.parse("a\x1b[31m\nb" * 1000)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 2000
    with pytest.raises(BadReferenceError, match="repository name must be lowercase"):
        reference.parse("a/Bc")


def test_normalize_adds_latest_only_without_tag_and_digest() -> None:
    assert reference.normalize("x").tag == "latest"
    assert reference.normalize("x:1").tag == "1"
    assert reference.normalize("x@" + SHA256).tag is None
    assert reference.parse("x").tag is None


def test_default_domain() -> None:
    assert str(reference.parse("x", default_domain="localhost")) == "localhost/x"
    assert str(reference.parse("a.b/x", default_domain="localhost")) == "a.b/x"
    assert reference.has_domain("a.b/x")
    assert reference.has_domain("localhost/x")
    assert not reference.has_domain("x:1")
    assert not reference.has_domain("a/x")


def test_derive() -> None:
    start = reference.parse("a.b/x:1@" + SHA256)
    assert str(start.with_tag("2")) == "a.b/x:2"
    assert str(start.with_tag(None)) == "a.b/x"
    assert str(start.with_digest(SHA512)) == "a.b/x@" + SHA512
    assert start.name == "a.b/x"
    with pytest.raises(BadReferenceError):
        start.with_tag("a/b")
    with pytest.raises(BadReferenceError):
        start.with_digest("sha256:../../x")
    assert len({start, reference.parse(str(start)), start.with_tag("2")}) == 2


COMPONENT = st.from_regex(r"[a-z0-9]+((\.|_|__|-{1,4})[a-z0-9]+){0,3}", fullmatch=True)
DOMAIN = st.from_regex(
    r"([a-z0-9]([a-z0-9-]{0,6}[a-z0-9])?\.){1,3}[a-z]{2,4}(:[0-9]{1,5})?|localhost(:[0-9]{1,5})?", fullmatch=True
)
TAG = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,30}", fullmatch=True)
DIGEST = st.from_regex(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}", fullmatch=True)


@given(DOMAIN, st.lists(COMPONENT, min_size=1, max_size=3), st.none() | TAG, st.none() | DIGEST)
def test_whatever_is_built_by_the_grammar_comes_back(
    domain: str, components: list[str], tag: str | None, digest: str | None
) -> None:
    path = "/".join(components)
    if len(domain) + len(path) > 250 or domain.startswith("index.docker.io"):
        return
    made = Reference(domain, path, tag, digest)
    assert reference.parse(str(made)) == made
    assert reference.parse(made.familiar) == made


@given(st.text() | st.text(alphabet="ab.:/@-_[]0A", max_size=20))
def test_any_text_is_read_stably_or_refused(text: str) -> None:
    try:
        found = reference.normalize(text)
    except BadReferenceError:
        return
    assert reference.normalize(str(found)) == found
    assert reference.normalize(found.familiar) == found
    assert ".." not in found.path.split("/")
    assert set(str(found)) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:@[]")


@given(st.text(alphabet="0123456789abcdefgA:/.", max_size=140) | DIGEST)
def test_digests_are_exact(text: str) -> None:
    algorithm, _, encoded = text.partition(":")
    lengths = {"sha256": 64, "sha384": 96, "sha512": 128}
    good = lengths.get(algorithm) == len(encoded) and set(encoded) <= set("0123456789abcdef")
    if good:
        reference.check_digest_syntax(text)
    else:
        with pytest.raises(BadReferenceError, match="invalid digest"):
            reference.check_digest_syntax(text)
