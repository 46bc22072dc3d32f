"""The import budget: how many modules `run`, `ps` and `exec` load, and which ones they must never load."""

from __future__ import annotations

import pytest

from tests.fixtures.command import Pod
from tests.unit.test_imports import HEAVY

# Modules loaded beyond those of the bare interpreter, our own included; raise a figure only with a measurement.
BUDGET = {"inspect": 60, "logs": 45, "ps": 45, "run": 120, "exec": 120}

# What scripts ask in loops does with `posix`: a tenth of its time would go for `os`.
WITHOUT_OS = {"inspect", "logs", "ps"}


def loaded(box: Pod, *arguments: str) -> set[str]:
    """Return the modules that a command imports, by the interpreter's own account."""
    # The first command reads configuration files and keeps what came of it for the next ones.
    box.run(*arguments)
    with open(box.command) as file:
        interpreter = file.readline().removeprefix("#!").split()[0]
    result = box.execute([interpreter, "-IS", "-X", "importtime", *box.argv(*arguments)])
    bare = box.execute([interpreter, "-IS", "-X", "importtime", "-c", ""])
    return _modules(result.stderr) - _modules(bare.stderr)


def _modules(report: str) -> set[str]:
    return {line.split("|")[2].strip() for line in report.splitlines() if line.startswith("import time:")}


@pytest.mark.parametrize("name", BUDGET)
def test_budget(box: Pod, busybox: str, name: str) -> None:
    box.run("run", "-d", "--name", "c", busybox, "sleep", "100")
    arguments = {"run": ["run", "--rm", busybox, "true"], "exec": ["exec", "c", "true"], "ps": ["ps"]}
    arguments |= {"inspect": ["inspect", "c"], "logs": ["logs", "--tail", "10", "c"]}
    modules = loaded(box, *arguments[name])
    heavy = {module for module in modules if module.split(".")[0] in HEAVY}
    assert not heavy, "\n".join(sorted(heavy))
    assert name not in WITHOUT_OS or "os" not in modules
    assert len(modules) <= BUDGET[name], f"{len(modules)}: {sorted(modules)}"
