"""The command line as a whole: podman's words for mistakes, exit statuses, help, completion."""

from __future__ import annotations

import errno
import sqlite3
import sys
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

from pod import __main__ as entry
from pod import names
from pod.cli import table, words
from pod.errors import (
    ContainerNotFoundError,
    ExitStatus,
    NameInUseError,
    NoSuchVolumeError,
    PodError,
    UsageError,
    report,
)
from pod.settings import current
from runtime.errors import CommandNotFoundError, NotExecutableError, SpecError
from storage.errors import ImageNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable

COMMANDS = [[name] for name in table.COMMANDS] + [
    [*group.split(), name]
    for group, (_, commands) in table.GROUPS.items()
    for name, (module, _) in commands.items()
    if module
]


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    status = entry.guarded(lambda: entry.run(list(args)))
    printed = capsys.readouterr()
    return status, printed.out, printed.err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("run --bogus", "unknown flag: --bogus\nSee 'pod run --help'"),
        ("images -z", "unknown shorthand flag: 'z' in -z\nSee 'pod images --help'"),
        ("images -qz", "unknown shorthand flag: 'z' in -z\nSee 'pod images --help'"),
        ("image ls --bogus", "unknown flag: --bogus\nSee 'pod image list --help'"),
        ("run --name", "flag needs an argument: --name\nSee 'pod run --help'"),
        ("images -f", "flag needs an argument: 'f' in -f\nSee 'pod images --help'"),
        ("--bogus", "unknown flag: --bogus\nSee 'pod --help'"),
        ("-x", "unknown shorthand flag: 'x' in -x\nSee 'pod --help'"),
        ("container --bogus", "unknown flag: --bogus\nSee 'pod container --help'"),
        ("run", "requires at least 1 arg(s), only received 0"),
        ("run -h x", "requires at least 1 arg(s), only received 0"),
        ("tag", "requires at least 2 arg(s), only received 0"),
        ("tag a", "requires at least 2 arg(s), only received 1"),
        ("history", "accepts 1 arg(s), received 0"),
        ("history a b", "accepts 1 arg(s), received 2"),
        ("images a b", "accepts at most 1 arg(s), received 2"),
        ("import", "accepts between 1 and 2 arg(s), received 0"),
        ("version x", "`pod version` takes no arguments"),
        ("rmi", "image name or ID must be specified"),
        ("rmi -a x", "when using the --all switch, you may not pass any images names or IDs"),
        (
            "run --rm=zzz x",
            'invalid argument "zzz" for "--rm" flag: strconv.ParseBool: parsing "zzz": invalid syntax\n'
            "See 'pod run --help'",
        ),
        (
            "pull --retry x y",
            'invalid argument "x" for "--retry" flag: strconv.ParseUint: parsing "x": invalid syntax\n'
            "See 'pod pull --help'",
        ),
        (
            "pull --retry -1 y",
            'invalid argument "-1" for "--retry" flag: strconv.ParseUint: parsing "-1": invalid syntax\n'
            "See 'pod pull --help'",
        ),
        ("zzzzzz", "unrecognized command `pod zzzzzz`\nTry 'pod --help' for more information"),
        (
            "imagse",
            "unrecognized command `pod imagse`\n\nDid you mean this?\n\timage\n\timages\n\n"
            "Try 'pod --help' for more information",
        ),
        (
            "container sta",
            "unrecognized command `pod container sta`\n\nDid you mean this?\n\tstart\n\tstats\n\n"
            "Try 'pod container --help' for more information",
        ),
        ("container foo", "unrecognized command `pod container foo`\nTry 'pod container --help' for more information"),
        ("pull --policy x y", 'unsupported pull policy "x"\nhint: choose always, missing, never or newer'),
        ("images --sort x", '"x" is not a valid field for sorting. Choose from: created, id, repository, size, tag'),
    ],
)
def test_mistakes(capsys: pytest.CaptureFixture[str], line: str, message: str) -> None:
    assert run(capsys, *line.split()) == (125, "", f"Error: {message}\n")


def test_group_alone(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "container")
    assert status == 125
    assert "Available Commands:\n  attach " in out
    assert err == "Error: missing command 'pod container COMMAND'\n"


@pytest.mark.parametrize("flag", ["--version", "-v"])
def test_version_flag(capsys: pytest.CaptureFixture[str], flag: str) -> None:
    assert run(capsys, flag) == (0, "pod version 0.1.0\n", "")


@pytest.mark.parametrize("flags", [["--log-level", "zz"], ["--log-level=zz"]])
@pytest.mark.parametrize("before", [True, False])
def test_log_level(capsys: pytest.CaptureFixture[str], flags: list[str], before: bool) -> None:
    status, _, err = run(capsys, *([*flags, "version"] if before else ["version", *flags]))
    assert status == 1
    assert err.startswith('Error: Log Level "zz" is not supported, choose from: trace, debug, info, ')


def test_global_options_reach_the_settings(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("root", "runroot", "storage_opt"):
        monkeypatch.setattr(current, name, None)
    run(capsys, "--root", "/a", "version", "--runroot=/b", "--storage-opt", "c", "--storage-opt", "d")
    assert (current.root, current.runroot, current.storage_opt) == ("/a", "/b", ["c", "d"])
    # The same through Typer, which reads what the fast reader leaves.
    run(capsys, "--root", "/e", "version", "--runroot", "/f", "--bogus")
    assert current.root == "/e"


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help(capsys: pytest.CaptureFixture[str], path: list[str]) -> None:
    status, out, err = run(capsys, *path, "--help")
    assert (status, err) == (0, "")
    assert f"\nUsage:\n  pod {' '.join(path)}" in out
    assert out.index("Description:\n  ") < out.index("Usage:\n  ")


def test_help_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "help", "pull") == run(capsys, "pull", "--help")
    assert run(capsys, "help")[1] == run(capsys, "--help")[1]


def test_help_layout(capsys: pytest.CaptureFixture[str]) -> None:
    out = run(capsys, "rmi", "--help")[1]
    assert "\nUsage:\n  pod rmi [options] IMAGE [IMAGE...]\n\nExamples:\n  pod rmi imageID\n" in out
    assert "\n\nOptions:\n  -a, --all        Remove all images\n" in out


def test_list_of_commands(capsys: pytest.CaptureFixture[str]) -> None:
    out = run(capsys, "--help")[1]
    for name, (_, summary) in table.COMMANDS.items():
        assert f"\n  {name:11} {summary}\n" in out
    assert "\n  container   Manage containers\n" in out


@pytest.mark.parametrize(
    "module",
    sorted({entry[0] for _, commands in table.GROUPS.values() for entry in commands.values()} - {""}),
)
def test_every_entry_has_a_command(module: str) -> None:
    assert callable(import_module(f"pod.cli.{module}").main)


def test_aliases_stand_for_commands() -> None:
    for (group, alias), name in table.ALIASES.items():
        assert name in (table.GROUPS[group][1] if group else table.COMMANDS)
        words = [group] if group else []
        assert table.find([*words, alias]) == table.find([*words, name])


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["ps", "-a"], ("ps", 1)),
        (["container", "ls"], ("ps", 2)),
        (["image", "rm", "x"], ("rmi", 2)),
        (["image"], None),
        (["image", "trust", "show", "x"], ("image_trust_show", 3)),
        (["image", "trust"], None),
        (["image", "trust", "x"], None),
        (["nosuch"], None),
        ([], None),
    ],
)
def test_find(words: list[str], found: tuple[str, int] | None) -> None:
    assert table.find(words) == found


def test_distance() -> None:
    assert names.distance("kitten", "sitting") == 3
    assert names.distance("", "ab") == names.distance("ab", "") == 2
    # Letters that were typed in the wrong order are one mistake.
    assert names.distance("ab", "ba") == names.distance("teh", "the") == 1
    assert names.distance("abcd", "badc") == 2
    assert words.suggestions("pul", ["pull", "ps", "version"]) == ["pull", "ps"]


def raiser(error: BaseException) -> Callable[[], int]:
    def call() -> int:
        raise error

    return call


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (PodError("no", hint="try"), 125, "Error: no\nhint: try\n"),
        (PodError("no", code=2), 2, "Error: no\n"),
        (UsageError("no", command="pod x"), 125, "Error: no\nSee 'pod x --help'\n"),
        (ExitStatus(7), 7, ""),
        (SystemExit(3), 3, ""),
        (KeyboardInterrupt(), 130, ""),
        (BrokenPipeError(errno.EPIPE, "Broken pipe", "/x"), 125, "Error: /x: broken pipe\n"),
        (CommandNotFoundError("no x"), 127, "Error: no x\n"),
        (NotExecutableError("no x"), 126, "Error: no x\n"),
        (SpecError("bad", hint="mend"), 125, "Error: bad\nhint: mend\n"),
        (ImageNotFoundError("x: image not known"), 125, "Error: x: image not known\n"),
        (
            OSError(errno.ENOSPC, "No space left on device", "/x"),
            125,
            "Error: /x: no space left on device\nhint: free some space, or choose another disk with --root\n",
        ),
        (
            sqlite3.OperationalError("database is locked"),
            125,
            "Error: database: database is locked\nhint: another pod command holds the database for long; try again\n",
        ),
        (
            ValueError("odd"),
            125,
            "Error: this is a bug in pod: ValueError: odd\nhint: --log-level debug shows where\n",
        ),
    ],
)
def test_errors_become_statuses(
    capsys: pytest.CaptureFixture[str], error: BaseException, status: int, text: str
) -> None:
    assert entry.guarded(raiser(error)) == status
    assert capsys.readouterr().err == text


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current, "log_level", "debug")
    entry.guarded(raiser(PodError("no")))
    err = capsys.readouterr().err
    assert err.startswith("Traceback ")
    assert err.endswith("Error: no\n")


def test_closed_stderr_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert entry.guarded(raiser(PodError("no"))) == 125


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ContainerNotFoundError("x"), 'no container with name or ID "x" found: no such container'),
        (NoSuchVolumeError("x"), 'no volume with name "x" found: no such volume'),
        (
            NameInUseError("web", "abc"),
            'the container name "web" is already in use by abc. You have to remove that container to be able to reuse '
            "that name: that name is already in use",
        ),
    ],
)
def test_words_of_conditions(error: PodError, text: str) -> None:
    told = report(error)
    assert told is not None
    assert told[0] == text
