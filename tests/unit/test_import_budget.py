"""Start-up is the product: reading a command line loads the modules of that command, and none of the costly ones."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache

import pytest

from tests.unit.test_imports import HEAVY

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# What a command may load of the standard library beyond the bare interpreter while its line is read and run's module
# imported; each is cheap (contrib/docs/architecture.md).
CHEAP = {
    "__future__",
    "_bisect",
    "_ctypes",
    "_json",
    "_random",
    "_signal",
    "_socket",
    "_sqlite3",
    "_struct",
    "ctypes",
    "errno",
}
CHEAP |= {"fcntl", "gc", "pwd", "select", "struct", "termios", "time", "grp", "resource", "syslog", "_posixsubprocess"}
CHEAP |= {"os", "stat", "_stat", "posixpath", "genericpath", "_collections_abc"}
OURS = {"pod", "storage", "runtime"}

PROGRAM = """
import sys
bare = set(sys.modules)
sys.path.insert(0, {source!r})
from pod.__main__ import plain
call = plain({args!r})
assert call is not None, "left to Typer"
print(*(set(sys.modules) - bare))
"""


def loaded(*args: str) -> set[str]:
    """Return what reading a command line loads beyond the bare interpreter."""
    program = PROGRAM.format(source=SOURCE, args=list(args))
    result = subprocess.run([sys.executable, "-IS", "-c", program], capture_output=True, text=True, check=True)
    return set(result.stdout.split()) - database_modules()


@cache
def database_modules() -> set[str]:
    """Return what the interpreter's own `_sqlite3` loads, which no choice of ours can spare us."""
    program = "import sys; bare = set(sys.modules); import _sqlite3; print(*(set(sys.modules) - bare))"
    result = subprocess.run([sys.executable, "-IS", "-c", program], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


@pytest.mark.parametrize(
    ("line", "budget"),
    [
        ("version", 12),
        ("ps -a --format {{.Names}}", 30),
        ("run --rm -it -e A=b -v /a:/b --name x --network none IMAGE sh -c true", 50),
        ("exec -it c sh", 40),
        ("start c", 30),
        ("rm -f c", 30),
        ("logs -f c", 30),
        ("images -q", 12),
        ("pull -q IMAGE", 12),
    ],
)
def test_reading_a_line_is_cheap(line: str, budget: int) -> None:
    modules = loaded(*line.split())
    tops = {module.partition(".")[0] for module in modules} - OURS
    assert not tops & HEAVY
    assert tops <= CHEAP
    assert len(modules) <= budget, sorted(modules)


def test_quadlets_line_does_without_os() -> None:
    line = "run --name x --replace --rm --cgroups=split --stop-timeout 1 --network none --sdnotify=conmon -d -m 1g"
    modules = loaded(*line.split(), "-v", "/a:/b", "--env", "K=v", "--label", "a=b", "IMAGE", "true")
    assert "os" not in modules


def test_list_of_commands_imports_none() -> None:
    program = f"""
import sys
sys.path.insert(0, {SOURCE!r})
from pod.__main__ import run
run(["--help"])
print(*sys.modules, file=sys.stderr)
"""
    result = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    modules = set(result.stderr.split())
    assert "pod.cli.app" in modules
    assert not {"pod.cli.pull", "pod.cli.run", "pod.engine"} & modules
