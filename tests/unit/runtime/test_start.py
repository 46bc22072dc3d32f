"""Starting a container whose process is killed at that moment."""

from __future__ import annotations

import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runtime import launch, start
from runtime.errors import NotRunningError
from runtime.status import LISTENER


def test_killed_before_it_hears_of_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = launch.connect

    def connect_to_the_dying(directory: str, name: str) -> Any:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"{directory}/{name}")
            listener.listen()
            return connect(directory, name)

    monkeypatch.setattr(launch, "connect", connect_to_the_dying)
    status: Any = SimpleNamespace(id="box", directory=str(tmp_path))
    with pytest.raises(NotRunningError, match="cannot start container `box`: it has ended"):
        start._let_go(status, ["true"])
    assert not (tmp_path / LISTENER).exists()
