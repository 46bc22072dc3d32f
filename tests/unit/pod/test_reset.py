"""Resetting a store in which others are at work."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from pod import reset, state
from pod.config import Config
from pod.containers.dependencies import DependencyError
from pod.containers.remains.foreign import is_foreign
from pod.engine import Engine
from pod.errors import NoSuchPodError
from pod.pods import remove as pods
from pod.pods import rows
from storage import store


def test_pods_in_which_somebody_makes_something_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are left to the next round, as those are that somebody was faster to remove."""
    asked: list[object] = []

    def remove(engine: object, pod: object, **_: Any) -> None:
        asked.append(pod)
        raise DependencyError("one", ["other"]) if len(asked) == 1 else NoSuchPodError("two")

    monkeypatch.setattr(pods, "remove", remove)
    monkeypatch.setattr(rows, "everything", lambda _: ["one", "two"])
    opened = store.open_store(str(tmp_path / "store"))
    config = Config(graphroot="", runroot="", uid=os.getuid(), rootless=False, home="/", user="")
    reset._remove_pods(Engine(config, opened))
    assert asked == ["one", "two"]


@pytest.mark.parametrize("damage", ["{", "[]", "{}", "directory", "file"])
def test_what_is_damaged_in_the_runroot_is_nobodys(tmp_path: Path, damage: str) -> None:
    config = Config(graphroot=str(tmp_path), runroot=str(tmp_path), uid=os.getuid(), rootless=False, home="/", user="")
    place = tmp_path / "containers" / "one"
    if damage == "file":
        place.parent.mkdir()
        place.write_text("")
    elif damage == "directory":
        (place / "runtime").mkdir(parents=True)
    else:
        place.mkdir(parents=True)
        (place / "runtime").write_text(damage)
    assert not is_foreign(config, "one")


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
