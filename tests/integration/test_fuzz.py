"""Each fuzz target for a moment; `python -m tests.fuzz TARGET` goes on for as long as one likes."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz import targets

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SECONDS = os.environ.get("POD_TEST_FUZZ_SECONDS", "1")


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris is not installed")
@pytest.mark.parametrize("target", targets.TARGETS)
def test_target(target: str, tmp_path: Path) -> None:
    options = [f"-max_total_time={SECONDS}", "-timeout=20", "-rss_limit_mb=1024", f"-artifact_prefix={tmp_path}/"]
    ran = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", target, *options], cwd=SOURCE, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr[-6000:]
    assert "Done " in ran.stderr


@pytest.mark.parametrize("target", targets.TARGETS)
def test_seeds(target: str) -> None:
    for seed in targets.SEEDS[target]:
        targets.run(target, seed)
