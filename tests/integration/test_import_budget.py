"""The import budget: how many modules `run`, `ps` and `exec` load, and which ones they must never load."""

from __future__ import annotations

from pathlib import Path

import pytest

from pod.together import TOGETHER
from runtime.bundle import loaded_by
from tests.fixtures.command import Pod
from tests.unit.test_imports import HEAVY

# Modules loaded beyond those of the bare interpreter, our own included; raise a figure only with a measurement
# (a folder costs some 10 us: of 7.4 ms in which `run` imports, its eight are 1 %; a module of a hundred lines 0.1 ms).
BUDGET = {"inspect": 62, "logs": 45, "ps": 45, "run": 128, "exec": 120}

# What scripts ask in loops does with `posix`: a tenth of its time would go for `os`.
WITHOUT_OS = {"exec", "inspect", "logs", "ps", "run"}


def loaded(box: Pod, *arguments: str) -> set[str]:
    """Return the modules that a command imports, by the interpreter's own account."""
    # The first command reads configuration files and keeps what came of it for the next ones.
    box.run(*arguments)
    # Without the file of all code, from which modules are imported unseen by that account.
    program = Path(box.command).read_text()
    path = f"{box.home}/pod-without-bundle"
    Path(path).write_text("".join(line for line in program.splitlines(True) if "bundle" not in line))
    interpreter = program.partition("\n")[0].removeprefix("#!").split()[0]
    command = [path, *box.argv(*arguments)[1:]]
    result = box.execute([interpreter, "-IS", "-X", "importtime", *command])
    bare = box.execute([interpreter, "-IS", "-X", "importtime", "-c", ""])
    return _modules(result.stderr) - _modules(bare.stderr)


def _modules(report: str) -> set[str]:
    return {line.split("|")[2].strip() for line in report.splitlines() if line.startswith("import time:")}


@pytest.mark.parametrize("name", BUDGET)
def test_budget(box: Pod, busybox: str, name: str) -> None:
    box.run("run", "-d", "--name", "c", busybox, "sleep", "100")
    modules = loaded(box, *_arguments(busybox)[name])
    heavy = {module for module in modules if module.split(".")[0] in HEAVY}
    assert not heavy, "\n".join(sorted(heavy))
    assert name not in WITHOUT_OS or "os" not in modules
    assert len(modules) <= BUDGET[name], f"{len(modules)}: {sorted(modules)}"


def _arguments(image: str) -> dict[str, list[str]]:
    return {
        "attaching": ["run", "--rm", image, "true"],
        "exec": ["exec", "c", "true"],
        "inspect": ["inspect", "c"],
        "logs": ["logs", "--tail", "10", "c"],
        "ps": ["ps"],
        "pull": ["pull", "--policy", "always", image],
        "run": ["run", "--rm", image, "true"],
        "start": ["start", "c"],
    }


@pytest.mark.parametrize("name", [key.removeprefix("pod.cli.") for key in TOGETHER if key.startswith("pod.cli.")])
def test_nothing_is_imported_together_in_vain(box: Pod, busybox: str, name: str) -> None:
    box.run("run", "-d", "--name", "c", busybox, "sleep", "100")
    if name == "start":
        box.run("stop", "--time", "0", "c")
    _before, wanted = TOGETHER[f"pod.cli.{name}"]
    ours = {module for module in loaded_by(wanted) if module.split(".")[0] in ("pod", "runtime", "storage")}
    assert ours - loaded(box, *_arguments(busybox)[name]) <= {"runtime.bundle"}
