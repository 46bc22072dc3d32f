"""registries.conf: what it means for a name, and that mistakes are told as podman tells them, with file and key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import BadReferenceError
from storage.reference import parse
from storage.registry import configuration_files
from storage.registry.configuration import Configuration
from storage.registry.configuration_files import BadConfigurationError

# The example of containers-registries.conf(5).
EXAMPLE = """
unqualified-search-registries = ["example.com"]

[[registry]]
prefix = "example.com/foo"
insecure = false
blocked = false
location = "internal-registry-for-example.com/bar"

[[registry.mirror]]
location = "example-mirror-0.local/mirror-for-foo"

[[registry.mirror]]
location = "example-mirror-1.local/mirrors/foo"
insecure = true

[[registry]]
location = "registry.com"

[[registry.mirror]]
location = "mirror.registry.com"
"""
DIGEST = "sha256:" + "0" * 64
KEYS = (
    "registry registries unqualified-search-registries aliases short-name-mode credential-helpers prefix location "
    "insecure blocked mirror mirror-by-digest-only pull-from-mirror search block"
).split()


def load(tmp_path: Path, *texts: str) -> Configuration:
    """Read a main file and drop-ins with these texts."""
    paths = []
    for number, text in enumerate(texts):
        path = tmp_path / f"{number}.conf"
        path.write_text(text)
        paths.append(str(path))
    return configuration_files.load(paths[0], paths[1:], places="HERE")


def places(configuration: Configuration, name: str) -> list[str]:
    """List where an image is fetched from; `!` marks what need not prove who it is, `-` what is blocked."""
    return [
        f"{one.reference}{'!' if one.insecure else ''}{'-' if one.blocked_by else ''}"
        for one in configuration.endpoints(parse(name))
    ]


def test_the_example_of_the_manual(tmp_path: Path) -> None:
    configuration = load(tmp_path, EXAMPLE)
    assert configuration.search == ("example.com",)
    assert configuration.search_origin == str(tmp_path / "0.conf")
    assert places(configuration, "example.com/foo/image:latest") == [
        "example-mirror-0.local/mirror-for-foo/image:latest",
        "example-mirror-1.local/mirrors/foo/image:latest!",
        "internal-registry-for-example.com/bar/image:latest",
    ]
    assert places(configuration, "registry.com/image:latest") == [
        "mirror.registry.com/image:latest",
        "registry.com/image:latest",
    ]
    for other in ("example.com/foobar:1", "example.com/image", "registry.com:5000/image", "sub.registry.com/image"):
        assert places(configuration, other) == [other]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.io/x:1", ["a.io/x:1"]),
        ("a.io/ns/x:1", ["ns.io/x:1"]),
        ("a.io/ns/repo:1", ["repo.io/r:1"]),
        ("a.io/ns/repo:special", ["tag.io/t:special"]),
        ("a.io/ns/repo2:1", ["ns.io/repo2:1"]),
        (f"a.io/ns/repo@{DIGEST}", [f"repo.io/r@{DIGEST}"]),
        ("a.io:5000/x:1", ["port.io/x:1"]),
        ("b.wild.io/x:1", ["b.wild.io/x:1!"]),
        ("c.b.wild.io:80/x:1", ["c.b.wild.io:80/x:1!"]),
        ("wild.io/x:1", ["wild.io/x:1"]),
        ("b.moved.io:80/x:1", ["new.io:80/x:1"]),
        ("docker.io/library/alpine:3", ["hub.io/lib/alpine:3"]),
    ],
)
def test_the_longest_prefix_counts(tmp_path: Path, name: str, expected: list[str]) -> None:
    table = """[[registry]]\nprefix = "{}"\nlocation = "{}"\n"""
    text = "".join(
        table.format(*pair.split())
        for pair in (
            "a.io a.io",
            "a.io/ns ns.io",
            "a.io/ns/repo repo.io/r",
            "a.io/ns/repo:special tag.io/t:special",
            "a.io:5000 port.io/",
            "*.moved.io new.io",
            "docker.io/library hub.io/lib",
        )
    )
    configuration = load(tmp_path, text + '[[registry]]\nprefix = "*.wild.io"\ninsecure = true\n')
    assert places(configuration, name) == expected


@pytest.mark.parametrize(
    ("settings", "by_tag", "by_digest"),
    [
        ("", ["m", "a"], ["m", "a"]),
        ('pull-from-mirror = "all"', ["m", "a"], ["m", "a"]),
        ('pull-from-mirror = "digest-only"', ["a"], ["m", "a"]),
        ('pull-from-mirror = "tag-only"', ["m", "a"], ["a"]),
    ],
)
def test_what_mirrors_serve(tmp_path: Path, settings: str, by_tag: list[str], by_digest: list[str]) -> None:
    text = f'[[registry]]\nlocation = "a.io"\n[[registry.mirror]]\nlocation = "m.io"\n{settings}\n'
    configuration = load(tmp_path, text)
    assert [place[0] for place in places(configuration, "a.io/x:1")] == by_tag
    assert [place[0] for place in places(configuration, f"a.io/x@{DIGEST}")] == by_digest
    assert [place[0] for place in places(configuration, f"a.io/x:1@{DIGEST}")] == by_digest


def test_mirrors_of_digests_only(tmp_path: Path) -> None:
    text = '[[registry]]\nlocation = "a.io"\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = "m.io"\n'
    configuration = load(tmp_path, text)
    assert places(configuration, "a.io/x:1") == ["a.io/x:1"]
    assert places(configuration, f"a.io/x@{DIGEST}") == [f"m.io/x@{DIGEST}", f"a.io/x@{DIGEST}"]


def test_blocked_is_the_registry_and_not_its_mirrors(tmp_path: Path) -> None:
    text = '[[registry]]\nlocation = "a.io"\nblocked = true\n[[registry.mirror]]\nlocation = "m.io"\n'
    configuration = load(tmp_path, text, '[[registry]]\nprefix = "b.io"\nlocation = "a.io/b"\n')
    assert places(configuration, "a.io/x") == ["m.io/x", "a.io/x-"]
    assert places(configuration, "b.io/x") == ["a.io/b/x-"]
    assert str(configuration.blocked("a.io")) == "registry a.io is blocked in HERE"


def test_drop_ins_go_over_the_main_file(tmp_path: Path) -> None:
    configuration = load(
        tmp_path,
        EXAMPLE + '[aliases]\none = "a.io/one"\ntwo = "a.io/two"\n',
        'unqualified-search-registries = []\nshort-name-mode = "enforcing"\ncredential-helpers = ["x"]\n',
        '[aliases]\none = ""\ntwo = "docker.io/two"\n[[registry]]\nlocation = "registry.com"\ninsecure = true\n',
    )
    assert configuration.search == ()
    assert configuration.search_origin == str(tmp_path / "1.conf")
    assert configuration.short_name_mode == "enforcing"
    assert configuration.credential_helpers == ("x",)
    assert configuration.aliases["one"].value is None
    assert str(configuration.aliases["two"].value) == "docker.io/library/two"
    assert configuration.aliases["two"].origin == str(tmp_path / "2.conf")
    assert places(configuration, "registry.com/image:1") == ["registry.com/image:1!"]
    assert len(configuration.registries) == 2


def test_nothing_is_there(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.conf")
    assert configuration_files.load(missing, []).search_origin == ""
    with pytest.raises(BadConfigurationError, match=r'configuration ".*missing.conf": open .*: no such file'):
        configuration_files.load(missing, [], must_exist=True)


def test_the_old_format(tmp_path: Path) -> None:
    old = (
        "[registries.search]\nregistries = ['r1.com', 'r2.com/']\n[registries.insecure]\nregistries = ['r3.com']\n"
        "[registries.block]\nregistries = ['r.untrusted.com', 'r3.com']\n"
    )
    configuration = load(tmp_path, old)
    assert configuration.search == ("r1.com", "r2.com")
    assert places(configuration, "r3.com/x") == ["r3.com/x!-"]
    assert places(configuration, "r.untrusted.com/x") == ["r.untrusted.com/x-"]
    with pytest.raises(BadConfigurationError, match="mixing sysregistry v1/v2 is not supported"):
        load(tmp_path, 'short-name-mode = "disabled"\n' + old)
    with pytest.raises(BadConfigurationError, match=r'1.conf": registry must be in v2 format but is in v1'):
        load(tmp_path, "", old)


# As podman 4.3.1 words them, but for the line that it names where a value is of the wrong kind.
MIRROR = '[[registry]]\nlocation = "a.b"\n[[registry.mirror]]\n'
MISTAKES = {
    'short-name-mode = "x"': 'invalid short-name mode: "x"',
    'unqualified-search-registries = "a"': 'toml: (last key "unqualified-search-registries"): incompatible types: '
    "TOML value has type string; destination has type array",
    "unqualified-search-registries = [1]": 'toml: (last key "unqualified-search-registries"): incompatible types: '
    "TOML value has type integer; destination has type string",
    'unqualified-search-registries = ["a/b"]': 'Invalid unqualified-search-registries entry "a/b"',
    'unqualified-search-registries = [""]': 'Invalid unqualified-search-registries entry ""',
    'unqualified-search-registries = ["https://a"]': "invalid location 'https://a': URI schemes are not supported",
    "unqualified-search-registries = [": "toml: Invalid value (at end of document)",
    f"{'a.' * 3000}a = 1": "toml: nested too deeply",
    f"a = {'[' * 9000}{']' * 9000}": "toml: nested too deeply",
    "[[registry]]\ninsecure = true": "invalid condition: both location and prefix are unset",
    '[[registry]]\nprefix = "a.b"': "invalid condition: location is unset and prefix is not in the format: "
    "*.example.com",
    '[[registry]]\nprefix = "*.a.b/x"': "Wildcarded prefix should be in the format: *.example.com. "
    'Current prefix "*.a.b/x" is incorrectly formatted',
    '[[registry]]\nlocation = "http://a.b"': "invalid location 'http://a.b': URI schemes are not supported",
    '[[registry]]\nlocation = "a.b"\ninsecure = "yes"': 'toml: (last key "registry.insecure"): incompatible types: '
    "TOML value has type string; destination has type boolean",
    '[registry]\nlocation = "a.b"': 'toml: (last key "registry"): incompatible types: TOML value has type table; '
    "destination has type array",
    '[[registry]]\nlocation = "a.b"\npull-from-mirror = "all"': "pull-from-mirror must not be set for a non-mirror "
    'registry "a.b"',
    MIRROR + "insecure = true": "invalid condition: mirror location is unset",
    MIRROR + 'location = "x.y"\npull-from-mirror = "alll"': 'unsupported pull-from-mirror value "alll" for mirror '
    '"x.y"',
    MIRROR.replace("[[registry.m", "mirror-by-digest-only = true\n[[registry.m")
    + 'location = "x.y"\npull-from-mirror = "all"': "cannot set mirror usage mirror-by-digest-only for the registry "
    '("a.b") and pull-from-mirror for per-mirror ("x.y") at the same time',
    '[[registry]]\nlocation = "a.b"\n[[registry]]\nprefix = "c.d"\nlocation = "a.b"\ninsecure = true': "registry 'a.b' "
    "is defined multiple times with conflicting 'insecure' setting",
    '[aliases]\na = "b"\n"x.y/z" = "x.y/z"\n"b:1" = "q.r/z"\nc = "q.r/z:1"': "validating short-name aliases: invalid "
    'alias "b": must contain registry and repository; invalid short name "x.y/z": must not contain registry; '
    'invalid short name "b:1": must not contain tag; invalid alias "q.r/z:1": must not contain tag',
    "[aliases]\na = 1": 'toml: (last key "aliases.a"): incompatible types: TOML value has type integer; destination '
    "has type string",
}


@pytest.mark.parametrize("text", MISTAKES, ids=lambda text: text[:40])
def test_mistakes(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadConfigurationError) as caught:
        load(tmp_path, text)
    assert str(caught.value) == f'loading registries configuration "{tmp_path / "0.conf"}": {MISTAKES[text]}'


@pytest.mark.parametrize("text", ["\xff".encode("latin-1"), b"a = [" + b"[" * 5000, b"\x00"])
def test_what_is_no_toml(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "registries.conf"
    path.write_bytes(text)
    with pytest.raises(BadConfigurationError, match=r'registries.conf": toml: '):
        configuration_files.load(str(path), [])


def test_a_location_that_makes_no_name(tmp_path: Path) -> None:
    configuration = load(tmp_path, '[[registry]]\nprefix = "a.io"\nlocation = "b.io/UPPER"\n')
    with pytest.raises(BadReferenceError, match=r"rewriting reference: .*repository name must be lowercase"):
        configuration.endpoints(parse("a.io/x:1"))


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["a.io", "*.a.io", "a.io/b", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5))
def test_any_document_is_read_or_refused(document: dict[str, Any]) -> None:
    try:
        said = configuration_files.read(document, "registries.conf", may_be_old=True)
    except BadConfigurationError:
        return
    for registry in said.registries:
        assert registry.prefix
        assert registry.location or registry.prefix.startswith("*.")


def test_settings_are_named_in_any_case(tmp_path: Path) -> None:
    text = (
        'Unqualified-Search-Registries = ["a.example"]\n[[Registry]]\nLocation = "b.example"\nBlocked = true\n'
        '[[Registry.Mirror]]\nLOCATION = "m.example"\nInsecure = true\n'
    )
    configuration = load(
        tmp_path, text, '[Aliases]\nname = "c.example/x"\n[[registry]]\nLocation = "n"\nlocation = "d"\n'
    )
    assert configuration.search == ("a.example",)
    assert places(configuration, "b.example/x:1") == ["m.example/x:1!", "b.example/x:1-"]
    assert [one.location for one in configuration.registries] == ["b.example", "d"]
    assert list(configuration.aliases) == ["name"]


def test_tables_whose_names_differ_in_case_are_one(tmp_path: Path) -> None:
    text = '[Aliases]\none = "a.io/one"\ntwo = "a.io/two"\n[aliases]\ntwo = "b.io/two"\nTHREE = ""\n'
    with pytest.raises(BadConfigurationError, match='cannot parse short name: "THREE"'):
        load(tmp_path, text)
    aliases = load(tmp_path, text.replace("THREE", "three")).aliases
    assert {name: str(alias.value) for name, alias in aliases.items()} == {
        "one": "a.io/one",
        "two": "b.io/two",
        "three": "None",
    }
    old = '[Registries.search]\nregistries = ["a.io"]\n[registries.Search]\n[registries.block]\nregistries = ["b.io"]\n'
    configuration = load(tmp_path, old)
    assert configuration.search == ("a.io",)
    assert [one.location for one in configuration.registries if one.blocked] == ["b.io"]
