"""What patterns match: the published rules of .dockerignore, one by one, and properties of random ones."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pod.build.context.ignore import IgnoreRules, glob
from pod.errors import PodError


@pytest.mark.parametrize(
    ("patterns", "ignored", "kept"),
    [
        ("*/temp*", ["a/temp", "a/temporary.txt", "a/temp/b"], ["temp", "a/b/temp"]),
        ("*/*/temp*", ["a/b/temporary.txt"], ["a/temp"]),
        ("temp?", ["tempa", "tempb/x"], ["temp", "tempab", "a/tempa"]),
        ("**/*.go", ["a.go", "x/a.go", "x/y/a.go"], ["a.gox", "x/go"]),
        ("**.go", ["a.go", "x/a.go"], ["a.got"]),
        ("**/foo", ["foo", "a/foo", "a/b/foo/c"], ["afoo", "a/bfoo"]),
        ("**/foo/bar", ["foo/bar", "a/foo/bar"], ["foo/a/bar"]),
        ("a/**", ["a/x", "a/x/y"], ["a", "b/a/x"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab", "b"]),
        ("**", ["a", "a/b"], []),
        ("*", ["a", "a/b", ".git"], []),
        ("dir", ["dir", "dir/x/y"], ["dirx", "a/dir"]),
        ("/dir/", ["dir", "dir/x"], ["a/dir"]),
        ("./dir/../other", ["other"], ["dir"]),
        ("*.md\n!README.md", ["a.md"], ["README.md", "b/a.md"]),
        ("*.md\n!README*.md\nREADME-secret.md", ["a.md", "README-secret.md"], ["README-a.md"]),
        ("*.md\nREADME-secret.md\n!README*.md", ["a.md"], ["README-secret.md", "README.md"]),
        ("dir\n!dir/keep", ["dir", "dir/x"], ["dir/keep", "dir/keep/below"]),
        ("*\n!src/**/*.c", ["src", "src/a.h", "x.c"], ["src/a.c", "src/x/a.c"]),
        ("! a", [], ["a"]),
        ("# a comment\n #no-comment", ["#no-comment"], ["# a comment"]),
        (".", [], ["a"]),
        ("/", [], ["a"]),
        ("\n\n  a  \r\n", ["a"], ["b"]),
        ("[a-c]x", ["ax", "cx"], ["dx", "x"]),
        ("[^a-c]x", ["dx"], ["ax"]),
        ("[c-a]x", [], ["ax", "bx"]),
        ("a\\*b", ["a*b"], ["axb"]),
        ("[\\]]", ["]"], ["\\"]),
        ("a.b$(c)+{d}", ["a.b$(c)+{d}"], ["aXb$(c)+{d}"]),
        ("\N{ZERO WIDTH NO-BREAK SPACE}first", ["first"], []),
        ("../out", [], ["out"]),
        ("a b", ["a b"], ["a"]),
    ],
)
def test_rules(patterns: str, ignored: list[str], kept: list[str]) -> None:
    rules = IgnoreRules.parse(patterns.encode())
    assert [path for path in ignored if not rules.matches(path)] == []
    assert [path for path in kept if rules.matches(path)] == []


@pytest.mark.parametrize("pattern", ["[", "[a", "a[]", "[]a]", "[-a]", "[a-]", "\\", "a\\", "[\\"])
def test_malformed(pattern: str) -> None:
    with pytest.raises(PodError, match="syntax error in pattern"):
        IgnoreRules([pattern])


def test_an_exception_of_nothing() -> None:
    with pytest.raises(PodError, match="illegal exclusion pattern"):
        IgnoreRules.parse(b"a\n!\n")


def test_not_utf_8() -> None:
    assert IgnoreRules.parse(b"\xff*").matches("\udcffx")


def test_a_component() -> None:
    assert glob("a*[b-d]?").fullmatch("aXcY")
    assert not glob("*").fullmatch("a/b")
    assert glob("**").fullmatch("ab")
    assert not glob("**").fullmatch("a/b")


_NAMES = st.sampled_from(["a", "b", "ab", "a.b", ".a", "c"])
_PATHS = st.lists(_NAMES, min_size=1, max_size=4).map("/".join)
_PARTS = st.sampled_from(["a", "b", "*", "**", "a*", "?b", "[ab]", "**b", "c", ".."])
_PATTERNS = st.lists(_PARTS, min_size=1, max_size=4).map("/".join)
_LINES = st.lists(st.tuples(st.sampled_from(["", "!"]), _PATTERNS).map("".join), max_size=5)


@given(_LINES, _PATHS)
def test_a_walk_agrees_with_a_question(patterns: list[str], path: str) -> None:
    """Marks handed down, whether in groups or from the end, say the same as all patterns one after the other."""
    rules = IgnoreRules(patterns)
    above = 0
    parts = path.split("/")
    for end in range(1, len(parts)):
        above = rules.marks("/".join(parts[:end]), above)
    expected = False
    for pattern in patterns:
        one = IgnoreRules([pattern.removeprefix("!")])
        if one.matches(path):
            expected = not pattern.startswith("!")
    assert rules.matches(path) == expected
    assert rules.ignores_file(path, above) == expected


@given(_LINES, _PATHS, _PATHS)
def test_what_may_be_skipped_has_no_exception(patterns: list[str], directory: str, below: str) -> None:
    rules = IgnoreRules(patterns)
    if rules.matches(directory) and rules.may_skip(directory):
        assert rules.matches(f"{directory}/{below}")


@given(st.text(alphabet="ab*?[]^-\\./!", max_size=8), _PATHS)
def test_anything_is_a_pattern_or_an_error(pattern: str, path: str) -> None:
    with contextlib.suppress(PodError):
        IgnoreRules([pattern]).matches(path)
