"""containers.conf: files that are none are told by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from pod import containers_conf
from pod.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("containers", "reading"),
        ("containers = 5", "containers is not a table"),
        ("engine = [1]", "engine is not a table"),
        ('network = "x"', "network is not a table"),
        ("[engine]\nruntimes = 4", "runtimes is not a table"),
        pytest.param(f"x = {'[' * 9000}{']' * 9000}", "nested too deeply", id="nested"),
    ],
)
def test_files_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str) -> None:
    path = tmp_path / "containers.conf"
    path.write_text(text)
    monkeypatch.setenv("CONTAINERS_CONF", str(path))
    with pytest.raises(ConfigError, match=message):
        containers_conf.load(rootless=False, home=str(tmp_path), cache=str(tmp_path))
