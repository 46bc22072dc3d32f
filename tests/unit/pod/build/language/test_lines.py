from __future__ import annotations

import pytest

from pod.build.language.instructions import Env, Instruction, Run, ShellForm
from pod.build.language.lines import Lines
from pod.build.language.parser import parse


def instructions(text: str) -> list[tuple[str, int, int]]:
    return [(found.text, found.line, found.end_line) for found in parse(text).stages[0].instructions]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ENV a=b", ("ENV a=b", 2, 2)),
        ("  \tENV a=b  \t", ("ENV a=b", 2, 2)),
        ("ENV a=b \\\n  c=d", ("ENV a=b   c=d", 2, 3)),
        ("ENV a=b \\  \t\n  c=d", ("ENV a=b   c=d", 2, 3)),
        ("ENV \\\n\\\na=b", ("ENV a=b", 2, 4)),
        ("\\\nENV a=b", ("ENV a=b", 3, 3)),
        ("ENV a=b \\\n# comment \\\n   # another\n  c=d", ("ENV a=b   c=d", 2, 5)),
        ("ENV a=b \\\n\n\n  c=d", ("ENV a=b   c=d", 2, 5)),
        ("ENV a=b\\\\", ("ENV a=b\\\\", 2, 2)),
        ("ENV a=b\\", ("ENV a=b", 2, 2)),
        ("ENV a=b \\\n", ("ENV a=b", 2, 3)),
        ("ENV a=b \\\r\n  c=d\r\n", ("ENV a=b   c=d", 2, 3)),
        ("RUN a # no comment", ("RUN a # no comment", 2, 2)),
        ("RUN a \\\n  && b # \\\n  && c", ("RUN a   && b #   && c", 2, 4)),
    ],
)
def test_one_instruction(text: str, expected: tuple[str, int, int]) -> None:
    assert instructions(f"FROM a\n{text}") == [expected]


def test_an_escape_character_that_is_doubled_ends_the_line() -> None:
    assert instructions("FROM a\nENV a=b\\\\\nENV c=d") == [("ENV a=b\\\\", 2, 2), ("ENV c=d", 3, 3)]


def test_lines_of_escape_characters_alone_are_none() -> None:
    assert instructions("FROM a\n\\\n\\\n\n# c\n\n") == []


def test_the_byte_order_mark_is_no_letter() -> None:
    assert parse("\ufeff# escape=`\nFROM a\n").directives.escape == "`"


def test_another_escape_character() -> None:
    first, second = parse("# escape=`\nFROM a\nENV a=C:\\b\\ `\n  c=d\nENV e=f\n").stages[0].instructions
    assert isinstance(first, Env)
    assert first.pairs == (("a", "C:\\b\\"), ("c", "d"))
    assert (first.line, first.end_line, second.line) == (3, 4, 5)


def test_places() -> None:
    line = Lines(["  RUN a \\", "# c", "    b"], "\\").read()
    assert line is not None
    assert line.text == "RUN a     b"
    assert [line.place(line.text.index(letter)) for letter in "Rab"] == [(1, 3), (1, 7), (3, 5)]


def test_empty_continuation_lines_are_told() -> None:
    warnings = parse("FROM a\nRUN b \\\n\n  c \\\n\n  d\n").warnings
    assert [(warning.line, warning.message) for warning in warnings] == [
        (3, "empty continuation line"),
        (5, "empty continuation line"),
    ]


def test_a_document_keeps_its_lines_as_they_are() -> None:
    text = "FROM a\nRUN <<E\n# no comment\n\n  x \\\ny\r\nE\nENV a=b"
    run, env = parse(text).stages[0].instructions
    assert isinstance(run, Run)
    assert run.heredocs[0].content == "# no comment\n\n  x \\\ny\r\n"
    assert (run.line, run.end_line, env.line) == (2, 7, 8)


def test_the_case_of_an_instruction_is_nothing() -> None:
    found: Instruction = parse("from a\nrUn b").stages[0].instructions[0]
    assert isinstance(found, Run)
    assert found.command == ShellForm("b")
    assert parse("from a as b").warnings == ()
