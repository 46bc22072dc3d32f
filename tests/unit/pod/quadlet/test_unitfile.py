"""Unit files, read and written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pod.quadlet.unitfile import UnitFile, parse


def _read(text: str) -> UnitFile:
    file = parse(text, "/d/x.container")
    assert not file.problems, [str(problem) for problem in file.problems]
    return file


def _values(file: UnitFile, key: str, section: str = "S") -> list[tuple[str, int]]:
    return [(entry.value, entry.line) for entry in file.all(section, key)]


def test_keys_values_and_their_lines() -> None:
    file = _read("# one\n\n[S]\nA=1\n B = two words \n;c\nA=\n  \nA=3=4\n[T]\nA=5\n[S]\nA=6\n")
    assert _values(file, "A") == [("3=4", 9), ("6", 13)]
    assert _values(file, "B") == [("two words", 5)]
    assert _values(file, "A", "T") == [("5", 11)]
    last = file.last("S", "A")
    assert last is not None
    assert (last.value, last.path) == ("6", "/d/x.container")
    assert file.last("S", "missing") is file.last("missing", "A") is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=a \\\n   b\n", "a b"),
        ("A=a\\\nb\n", "a b"),
        ("A=a \\ \n b\n", "a b"),
        ("A=a \\\n# not this\n; nor this\n b\n", "a b"),
        ("A=a \\\n\nB=2\n", "a"),
        ("A=a \\\r\n b\r\n", "a b"),
        ("A=a \\", "a"),
        ("A=\\\n\\\na\n", "a"),
        ("A=a\\\\\nB=2\n", "a\\\\"),
        ('A="x  \\\n  y"\n', '"x  y"'),
    ],
)
def test_lines_that_are_continued(text: str, value: str) -> None:
    assert _values(_read("[S]\n" + text), "A") == [(value, 2)]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("A=1\n[S]\n", 1, "key file does not start with a group"),
        ("[S]\nA=1\nwhat is this\n", 3, "“what is this” is not a key-value pair, group, or comment"),
        ("[S]\n=1\n", 2, "“=1” is not a key-value pair"),
        ("[S\n", 1, "key file does not start with a group"),
        ("[S]\n[a[b]\n", 2, "invalid group name: a[b"),
        ("[]\n", 1, "invalid group name: "),
        ("[S]\nA=\0\n", 0, "the file has a NUL byte"),
    ],
)
def test_what_is_no_unit_file_is_told_with_its_line(text: str, line: int, message: str) -> None:
    problem = parse(text, "/d/x.container").problems[0]
    assert (problem.line, problem.fatal) == (line, True)
    assert problem.message.startswith(message)


def test_what_passes_through_stays_in_order() -> None:
    text = '# top\n[Unit]\n# why\nB=2\nA=1\nB=3\n\n# of T\n[T]\nX=%i "y z"\n; end\n'
    assert _read(text).text() == text


def test_sections_of_one_name_are_one_and_can_be_called_otherwise() -> None:
    file = _read("[S]\nA=1\n[T]\nB=2\n[S]\nA=3\n")
    file.rename("S", "X-S")
    assert file.text() == "[X-S]\nA=1\nA=3\n\n[T]\nB=2\n"
    file.rename("T", "X-S")
    assert file.text() == "[X-S]\nA=1\nA=3\nB=2\n"
    file.rename("missing", "Y")


def test_assignments() -> None:
    file = UnitFile()
    file.add("S", "A", "1")
    file.add("S", "A", "2")
    file.set("S", "B", "3")
    file.set("S", "A", "4")
    file.begin("S", "C", "5")
    assert file.text() == "[S]\nC=5\nA=4\nB=3\n"


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert _values(_read("\ufeff[S]\nA=1\n"), "A") == [("1", 2)]


@given(st.text(st.sampled_from("[]=\\\n\r\t #;\"'AbS%\0\u00e4\ufeff")))
def test_no_text_makes_it_crash_and_reading_again_gives_the_same(text: str) -> None:
    file = parse(text, "x")
    if file.problems:
        assert all("\n" not in str(problem) for problem in file.problems)
    else:
        assert parse(file.text(), "x").text() == file.text()
