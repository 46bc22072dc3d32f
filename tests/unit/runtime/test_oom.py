"""Whether a container was killed for want of memory, when systemd has removed its cgroup already."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from runtime.monitor.oom import killed_unseen, kills_in_slice


@pytest.fixture
def scope(tmp_path: Path) -> Path:
    slice = tmp_path / "machine.slice"
    scope = slice / "pod-1.scope"
    scope.mkdir(parents=True)
    (slice / "memory.events").write_text("low 0\noom 2\noom_kill 2\n")
    (scope / "memory.events").write_text("low 0\noom 0\noom_kill 0\n")
    (scope / "memory.max").write_text("33554432\n")
    return scope


def cgroups(scope: Path) -> list[bytes]:
    return [str(scope).encode()]


def test_the_slice_tells_when_the_cgroup_is_gone(scope: Path) -> None:
    before = kills_in_slice(cgroups(scope))
    assert before == 2
    (scope.parent / "memory.events").write_text("low 0\noom 3\noom_kill 3\n")
    assert not killed_unseen(cgroups(scope), before)  # its own counter is there, and says no
    shutil.rmtree(scope)
    assert killed_unseen(cgroups(scope), before)
    assert not killed_unseen(cgroups(scope), 3)


def test_a_container_without_a_limit_is_not_asked_for(scope: Path) -> None:
    (scope / "memory.max").write_text("max\n")
    before = kills_in_slice(cgroups(scope))
    (scope.parent / "memory.events").write_text("oom_kill 9\n")
    shutil.rmtree(scope)
    assert before == -1
    assert not killed_unseen(cgroups(scope), before)


def test_without_a_slice(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("4096\n")
    assert kills_in_slice(cgroups(tmp_path)) == -1
