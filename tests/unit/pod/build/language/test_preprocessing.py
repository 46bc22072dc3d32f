"""Containerfiles that cpp gets to see before."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from pod.build.language.origins import place
from pod.build.language.preprocessing import preprocess
from pod.errors import PodError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(shutil.which("cpp") is None, reason="there is no cpp")


def test_comments_directives_and_scripts_stay(tmp_path: Path) -> None:
    text = "# escape=`\n# it's a comment\n#define WHO world\nFROM a\nRUN <<E\n#!/bin/sh\necho WHO $X // b\nE\n"
    made = preprocess(text, "C.in", str(tmp_path), [])
    assert made.text == "# escape=`\n# it's a comment\n\nFROM a\nRUN <<E\n#!/bin/sh\necho world $X // b\nE\n"
    assert place(made.pieces, 4) == ("C.in", 4)


def test_flags_and_includes(tmp_path: Path) -> None:
    (tmp_path / "more").write_text("RUN one\nRUN WORD\n")
    text = '#ifdef DEBUG\nRUN debug\n#endif\n#include "more"\nRUN last\n'
    made = preprocess(text, "C.in", str(tmp_path), ["-DDEBUG", "-DWORD=two"])
    rows = made.text.split("\n")
    assert [row for row in rows if row] == ["RUN debug", "RUN one", "RUN two", "RUN last"]
    places = [place(made.pieces, rows.index(f"RUN {word}") + 1) for word in ("debug", "one", "two", "last")]
    assert places == [("C.in", 2), ("more", 1), ("more", 2), ("C.in", 5)]


def test_files_from_elsewhere(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    for directory in (inside, outside):
        directory.mkdir()
    (outside / "file").write_text("RUN true\n")
    (inside / "link").symlink_to(outside / "file")
    for name in (outside / "file", "../out/file", "link"):
        with pytest.raises(PodError, match="is not in the context"):
            preprocess(f'#include "{name}"\n', "C.in", str(inside), [])
    made = preprocess('#include "file"\n', "C.in", str(inside), [f"-I{outside}"])
    assert "RUN true" in made.text


def test_the_users_directory_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, here = tmp_path / "in", tmp_path / "here"
    for directory in (inside, here, here / "further"):
        directory.mkdir()
        (directory / "more").write_text(f"RUN {directory.name}\n# a comment\n")
    (here / "further" / "last").write_text("RUN last\n")
    monkeypatch.chdir(here)
    made = preprocess('#include "more"\n#include "last"\n', "C.in", str(inside), ["-Ifurther"])
    assert [row for row in made.text.split("\n") if row] == ["RUN in", "RUN last"]


def test_a_cpp_that_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cpp").write_text("#!/bin/sh\necho RUN half\necho out of memory >&2\nexit 1\n")
    (tmp_path / "cpp").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(PodError, match=r"^preprocessing C\.in: cpp: out of memory$"):
        preprocess("", "C.in", str(tmp_path), [])


def test_what_cpp_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PodError, match=r"^preprocessing C\.in: C\.in:[23]:2: fatal error: none: No such file"):
        preprocess('\n#include "none"\n', "C.in", str(tmp_path), [])
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PodError, match=r"^preprocessing C\.in: cpp is not installed$"):
        preprocess("", "C.in", str(tmp_path), [])
