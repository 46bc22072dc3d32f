from __future__ import annotations

import pytest

from pod.build.language.errors import LanguageError
from pod.build.language.expanding import declared, expanded
from pod.build.language.instructions import (
    Add,
    Arg,
    Containerfile,
    Copy,
    Env,
    Expose,
    From,
    Heredoc,
    Instruction,
    Label,
    Mount,
    Run,
    Stopsignal,
    User,
    Volume,
    Workdir,
)
from pod.build.language.parser import parse

ENVIRONMENT = {"a": "x y", "b": "8", "n": "", "m": "700"}


def one(text: str, environment: dict[str, str] = ENVIRONMENT) -> Instruction:
    (instruction,) = parse(f"FROM base\n{text}").stages[0].instructions
    return expanded(instruction, environment)


def test_fields_with_variables() -> None:
    copy = one('COPY --from=s$b --chown=$a:$b --chmod=$m "$a" c${b} /$a/')
    assert isinstance(copy, Copy)
    assert (copy.from_, copy.chown, copy.chmod) == ("s8", "x y:8", "700")
    # A value with a space is one path.
    assert (copy.sources, copy.destination) == (("x y", "c8"), "/x y/")
    add = one('ADD --checksum=sha256:$b ["$a", "b"]')
    assert isinstance(add, Add)
    assert (add.checksum, add.sources, add.destination) == ("sha256:8", ("x y",), "b")
    env = one("ENV k$b=$a q='$a' r=\\$a a=$b s=$a")
    assert isinstance(env, Env)
    assert env.pairs == (("k8", "x y"), ("q", "$a"), ("r", "$a"), ("a", "8"), ("s", "x y"))
    old = one('ENV k "a"  $b')
    assert isinstance(old, Env)
    assert old.pairs == (("k", "a  8"),)
    label = one('LABEL "l m"=$a')
    assert isinstance(label, Label)
    assert label.pairs == (("l m", "x y"),)
    user, workdir, signal = one("USER $b:${g:-9}"), one('WORKDIR "/w x"/$b'), one("STOPSIGNAL ${s:-INT}")
    assert isinstance(user, User)
    assert isinstance(workdir, Workdir)
    assert isinstance(signal, Stopsignal)
    assert (user.user, workdir.path, signal.signal) == ("8:9", "/w x/8", "INT")
    volume = one("VOLUME /v/$b /w")
    assert isinstance(volume, Volume)
    assert volume.paths == ("/v/8", "/w")


def test_ports_split_after_expansion() -> None:
    expose = one("EXPOSE $p 80 9/UDP ${b}0", {**ENVIRONMENT, "p": "7000-7002 53/udp"})
    assert isinstance(expose, Expose)
    assert expose.ports == ("7000/tcp", "7001/tcp", "7002/tcp", "53/udp", "80/tcp", "9/udp")


def test_the_base_image() -> None:
    base = parse("ARG v\nFROM --platform=$p img:${v:-1} AS n").stages[0].base
    found = expanded(base, {"p": "linux/arm64"})
    assert isinstance(found, From)
    assert (found.image, found.platform, found.name) == ("img:1", "linux/arm64", "n")
    base = parse("ARG s=One\nFROM a AS $s").stages[0].base
    assert (base.name, expanded(base, {"s": "One"}).name) == ("$s", "one")
    with pytest.raises(LanguageError, match=r'^Containerfile:2: invalid name for build stage: "1"$'):
        expanded(base, {"s": "1"})
    with pytest.raises(LanguageError) as caught:
        expanded(parse("\nFROM $v").stages[0].base, {}, name="Dockerfile")
    assert str(caught.value) == "Dockerfile:2: base name ($v) should not be blank"
    assert "before the first FROM" in caught.value.hint


def test_commands_are_left_to_the_shell() -> None:
    for text in ("RUN echo $a", "CMD $a", 'ENTRYPOINT ["$a"]', "HEALTHCHECK CMD $a", "ONBUILD ENV x=$a", "ARG x=$a"):
        (instruction,) = parse(f"FROM base\n{text}").stages[0].instructions
        assert expanded(instruction, ENVIRONMENT) == instruction


def test_mounts() -> None:
    text = "type=cache,target=/c/$b,id=$a,mode=$m,sharing=${s:-locked}"
    (run,) = parse(f"FROM base\nRUN --mount={text} x").stages[0].instructions
    assert isinstance(run, Run)
    assert run.mounts == (Mount(text, type="cache", has_variables=True),)
    assert expanded(run, ENVIRONMENT).mounts == (
        Mount(text, type="cache", target="/c/8", id="x y", mode=0o700, sharing="locked"),
    )
    with pytest.raises(LanguageError, match=r'^Containerfile:2: invalid value "9" for mode$'):
        expanded(run, {**ENVIRONMENT, "m": "9"})


def test_documents() -> None:
    copy = one("COPY <<E <<-'F' /x\nit's \"$a\" \\$a \\\\ \\n\nE\n\t$a\nF")
    assert isinstance(copy, Copy)
    assert copy.heredocs == (
        Heredoc("E", 'it\'s "x y" $a \\ n\n', expand=False),
        Heredoc("F", "\t$a\n", expand=False, strip_tabs=True),
    )
    tabs = one("COPY <<-E /x\n\t\t$b\nE")
    assert isinstance(tabs, Copy)
    assert tabs.heredocs[0].body == "8\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("COPY --chmod=$b$b a b", 'invalid mode "88" for --chmod'),
        ("EXPOSE $a", 'invalid port "x"'),
        ("STOPSIGNAL SIG$b", "invalid signal: SIG8"),
        ("VOLUME $n", "VOLUME specified can not be an empty string"),
        ("ENV $n=x", "ENV names can not be blank"),
        ("USER ${n:?who}", "n: who"),
    ],
)
def test_what_values_make_wrong(text: str, message: str) -> None:
    with pytest.raises(LanguageError) as caught:
        one(text)
    assert str(caught.value) == f"Containerfile:2: {message}"


def test_declared() -> None:
    (argument,) = parse("FROM a\nARG a b=1 c=$b d=$e f g").stages[0].instructions
    assert isinstance(argument, Arg)
    assert declared(argument, {"e": "2"}, {}) == {"b": "1", "c": "1", "d": "2"}
    assert declared(argument, {}, {"b": "3", "f": "4"}, {"b": "5", "g": "6"}) == {
        "b": "3",
        "c": "3",
        "d": "",
        "f": "4",
        "g": "6",
    }
    (wrong,) = parse("FROM a\nARG a=${b:?set}").stages[0].instructions
    assert isinstance(wrong, Arg)
    with pytest.raises(LanguageError, match=r"^Containerfile:2: b: set$"):
        declared(wrong, {}, {})
    assert declared(wrong, {}, {"a": "given"}) == {"a": "given"}


def test_the_escape_character_of_the_file() -> None:
    (env,) = parse("# escape=`\nFROM a\nENV p=C:\\x`$a").stages[0].instructions
    assert isinstance(env, Env)
    assert expanded(env, ENVIRONMENT, "`").pairs == (("p", "C:\\x$a"),)


def take_all(file: Containerfile) -> None:
    for stage in file.stages:
        for instruction in (stage.base, *stage.instructions):
            expanded(instruction, {**ENVIRONMENT, "one": "1"}, rows=file.rows)
            if isinstance(instruction, Arg):
                declared(instruction, ENVIRONMENT, {}, rows=file.rows)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("\nFROM $nope", "2:6"),
        ("FROM --platform=$nope $nope AS x", "1:23"),
        ("FROM a AS \\\n# more\n  $one", "3:3"),
        ("FROM a\nUSER ab${n:?who}", "2:8"),
        ("FROM a\nENV a=1 \\\n    $n=x", "3:5"),
        ("FROM a\nLABEL a=$a b=c${x?}", "2:15"),
        ("FROM a\nVOLUME /a $n", "2:11"),
        ("FROM a\nEXPOSE 80 $a 90", "2:11"),
        ("FROM a\nSTOPSIGNAL SIG$b", "2:12"),
        ("FROM a\nWORKDIR /w ${x:?no}", "2:12"),
        ("FROM a\nCOPY --chmod=$b$b a b", "2:14"),
        ("FROM a\nCOPY --chown=a:$b x \\\n  y/${x?}", "3:5"),
        ('FROM a\nCOPY ["b", "${x?}"]', "2:13"),
        ("FROM a\nADD --checksum=sha256:${x?} a b", "2:23"),
        ("FROM a\nRUN --mount=type=cache,target=/c --mount=type=cache,target=/d,mode=$b x", "2:68"),
        ("FROM a\nARG c=1 \\\n  d=${x:?set}", "3:5"),
        ("FROM a\nCOPY <<A <<-B /\nc\n\nA\n1\n\t\td ${x?}\nB\nUSER x", "7:5"),
        ("FROM a\nCOPY <<A /\n${x?}\nA", "3:1"),
        # What is written otherwise than it was read is not found: the line alone is told.
        ('FROM a\nCOPY --chown=${x?"a b"} a b', "2"),
    ],
)
def test_places_of_what_values_make_wrong(text: str, place: str) -> None:
    file = parse(text)
    with pytest.raises(LanguageError) as caught:
        take_all(file)
    assert str(caught.value).startswith(f"Containerfile:{place}: ")
