"""The two readers of a command line: whatever the fast one reads, Typer reads the same."""

from __future__ import annotations

import inspect
import random
from importlib import import_module
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer import Argument, Exit, Option

from pod.cli import app, fastargs, flags, global_options, table
from pod.cli.flags import index
from pod.errors import PodError

if TYPE_CHECKING:
    from collections.abc import Callable


def sample(
    image: Annotated[str, Argument(metavar="IMAGE")],
    command: Annotated[list[str] | None, Argument(metavar="[COMMAND...]")] = None,
    interactive: Annotated[bool, Option("--interactive", "-i", help="Keep STDIN open, unlike '--tty'")] = False,
    tty: Annotated[bool, Option("--tty", "-t", help="Allocate a pseudo-TTY")] = False,
    env: Annotated[list[str] | None, Option("--env", "-e", help="Set environment variables")] = None,
    network: Annotated[str, Option("--network", "--net", help="Connect to a network")] = "",
    number: Annotated[int, Option("--number", "-n", help="A number")] = 5,
    size: Annotated[int | None, Option("--size", min=0, help="A size")] = None,
    cpus: Annotated[float, Option("--cpus", help="Number of CPUs")] = 0.0,
    verify: Annotated[bool | None, Option("--verify", help="Yes, no, or neither")] = None,
    proxy: Annotated[bool, Option("--proxy", help="On unless said otherwise")] = True,
) -> None:
    """Do nothing."""


INTERSPERSED = SimpleNamespace(main=sample)
VERBATIM = SimpleNamespace(main=sample, INTERSPERSED=False)


def fast(module: Any, args: list[str]) -> dict[str, Any] | None:
    """Return all keyword arguments that the fast reader comes to, with the defaults of what was not said."""
    shared = getattr(module, "SHARED", ())
    read = fastargs.read(module.main, args, shared=shared, interspersed=getattr(module, "INTERSPERSED", True))
    if read is None:
        return None
    known = defaults(module.main)
    for group in shared:
        declared = defaults(flags.declaration(group))
        known = {name: declared[name] for name in flags.parameters(group)} | known
    return known | read[0]


def defaults(function: Callable[..., Any]) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters.values()
    return {
        one.name: one.default for one in parameters if one.default is not one.empty and one.kind is not one.VAR_KEYWORD
    }


def slow(module: Any, args: list[str]) -> dict[str, Any] | None:
    """Return what Typer comes to, None for a line that it refuses."""
    try:
        return app.parse(module, "pod test", args)
    except (PodError, Exit):
        return None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-it IMG", {"interactive": True, "tty": True}),
        ("-ite A=b IMG", {"interactive": True, "tty": True, "env": ["A=b"]}),
        ("-eA=b -e=C=d -e E=f --env G=h --env=I=j IMG", {"env": ["A=b", "C=d", "E=f", "G=h", "I=j"]}),
        ("--tty=false --tty IMG", {"tty": True}),
        ("--tty --tty=0 IMG", {"tty": False}),
        ("--proxy=false IMG", {"proxy": False}),
        ("-t=false IMG", {"tty": False}),
        ("--net host IMG", {"network": "host"}),
        ("--network=a --net=b IMG", {"network": "b"}),
        ("--network= IMG", {"network": ""}),
        ("--network -x IMG", {"network": "-x"}),
        ("-n7 --size 0 --cpus 1.5 IMG", {"number": 7, "size": 0, "cpus": 1.5}),
        ("-n -7 IMG", {"number": -7}),
        ("--verify IMG", {"verify": True}),
        ("--verify=F IMG", {"verify": False}),
        ("IMG sh", {"command": ["sh"]}),
        ("-- IMG -x", {"command": ["-x"]}),
    ],
)
def test_spellings(line: str, expected: dict[str, Any]) -> None:
    wanted = defaults(sample) | {"image": "IMG"} | expected
    for module in (INTERSPERSED, VERBATIM):
        assert fast(module, line.split()) == wanted
        assert slow(module, line.split()) == wanted


def test_rest_is_verbatim_after_the_image() -> None:
    line = ["-t", "IMG", "ls", "-t", "--", "--bogus", "-n"]
    for read in (fast(VERBATIM, line), slow(VERBATIM, line)):
        assert read is not None
        assert read["command"] == line[2:]


def test_options_after_the_argument() -> None:
    for read in (fast(INTERSPERSED, ["IMG", "-t", "a"]), slow(INTERSPERSED, ["IMG", "-t", "a"])):
        assert read is not None
        assert (read["tty"], read["command"]) == (True, ["a"])


@pytest.mark.parametrize(
    "line",
    [
        "",
        "--bogus IMG",
        "-x IMG",
        "--network",
        "-n x IMG",
        "--size -1 IMG",
        "--tty=maybe IMG",
        "--help",
        "-h",
        "-itx IMG",
    ],
)
def test_what_is_not_plain_is_left_to_typer(line: str) -> None:
    assert fast(INTERSPERSED, line.split()) is None
    assert slow(INTERSPERSED, line.split()) in (None, {})


def test_go_numbers_are_left_to_typer() -> None:
    for text, number in (("0x10", 16), ("010", 8), ("1_000", 1000)):
        read = fast(INTERSPERSED, ["-n", text, "IMG"]) or slow(INTERSPERSED, ["-n", text, "IMG"])
        assert read is not None
        assert read["number"] == number


WORDS = st.sampled_from(
    [
        *(
            "IMG",
            "sh",
            "-",
            "--",
            "",
            "a=b",
            "-t",
            "-i",
            "-it",
            "-ti",
            "-e",
            "-eA=b",
            "-e=A=b",
            "-te",
            "-n",
            "-n5",
            "-n=5",
        ),
        *(
            "--env",
            "--env=A=b",
            "--tty",
            "--tty=true",
            "--tty=false",
            "--tty=x",
            "--net",
            "--net=host",
            "--network",
            "5",
        ),
        *(
            "--number",
            "--number=3",
            "--number=x",
            "--size=1",
            "--size=-1",
            "--cpus",
            "--cpus=1.5",
            "--cpus=x",
            "1.5",
            "x",
        ),
        *("--verify", "--verify=false", "--proxy=F", "--bogus", "-x", "-tx", "--help", "-h", "0x10", "-1"),
    ]
)


@given(st.lists(WORDS, max_size=7), st.booleans())
def test_random_lines(args: list[str], interspersed: bool) -> None:
    module = INTERSPERSED if interspersed else VERBATIM
    read = fast(module, args)
    if read is not None:
        assert slow(module, args) == read


MODULES = sorted(
    {module for module, _ in table.COMMANDS.values()}
    | {module for _, commands in table.GROUPS.values() for module, _ in commands.values() if module}
)


@pytest.mark.parametrize("name", MODULES)
def test_every_command_alike(name: str) -> None:
    """Random lines of each command's own options, well formed and not so."""
    module = import_module(f"pod.cli.{name}")
    chance = random.Random(name)
    flags, switches = options(module)
    alike = 0
    for _ in range(25):
        args = line(chance, flags, switches)
        read = fast(module, args)
        if read is not None:
            assert slow(module, args) == read, args
            alike += 1
    assert alike, f"the fast reader read none of the lines for {name}"


def declared_by(reader: fastargs.Reader) -> list[fastargs.Declared]:
    return [reader.declared(name) for name in reader.names if ", Option(" in reader.annotations.get(name, "")]


def of_groups(*groups: str) -> fastargs.Reader:
    reader = fastargs.Reader(lambda: None)
    for group in groups:
        reader.add_group(group)
    return reader


def shared(name: str) -> tuple[str, ...]:
    return getattr(import_module(f"pod.cli.{name}"), "SHARED", ())


def test_index_of_flags() -> None:
    """What pod/cli/flags/index.py has to hold, as the message of this test shows it."""
    expected = {
        group.rpartition(".")[2]: sorted(flag for one in declared_by(of_groups(group)) for flag in one.flags)
        for group in {*flags.CREATE, *(one.partition(":")[0] for name in MODULES for one in shared(name))}
    }
    assert {group: sorted(text.split()) for group, text in index.FLAGS.items()} == expected
    assert flags.owner(flags.CREATE, "--memory") == "pod.cli.flags.resources"
    assert flags.owner(("pod.cli.flags.choice",), "--cidfile") == "pod.cli.flags.choice"
    assert flags.owner(flags.CREATE, "--nonsense") == flags.owner((), "--memory") == ""


def options(module: Any) -> tuple[list[str], list[str]]:
    """Return the flags of a command that take a value, and those that do not."""
    declared = [*declared_by(fastargs.Reader(module.main)), *declared_by(of_groups(*getattr(module, "SHARED", ())))]
    valued = [flag for one in declared if one.type is not bool for flag in one.flags]
    return valued, [flag for one in declared if one.type is bool for flag in one.flags]


def line(chance: random.Random, flags: list[str], switches: list[str]) -> list[str]:
    args: list[str] = []
    for _ in range(chance.randrange(5)):
        kind = chance.randrange(5)
        flag = chance.choice(flags or switches or ["--"])
        value = chance.choice(["5", "a", "k=v", "0", "1.5"])
        if kind == 0 and switches:
            args.append(chance.choice(switches))
        elif kind == 1 and switches:
            args.append(chance.choice(switches) + chance.choice(["=true", "=false", "=x"]))
        elif kind == 2 and flags:
            args += [flag, value]
        elif kind == 3 and flags:
            args.append(f"{flag}={value}")
        else:
            args.append(chance.choice(["a", "b", "-", "--bogus"]))
    return [*args, *["x"] * chance.randrange(3)]


@pytest.mark.parametrize(
    ("line", "values", "rest"),
    [
        ("ps -a", {}, ["ps", "-a"]),
        ("--root /x --log-level=debug ps", {"root": "/x", "log_level": "debug"}, ["ps"]),
        ("--storage-opt a --storage-opt b run -v x", {"storage_opt": ["a", "b"]}, ["run", "-v", "x"]),
        ("-v", {"version": True}, []),
    ],
)
def test_global_options(line: str, values: dict[str, Any], rest: list[str]) -> None:
    assert fastargs.read_leading(fastargs.Reader(global_options.main), line.split()) == (values, rest)


def test_global_options_after_the_command() -> None:
    inherited = fastargs.Reader(global_options.main)
    read = fastargs.read(sample, ["--root", "/x", "-t", "IMG"], inherited=inherited)
    assert read == ({"tty": True, "image": "IMG"}, {"root": "/x"})
    assert fastargs.read(sample, ["-v", "IMG"], inherited=inherited) is None
