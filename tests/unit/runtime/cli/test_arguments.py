from __future__ import annotations

import pytest

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
