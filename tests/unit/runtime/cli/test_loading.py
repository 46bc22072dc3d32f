"""A verb loads its own modules and the few that all need, none of the costly ones: each call is a new process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.unit.test_imports import HEAVY

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))))
_PROGRAM = f"""
import sys
bare = set(sys.modules)
sys.path.insert(0, {SOURCE!r})
from runtime.__main__ import run
from runtime.cli import log
log.Log.error = lambda *_words: None
run(sys.argv[1:])
print(*(set(sys.modules) - bare))
"""
# Beside `table`, `arguments` and `values`; `log` is loaded by the failure itself.
SHARED = {"runtime.cli", "runtime.cli.table", "runtime.cli.arguments", "runtime.cli.values", "runtime.cli.log"}
OWN = {
    "state": {"output", "state"},
    "start": {"activation", "start"},
    "kill": {"kill"},
    "delete": {"delete"},
    "create": {"activation", "create"},
    "run": {"activation", "create", "run"},
    "exec": {"exec"},
    "pause": {"pause"},
}


@pytest.mark.parametrize("verb", OWN)
def test_a_verb_loads_its_own_modules_alone(verb: str, tmp_path: object) -> None:
    words = ["--root", f"{tmp_path}/none", verb, "box", *(["true"] if verb == "exec" else [])]
    command = [sys.executable, "-IS", "-B", "-c", _PROGRAM, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=str(tmp_path))
    loaded = set(done.stdout.split())
    assert {name for name in loaded if name.startswith("runtime.cli")} <= SHARED | {
        f"runtime.cli.{name}" for name in OWN[verb]
    }
    assert not {name.partition(".")[0] for name in loaded} & (HEAVY | {"os", "traceback"})
