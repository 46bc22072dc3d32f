"""Resetting a store in which others are at work."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from pod import reset, state
from pod.config import Config
from pod.containers.dependencies import DependencyError
from pod.engine import Engine
from pod.pods import remove as pods
from storage import store


def test_a_container_that_somebody_makes_another_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    roots = {"graphroot": str(tmp_path / "store"), "runroot": str(tmp_path / "run")}
    opened = store.open_store(roots["graphroot"])
    state.migrate(opened.connection)
    insert = "INSERT INTO container VALUES (?, ?, '', ?, 0, '', '{}')"
    opened.connection.execute(insert, ("old", "old", 1.0))
    removed: list[str] = []

    def remove(engine: Engine, container: state.Container, **_: Any) -> None:
        if not removed and container.id == "old":
            engine.connection.execute(insert, ("new", "new", 2.0))
            removed.append("")
            raise DependencyError("old", ["new"])
        removed.append(container.id)
        state.delete_container(engine.connection, container.id)

    monkeypatch.setattr(pods, "remove_container", remove)
    reset.reset(Engine(Config(**roots, uid=os.getuid(), rootless=False, home="/", user=""), opened))
    assert removed == ["", "new", "old"]
    assert not os.path.exists(roots["graphroot"])
