"""What each instruction comes to."""

from __future__ import annotations

from typing import Any

import pytest

from pod.build.language.errors import LanguageError
from pod.build.language.instructions import (
    Add,
    Arg,
    Cmd,
    Copy,
    Device,
    Entrypoint,
    Env,
    ExecForm,
    Expose,
    From,
    Healthcheck,
    Heredoc,
    Instruction,
    Label,
    Maintainer,
    Onbuild,
    Run,
    Shell,
    ShellForm,
    Stopsignal,
    User,
    Volume,
    Workdir,
)
from pod.build.language.parser import parse, parse_trigger


def make(kind: type[Instruction], text: str, **fields: Any) -> Instruction:
    return kind(line=2, end_line=2, text=text, **fields)


@pytest.mark.parametrize(
    ("kind", "text", "fields"),
    [
        (Run, "RUN a  b", {"command": ShellForm("a  b")}),
        (Run, 'RUN ["a", "b c"]', {"command": ExecForm(("a", "b c"))}),
        (Run, 'RUN [ "a" ] && b', {"command": ShellForm('[ "a" ] && b')}),
        (Run, 'RUN ["\\u00e9\\ud800"]', {"command": ExecForm(("é\ufffd",))}),
        (
            Run,
            "RUN --network=none --security=insecure a",
            {"command": ShellForm("a"), "network": "none", "security": "insecure"},
        ),
        (Run, "RUN -- --a", {"command": ShellForm("--a")}),
        (
            Run,
            "RUN --device=nvidia.com/gpu=all --device=name=a.b/c=d,required x",
            {"command": ShellForm("x"), "devices": (Device("nvidia.com/gpu=all"), Device("a.b/c=d", True))},
        ),
        (Cmd, "CMD a b", {"command": ShellForm("a b")}),
        (Cmd, "CMD []", {"command": ExecForm(())}),
        (Cmd, "CMD", {"command": ShellForm("")}),
        (Entrypoint, 'ENTRYPOINT ["a"]', {"command": ExecForm(("a",))}),
        (Shell, 'SHELL ["/bin/bash", "-c"]', {"words": ("/bin/bash", "-c")}),
        (Copy, "COPY a  b c/", {"sources": ("a", "b"), "destination": "c/"}),
        (Copy, 'COPY ["a b", "c"]', {"sources": ("a b",), "destination": "c"}),
        (Copy, "COPY [a] b", {"sources": ("[a]",), "destination": "b"}),
        (
            Copy,
            "COPY --from=x --chown=1:2 --chmod=u=rwX,go= --link --parents=true --exclude=*.a --exclude=b c d",
            {
                "sources": ("c",),
                "destination": "d",
                "from_": "x",
                "chown": "1:2",
                "chmod": "u=rwX,go=",
                "link": True,
                "parents": True,
                "excludes": ("*.a", "b"),
            },
        ),
        (Copy, 'COPY --chown="a b" --link=FALSE -- --c d', {"sources": ("--c",), "destination": "d", "chown": "a b"}),
        (
            Add,
            "ADD --checksum=sha256:1 --keep-git-dir --unpack=false --chmod=0755 a b",
            {
                "sources": ("a",),
                "destination": "b",
                "checksum": "sha256:1",
                "keep_git_dir": True,
                "unpack": False,
                "chmod": "0755",
            },
        ),
        (Env, "ENV a=b c='d e' \"f\"=g\\ h", {"pairs": (("a", "b"), ("c", "'d e'"), ('"f"', "g\\ h"))}),
        (Env, "ENV a  b c=d", {"pairs": (("a", "b c=d"),)}),
        (Env, "ENV a=", {"pairs": (("a", ""),)}),
        (Env, "ENV a=b=c", {"pairs": (("a", "b=c"),)}),
        (Label, 'LABEL "a b"="c" d=e', {"pairs": (('"a b"', '"c"'), ("d", "e"))}),
        (Arg, "ARG a b=c d=", {"pairs": (("a", None), ("b", "c"), ("d", ""))}),
        (
            Expose,
            "EXPOSE 80 53/UDP 8000-8010 1.2.3.4:1:2 $x",
            {"ports": ("80", "53/UDP", "8000-8010", "1.2.3.4:1:2", "$x")},
        ),
        (User, "USER a:b", {"user": "a:b"}),
        (Workdir, "WORKDIR a b", {"path": "a b"}),
        (Volume, "VOLUME /a /b", {"paths": ("/a", "/b")}),
        (Volume, 'VOLUME ["/a b"]', {"paths": ("/a b",)}),
        (Stopsignal, "STOPSIGNAL 9", {"signal": "9"}),
        (Stopsignal, 'STOPSIGNAL "SIGINT"', {"signal": '"SIGINT"'}),
        (Maintainer, "MAINTAINER O'Brien <o@b>", {"maintainer": "O'Brien <o@b>"}),
        (Healthcheck, "HEALTHCHECK none", {"command": None}),
        (
            Healthcheck,
            "HEALTHCHECK --interval=1m30s --timeout=1ms --start-period=0s --start-interval=1s --retries=2 CMD a b",
            {
                "command": ShellForm("a b"),
                "interval": 90_000_000_000,
                "timeout": 1_000_000,
                "start_interval": 1_000_000_000,
                "retries": 2,
            },
        ),
        (Healthcheck, 'HEALTHCHECK cmd  ["a"]', {"command": ExecForm(("a",))}),
    ],
)
def test_instruction(kind: type[Instruction], text: str, fields: dict[str, Any]) -> None:
    (found,) = parse(f"FROM a\n{text}\n").stages[0].instructions
    assert found == make(kind, text, **fields)


def test_tests_of_health() -> None:
    texts = ("NONE", "CMD a b", 'CMD ["a", "b"]')
    read = parse("FROM a\n" + "\n".join(f"HEALTHCHECK {text}" for text in texts)).stages[0].instructions
    assert [check.test for check in read if isinstance(check, Healthcheck)] == [
        ("NONE",),
        ("CMD-SHELL", "a b"),
        ("CMD", "a", "b"),
    ]


def test_stages_and_their_names() -> None:
    read = parse("FROM a AS One\nFROM --platform=linux/arm64 one\nFROM b as one\nFROM c AS scratch\nFROM d AS x/y")
    assert [(stage.index, stage.name, stage.base.image) for stage in read.stages] == [
        (0, "one", "a"),
        (1, "", "one"),
        (2, "one", "b"),
        (3, "scratch", "c"),
        (4, "x/y", "d"),
    ]
    assert isinstance(read.stages[1].base, From)
    assert read.stages[1].base.platform == "linux/arm64"
    assert [(warning.line, warning.message) for warning in read.warnings] == [
        (3, 'stage "one" is there in line 1 already'),
        (4, 'the stage named "scratch" cannot be used'),
        (5, 'docker refuses "x/y" as the name of a stage'),
    ]


def test_what_is_told_of_old_and_doubtful_things() -> None:
    read = parse("FROM a\nMAINTAINER b\nCMD ['c']")
    assert [(warning.line, warning.message) for warning in read.warnings] == [
        (2, "MAINTAINER is deprecated"),
        (3, "this is no JSON array, so it is a command for the shell"),
    ]


def test_a_trigger() -> None:
    (onbuild,) = parse("FROM a\nonbuild  RUN  b \\\n c").stages[0].instructions
    assert isinstance(onbuild, Onbuild)
    assert onbuild.trigger == "RUN  b  c"
    assert onbuild.instruction == Run(line=2, end_line=3, text="RUN  b  c", command=ShellForm("b  c"))
    assert parse_trigger("RUN <<a\nb\na") == Run(
        line=1, end_line=3, text="RUN <<a", command=ShellForm("<<a"), heredocs=(Heredoc("a", "b\n"),)
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "nothing isn't allowed as an ONBUILD trigger"),
        ("FROM a", "FROM isn't allowed as an ONBUILD trigger"),
        ("ONBUILD RUN a", "ONBUILD isn't allowed as an ONBUILD trigger"),
        ("RUN a\nRUN b", "an ONBUILD trigger is one instruction"),
    ],
)
def test_wrong_triggers(text: str, message: str) -> None:
    with pytest.raises(LanguageError, match=message):
        parse_trigger(text)
