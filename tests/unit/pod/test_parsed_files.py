"""What parsing files came to is kept until one of them changes, and never trusted further than it goes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pod import parsed_files


class Reader:
    """Reads files, and counts how often."""

    def __init__(self, *paths: Path, cache: Path) -> None:
        self.paths, self.cache, self.count = [str(path) for path in paths], str(cache), 0

    def parse(self, paths: list[str]) -> dict[str, Any]:
        self.count += 1
        return {"text": "".join(Path(path).read_text() for path in paths)}

    def __call__(self) -> str:
        return parsed_files.parsed(
            self.cache, parsed_files.seen(self.paths), self.parse, lambda said: str(said["text"])
        )


@pytest.fixture
def read(tmp_path: Path) -> Reader:
    (tmp_path / "a").write_text("one ")
    return Reader(tmp_path / "a", tmp_path / "b", cache=tmp_path / "kept")


def test_parsed_once_until_a_file_changes(read: Reader) -> None:
    assert [read(), read(), read.count] == ["one ", "one ", 1]
    Path(read.paths[1]).write_text("two")
    assert [read(), read(), read.count] == ["one two", "one two", 2]
    Path(read.paths[0]).unlink()
    assert [read(), read.count] == ["two", 3]


@pytest.mark.parametrize("said", [[], {}, None, "text"])
def test_what_an_other_version_kept_is_parsed_again(read: Reader, said: object) -> None:
    document = {"files": parsed_files.seen(read.paths), "said": said}
    Path(read.cache).write_text(json.dumps(document))
    assert [read(), read(), read.count] == ["one ", "one ", 1]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"files": 1}'])
def test_damage_is_parsed_over(read: Reader, content: str) -> None:
    Path(read.cache).write_text(content)
    assert [read(), read(), read.count] == ["one ", "one ", 1]


def test_without_a_directory_to_keep_it_in(read: Reader) -> None:
    read.cache = f"{read.cache}/missing/kept"
    assert [read(), read(), read.count] == ["one ", "one ", 2]
