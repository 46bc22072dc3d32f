from __future__ import annotations

import contextlib

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from runtime.cli import help, table
from runtime.cli.arguments import CommandLine, UsageError
from runtime.cli.values import signal, user


@pytest.mark.parametrize(
    "words",
    [
        ["--root", "/r", "--log-format=json", "create", "--bundle", "/b", "--pid-file=/p", "x"],
        ["-root=/r", "-log-format", "json", "create", "-b", "/b", "-pid-file", "/p", "x"],
        ["--root=/r", "--log-format", "json", "create", "-b=/b", "--pid-file=/p", "--", "x"],
    ],
)
def test_the_ways_to_write_options(words: list[str]) -> None:
    line = CommandLine().read(words)
    assert line.globals == {"root": "/r", "log-format": "json"}
    assert (line.verb, line.arguments) == ("create", ["x"])
    assert (line.text("bundle"), line.text("pid-file")) == ("/b", "/p")


def test_switches_and_repeated_options() -> None:
    line = CommandLine().read(
        ["--debug", "--systemd-cgroup=false", "exec", "-t", "-e", "A=1", "--env=B=2", "x", "ls", "-l"]
    )
    assert line.globals == {"debug": True, "systemd-cgroup": False}
    assert line.is_set("tty")
    assert line.texts("env") == ["A=1", "B=2"]
    assert line.arguments == ["x", "ls", "-l"]


@pytest.mark.parametrize(
    "words",
    [
        ["--nonsense", "state", "x"],
        ["frobnicate"],
        ["create", "--bundle"],
        ["kill", "--all=perhaps", "x"],
        ["start", "-x"],
    ],
)
def test_mistakes(words: list[str]) -> None:
    with pytest.raises(UsageError):
        CommandLine().read(words)


def test_numbers() -> None:
    assert CommandLine().read(["create", "--preserve-fds", "3", "x"]).count("preserve-fds") == 3
    with pytest.raises(UsageError):
        CommandLine().read(["create", "--preserve-fds=-1", "x"]).count("preserve-fds")


@pytest.mark.parametrize(("text", "ids"), [("0", (0, None)), ("1:2", (1, 2)), ("4294967294:0", (4294967294, 0))])
def test_users(text: str, ids: tuple[int, int | None]) -> None:
    assert user(text) == ids


@pytest.mark.parametrize(
    "text", ["", "root", "1:", ":1", "1:2:3", "-1", "+1", " 1", "1 ", "4294967295", "0x1", "1e3", "١"]
)
def test_users_are_numbers_and_nothing_else(text: str) -> None:
    with pytest.raises(UsageError):
        user(text)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("9", 9),
        ("KILL", 9),
        ("SIGTERM", 15),
        ("sigusr1", 10),
        ("RTMIN", 34),
        ("SIGRTMIN+3", 37),
        ("RTMAX-1", 63),
        ("SYS", 31),
    ],
)
def test_signals(text: str, number: int) -> None:
    assert signal(text) == number


@pytest.mark.parametrize("text", ["", "SIG", "NOPE", "65", "-1", "RTMIN+40", "RTMIN+x", "RTMIN-1", "RTMIN3"])
def test_signals_that_do_not_exist(text: str) -> None:
    with pytest.raises(UsageError):
        signal(text)


OPTIONS = {verb: entry[4] for verb, entry in table.VERBS.items()}
# What no reader could take for an option or a switch's value.
_WORDS = st.text(st.characters(codec="ascii", exclude_characters="-", categories=("L", "N")), min_size=1, max_size=8)


@st.composite
def lines(draw: st.DrawFn) -> tuple[list[str], str, dict[str, object], list[str]]:
    """Make a command line in one of the many ways to write it: its words, and what they mean."""
    verb = draw(st.sampled_from(sorted(OPTIONS)))
    expected: dict[str, object] = {}
    groups: list[list[str]] = []
    for name, short, value, _help in draw(st.lists(st.sampled_from([*OPTIONS[verb], table.HELP]), max_size=6)):
        dashes = draw(st.sampled_from(["-", "--"]))
        text = draw(_WORDS | st.just("-1")) if value else ""
        forms = [[f"{dashes}{name}={text}"], [f"{dashes}{name}", text]] if value else [[f"{dashes}{name}"]]
        if not value:
            forms.append([f"{dashes}{name}=true"])
        if short:
            forms += [[f"-{short}", text], [f"-{short}{text}"], [f"-{short}={text}"]] if value else [[f"-{short}"]]
        chosen = draw(st.sampled_from(forms))
        # `-fq` with a value may also be read as the name of an option: that one wins, as in Go.
        assume(len(chosen) > 1 or chosen[0].startswith(f"-{short}=") or _is_plain(chosen[0], name, short, verb))
        groups.append(chosen)
        if not value:
            expected[name] = True
        elif name in table.REPEATED:
            expected[name] = [*expected.get(name, []), text]  # type: ignore[misc]
        else:
            expected[name] = text
    least = table.VERBS[verb][1]
    arguments = [draw(_WORDS) for _ in range(least)]
    words = [word for group in groups for word in group]
    if verb in table.IN_ORDER or draw(st.booleans()):
        return [*words, *draw(st.sampled_from([[], ["--"]])), *arguments], verb, expected, arguments
    return [*arguments, *words], verb, expected, arguments


def _is_plain(word: str, name: str, short: str, verb: str) -> bool:
    """Tell whether a word in one piece can only mean this option."""
    stem = word.lstrip("-").partition("=")[0]
    longs = {option[0] for option in (*OPTIONS[verb], table.HELP)}
    shorts = {option[1] for option in (*OPTIONS[verb], table.HELP)} - {""}
    return stem in (name, short) or (stem not in longs and stem not in shorts)


@given(lines())
def test_every_way_to_write_a_line_means_the_same(
    line: tuple[list[str], str, dict[str, object], list[str]],
) -> None:
    words, verb, expected, arguments = line
    read = CommandLine().read(["--root", "/r", verb, *words])
    assert (read.globals, read.verb) == ({"root": "/r"}, verb)
    assert (read.options, read.arguments) == (expected, arguments)


@given(st.lists(st.text(max_size=6) | st.sampled_from(["--", "-", "exec", "kill", "--log", "-v", "--root=", "-pf"])))
def test_no_words_are_too_odd(words: list[str]) -> None:
    with contextlib.suppress(UsageError):
        CommandLine().read(words)


def test_clusters_of_short_options() -> None:
    line = CommandLine().read(["exec", "-dtu", "1:2", "-eA=1", "-e", "B=2", "-pFILE", "x", "-y"])
    assert line.options == {"detach": True, "tty": True, "user": "1:2", "env": ["A=1", "B=2"], "process": "FILE"}
    assert line.arguments == ["x", "-y"]
    with pytest.raises(UsageError, match="not defined: -z in -dz"):
        CommandLine().read(["exec", "-dz", "x", "y"])


def test_options_may_follow_arguments_unless_those_are_anothers() -> None:
    assert CommandLine().read(["kill", "x", "--all", "KILL"]).options == {"all": True}
    assert CommandLine().read(["ps", "x", "--format", "json"]).arguments == ["x", "--format", "json"]
    assert CommandLine().read(["kill", "--", "--all"]).arguments == ["--all"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], None),
        (["state"], '"state" requires exactly 1 argument(s)'),
        (["state", "a", "b"], '"state" requires exactly 1 argument(s)'),
        (["kill"], '"kill" requires a minimum of 1 argument(s)'),
        (["kill", "a", "b", "c"], '"kill" requires a maximum of 2 argument(s)'),
        (["list", "a"], '"list" requires exactly 0 argument(s)'),
        (["restore", "--lsm-mount-context"], "flag needs an argument: --lsm-mount-context"),
        (["restore", "-lsm-mount-context"], "flag needs an argument: --lsm-mount-context"),
        (["create", "--nope", "x"], "flag provided but not defined: --nope"),
        (["checkpoint", "--help"], None),
        (["state", "-h"], None),
        (["help", "state"], None),
    ],
)
def test_mistakes_have_runcs_words(words: list[str], message: str | None) -> None:
    if message is None:
        CommandLine().read(words)
        return
    with pytest.raises(UsageError) as caught:
        CommandLine().read(words)
    assert str(caught.value) == message


def test_what_came_before_a_mistake_is_read() -> None:
    line = CommandLine()
    with pytest.raises(UsageError):
        line.read(["--log", "/l", "--log-format=json", "create", "--nope"])
    assert line.globals == {"log": "/l", "log-format": "json"}


@pytest.mark.parametrize("verb", ["", *table.VERBS])
def test_help_names_every_option(verb: str) -> None:
    text = help.text(verb)
    for name, short, value, explanation in OPTIONS[verb] if verb else table.GLOBAL:
        assert f"--{name}" in text
        assert explanation in text
        assert value in text
        assert not short or f"-{short}, --{name}" in text
    assert all(len(line) < 120 for line in text.splitlines())


def test_each_verb_has_its_module() -> None:
    for verb in table.VERBS:
        module = __import__(f"runtime.cli.{verb}", fromlist=("main",))
        assert callable(module.main)


def test_no_two_options_of_a_verb_share_a_name() -> None:
    for options in [table.GLOBAL, *((*found, table.HELP) for found in OPTIONS.values())]:
        names = [option[0] for option in options] + [option[1] for option in options if option[1]]
        assert len(names) == len(set(names))
