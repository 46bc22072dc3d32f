"""A list looks at less of a container that rests, and tells the same of it."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pod import state
from pod.containers import status, stop
from runtime import process
from storage import database

RECORD = '{"code":3,"signal":null,"oom":false,"finished":9.5,"boot":"b"}\n'


class Places:
    """What `observe` asks of the configuration."""

    def __init__(self, place: Path) -> None:
        self.records, self.monitor = place / "records", place / "monitor"
        self.records.mkdir()
        (self.records / "container").mkdir()

    def container_dir(self, container_id: str) -> str:
        return str(self.records / container_id)

    def monitor_dir(self, container_id: str) -> str:
        return str(self.monitor / container_id)

    def observe(self, *, rests: bool) -> dict[str, Any]:
        seen = status.observe(self, "container", rests=rests)  # type: ignore[arg-type]
        return {name: getattr(seen, name) for name in seen.__slots__}


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path)


@pytest.mark.parametrize(
    ("files", "state"),
    [
        ({}, "created"),
        ({"started": "5.25 boot\n"}, "exited"),  # nobody saw its end
        ({"started": "5.25 boot\n", "exit": RECORD}, "exited"),
        ({"exit": RECORD}, "exited"),
        ({"started": "5.25 boot\n", "exit": "{"}, "exited"),
    ],
)
def test_one_that_rests(places: Places, files: dict[str, str], state: str) -> None:
    for name, text in files.items():
        (places.records / "container" / name).write_text(text)
    assert places.observe(rests=True) == places.observe(rests=False)
    assert places.observe(rests=True)["state"] == state


def test_one_that_was_started_since_then(places: Places) -> None:
    (places.records / "container/started").write_text("5.25 boot\n")
    (places.monitor / "container").mkdir(parents=True)
    (places.monitor / "container/pid").write_text(f"{os.getpid()} {process.start_time(os.getpid())}\n")
    assert places.observe(rests=True) == places.observe(rests=False)
    assert places.observe(rests=True)["state"] == "running"


def test_one_that_has_just_ended_is_waited_for_until_its_monitor_has_said_how(places: Places) -> None:
    connection = database.connect(str(places.records / "pod.db"), readonly=False)
    state.migrate(connection)
    engine: Any = SimpleNamespace(config=places, connection=connection)
    container = state.Container(("container", "web", "image", 0.0, 0, "", "{}"))
    (places.monitor / "container").mkdir(parents=True)
    (places.records / "container/started").write_text("5.25 boot\n")
    (places.monitor / "container/monitor").write_text(f"{os.getpid()} {process.start_time(os.getpid())}\n")
    assert stop.wait(engine, container, timeout=0.0) is None
    (places.records / "container/exit").write_text(RECORD)
    (places.monitor / "container/monitor").unlink()
    assert stop.wait(engine, container, timeout=0.0) == 3
