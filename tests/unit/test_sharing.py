"""Sessions at a time: each test of a suite that they share is run by one of them only, and each finds its own leaks."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.fixtures import leaks
from tests.fixtures.sharing import taken


@dataclass
class Item:
    nodeid: str
    callspec: Any = field(default_factory=lambda: SimpleNamespace(params={}))


def items() -> list[Any]:
    root, rootless = (SimpleNamespace(params={"mode": mode}) for mode in ("root", "rootless"))
    names = [f"tests/integration/test_{name}.py::test_{number}" for name in "abc" for number in (1, 2)]
    return [*(Item(f"{name}[root]", root) for name in names), *(Item(f"{name}[rootless]", rootless) for name in names)]


@pytest.mark.parametrize("every", [1, 2, 5])
def test_each_test_is_taken_once(tmp_path: Path, every: int) -> None:
    mine, others = (taken(items(), str(tmp_path), backward=backward) for backward in (False, True))
    ran: list[list[str]] = [[], []]
    for turn in range(100):
        which = 1 if turn % (every + 1) == 0 else 0
        one = next((others if which else mine), None)
        if one:
            ran[which].append(one.nodeid)
    assert sorted(ran[0] + ran[1]) == sorted(item.nodeid for item in items())
    assert ran[0][:2] == ["tests/integration/test_a.py::test_1[root]", "tests/integration/test_a.py::test_2[root]"]
    assert ran[1][:1] == ["tests/integration/test_c.py::test_1[rootless]"]


def test_groups_of_other_engines_and_sessions_are_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs, engines = (letter * 64 for letter in "abc")
    for group in (f"pod-{ours}", f"pod-{theirs}", f"libpod_parent/{engines}"):
        (tmp_path / "cgroup" / group).mkdir(parents=True)
    (tmp_path / f"{leaks.PREFIX}2" / "00001" / "root" / "containers" / theirs).mkdir(parents=True)
    monkeypatch.setattr(leaks, "CGROUP_ROOT", str(tmp_path / "cgroup"))
    for place in ("00001", "deeper/podman"):
        directory = str(tmp_path / f"{leaks.PREFIX}1" / place)
        assert [line[-64:] for line in leaks.leftovers(directory, set())] == [ours]
        assert sorted(line[-64:] for line in leaks.leftovers(directory, set(), engines=True)) == [ours, engines]
