"""Short names: what they stand for in each mode, and aliases that are remembered."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import pytest

from pod import short_names
from pod.errors import PodError
from storage.errors import StorageError
from storage.reference import parse
from storage.registry.configuration import DISABLED, ENFORCING, PERMISSIVE, Alias, Configuration

DIGEST = "sha256:" + "0" * 64
TWO = ("one.io", "two.io:5000")


def settings(
    mode: str = PERMISSIVE, search: tuple[str, ...] = TWO, aliases: dict[str, str] | None = None
) -> Configuration:
    """Make a configuration with these aliases; an empty one is taken back."""
    made = {name: Alias(parse(value) if value else None, "FILE") for name, value in (aliases or {}).items()}
    return Configuration(search=search, search_origin="FILE", says_search=True, short_name_mode=mode, aliases=made)


def resolved(text: str, configuration: Configuration, path: Path, choice: int | None = None) -> list[str]:
    """Resolve a name, with the user choosing so if asked; give the candidates."""
    choose = None if choice is None else lambda label, items: str(items[choice])
    found = short_names.resolve(text, configuration, aliases_file=str(path / "aliases"), choose=choose)
    return [str(one) for one in found.candidates]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x", "a.io/n/x:latest"),
        ("x:1", "a.io/n/x:1"),
        (f"x@{DIGEST}", f"a.io/n/x@{DIGEST}"),
        (f"x:1@{DIGEST}", f"a.io/n/x@{DIGEST}"),
        ("ns/x:1", "b.io/x:1"),
        ("b.io/x", "b.io/x:latest"),
        ("docker.io/x", "docker.io/library/x:latest"),
        ("localhost/x:2", "localhost/x:2"),
    ],
)
def test_aliases_and_full_names(tmp_path: Path, text: str, expected: str) -> None:
    assert resolved(text, settings(aliases={"x": "a.io/n/x", "ns/x": "b.io/x"}), tmp_path) == [expected]


@pytest.mark.parametrize("mode", [DISABLED, PERMISSIVE])
def test_all_search_registries_are_tried(tmp_path: Path, mode: str) -> None:
    for configuration in (settings(mode), settings(mode, aliases={"x": ""})):
        assert resolved("x:1", configuration, tmp_path) == ["one.io/x:1", "two.io:5000/x:1"]
    assert resolved("x", settings(mode, ("docker.io",)), tmp_path) == ["docker.io/library/x:latest"]


def test_the_user_chooses_and_that_is_remembered(tmp_path: Path) -> None:
    for mode in (PERMISSIVE, ENFORCING):
        found = short_names.resolve(
            "x:1", settings(mode), aliases_file=str(tmp_path / "aliases"), choose=lambda label, items: items[1]
        )
        assert [str(one) for one in found.candidates] == ["two.io:5000/x:1"]
        assert found.record == "x"
        assert found.description == ""
    path = tmp_path / "cache" / "aliases"
    short_names.remember("x", parse("two.io:5000/x:1"), aliases_file=str(path))
    short_names.remember("ns/x", parse(f"one.io/y@{DIGEST}"), aliases_file=str(path))
    assert tomllib.loads(path.read_text()) == {"aliases": {"x": "two.io:5000/x", "ns/x": "one.io/y"}}
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(os.listdir(path.parent)) == ["aliases", "aliases.lock"]
    # It goes before what people wrote, and nobody is asked again.
    found = short_names.resolve("x:2", settings(aliases={"x": "a.io/x"}), aliases_file=str(path), choose=None)
    assert [str(one) for one in found.candidates] == ["two.io:5000/x:2"]
    assert found.description == f'Resolved "x" as an alias ({path})'


def test_nobody_is_asked_where_there_is_no_choice(tmp_path: Path) -> None:
    assert resolved("x", settings(ENFORCING, ("one.io",)), tmp_path) == ["one.io/x:latest"]
    assert resolved("x", settings(DISABLED), tmp_path, choice=0) == ["one.io/x:latest", "two.io:5000/x:latest"]
    with pytest.raises(PodError, match="short-name resolution enforced but cannot prompt without a TTY"):
        resolved("x", settings(ENFORCING), tmp_path)


def test_nowhere_to_look(tmp_path: Path) -> None:
    with pytest.raises(PodError, match='short-name "x:1" did not resolve to an alias and no unqualified-search') as one:
        resolved("x:1", settings(search=()), tmp_path)
    assert str(one.value).endswith('registries are defined in "FILE"')


def test_docker_io_where_nothing_is_said(tmp_path: Path) -> None:
    assert resolved("x", Configuration(), tmp_path) == ["docker.io/library/x:latest"]
    assert resolved("a/x:1", Configuration(search_origin="FILE"), tmp_path) == ["docker.io/a/x:1"]


def test_a_damaged_file_of_aliases_is_named(tmp_path: Path) -> None:
    path = tmp_path / "aliases"
    path.write_text('[aliases]\nx = "nowhere"\n')
    with pytest.raises(
        StorageError, match=r'loading short-name aliases config file ".*aliases": validating .*"nowhere"'
    ):
        short_names.resolve("x", settings(), aliases_file=str(path), choose=None)
    with pytest.raises(StorageError, match="loading short-name aliases config file"):
        short_names.remember("x", parse("a.io/x"), aliases_file=str(path))
    assert json.loads(path.read_text().split("= ")[1]) == "nowhere"
    with pytest.raises(PodError, match=r'recording short-name alias \("x"="a\.io/x"\): .*: file exists'):
        short_names.remember("x", parse("a.io/x"), aliases_file=str(path / "below"))


def test_names_in_the_store(tmp_path: Path) -> None:
    names = short_names.local_candidates(
        "x:1", settings(aliases={"x": "a.io/x"}), aliases_file=str(tmp_path / "aliases")
    )
    assert names == ["a.io/x:1", "localhost/x:1", "one.io/x:1", "two.io:5000/x:1"]
