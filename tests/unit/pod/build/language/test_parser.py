from __future__ import annotations

import pytest

from pod.build.language.errors import LanguageError
from pod.build.language.instructions import Arg, Copy, Env, ExecForm, From, Onbuild, Run, ShellForm
from pod.build.language.parser import parse

STAGES = """\
# syntax=docker/dockerfile:1
ARG BASE=debian:12

FROM --platform=$BUILDPLATFORM ${BASE} AS Build
RUN apt-get update && \\
    # a comment
    apt-get install -y gcc
from scratch
COPY --from=build /a /b c/
CMD ["/c/a", "x y"]
"""


def test_stages() -> None:
    read = parse(STAGES)
    assert read.directives.syntax == "docker/dockerfile:1"
    assert read.arguments == (Arg(line=2, end_line=2, text="ARG BASE=debian:12", pairs=(("BASE", "debian:12"),)),)
    build, final = read.stages
    assert (build.name, build.index, final.name, final.index) == ("build", 0, "", 1)
    assert build.base == From(
        line=4,
        end_line=4,
        text="FROM --platform=$BUILDPLATFORM ${BASE} AS Build",
        image="${BASE}",
        platform="$BUILDPLATFORM",
        name="build",
    )
    (run,) = build.instructions
    assert isinstance(run, Run)
    assert (run.line, run.end_line) == (5, 7)
    assert run.command == ShellForm("apt-get update &&     apt-get install -y gcc")
    copy, cmd = final.instructions
    assert isinstance(copy, Copy)
    assert (copy.from_, copy.sources, copy.destination) == ("build", ("/a", "/b"), "c/")
    assert cmd.command == ExecForm(("/c/a", "x y"))  # type: ignore[attr-defined]


def test_a_document_that_is_the_command() -> None:
    (run,) = parse("FROM a\nRUN <<EOF\n#!/bin/sh\necho hi\nEOF\n").stages[0].instructions
    assert isinstance(run, Run)
    assert run.script is not None
    assert run.shell_text == "#!/bin/sh\necho hi\n"
    assert (run.line, run.end_line) == (2, 5)


@pytest.mark.parametrize(
    ("command", "whole"),
    [("<<E", True), ("<<-'E'", True), ('<< "E"', True), ("<<E;a", False), ("<<E a", False), ("a <<E", False)],
)
def test_whether_the_document_is_all(command: str, whole: bool) -> None:
    (run,) = parse(f"FROM a\nRUN {command}\nb\nE\n").stages[0].instructions
    assert isinstance(run, Run)
    assert (run.script is not None) == whole
    assert run.shell_text == ("b\n" if whole else f"{command}\nb\nE")


def test_documents_for_the_shell() -> None:
    text = "FROM a\nRUN python3 <<-'PY' && cat <<X\n\tprint(1)\n\tPY\nb\nX\nENV a=b\n"
    run, env = parse(text).stages[0].instructions
    assert isinstance(run, Run)
    assert [(document.name, document.body, document.expand) for document in run.heredocs] == [
        ("PY", "print(1)\n", False),
        ("X", "b\n", True),
    ]
    assert run.script is None
    assert run.shell_text == "python3 <<-'PY' && cat <<X\n\tprint(1)\nPY\nb\nX"
    assert isinstance(env, Env)
    assert env.line == 7


def test_documents_among_sources() -> None:
    (copy,) = parse('FROM a\nCOPY --chmod=755 <<a file <<"b" /x/\n$v\na\n$v\nb\n').stages[0].instructions
    assert isinstance(copy, Copy)
    assert (copy.sources, copy.destination, copy.chmod) == (("file",), "/x/", "755")
    assert [(document.name, document.content, document.expand) for document in copy.heredocs] == [
        ("a", "$v\n", True),
        ("b", "$v\n", False),
    ]


def test_a_trigger_keeps_its_document() -> None:
    (onbuild,) = parse("FROM a\nONBUILD COPY <<a /x\ntext\na\n").stages[0].instructions
    assert isinstance(onbuild, Onbuild)
    assert onbuild.trigger == "COPY <<a /x\ntext\na"
    assert isinstance(onbuild.instruction, Copy)


@pytest.mark.parametrize(
    ("text", "place", "message", "hint"),
    [
        ("FROM a\nRUNN x", "2:1", 'unknown instruction "RUNN"', "did you mean RUN?"),
        ("RUN x", "1:1", "RUN before the first FROM", "begin with FROM; ARG alone may stand before it"),
        ("FROM a\nRUN x \\\n  <<E\nE ", "3:3", "unterminated heredoc: no line is E", "a line that is its name"),
        ("FROM a\nRUN --mout=x y", "2:5", "unknown flag: --mout", "did you mean --mount?"),
        ("FROM a\nLABEL \\\n  a='b", "3:5", "this quote is not closed", "close it"),
    ],
)
def test_mistakes(text: str, place: str, message: str, hint: str) -> None:
    with pytest.raises(LanguageError) as caught:
        parse(text, "Dockerfile")
    assert str(caught.value) == f"Dockerfile:{place}: {message}"
    assert hint in caught.value.hint
