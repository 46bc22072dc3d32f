"""Integration tests of the runtime in the machine: another kernel, pure cgroup v2, and Debian 13's Python."""

from __future__ import annotations

import pytest

from tests.system.machine import Machine
from tests.system.project import DIRECTORY, PYTHON

# What the layout of control groups, or the kernel, makes different; each a file of tests/integration.
FILES = ["test_cgroups", "test_runtime_lifecycle", "test_runtime_control", "test_runtime_update"]


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_passes_in_the_machine(machine: Machine, name: str) -> None:
    environment = f"PYTHONDONTWRITEBYTECODE=1 PYTHONPATH={DIRECTORY}/site"
    command = f"cd {DIRECTORY}; {environment} {PYTHON} -m pytest -q --tb=short tests/integration/{name}.py 2>&1"
    done = machine.shell("root", command, check=False, timeout=800)
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout
