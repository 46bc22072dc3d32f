"""containers.conf: what of it is taken, and that files that are none are told by name."""

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
        pytest.param(f"{'a.' * 3000}a = 1", "nested too deeply", id="dotted"),
    ],
)
def test_files_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str) -> None:
    path = tmp_path / "containers.conf"
    path.write_text(text)
    monkeypatch.setenv("CONTAINERS_CONF", str(path))
    with pytest.raises(ConfigError, match=message):
        containers_conf.load(rootless=False, home=str(tmp_path), cache=str(tmp_path))


def test_settings_are_named_in_any_case_but_not_what_users_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "containers.conf"
    path.write_text(
        '[Containers]\nPids_Limit = 5\n[containers]\nENV = ["A=b"]\n[Engine]\nRuntime = "Mine"\n'
        '[Engine.Runtimes]\nMine = ["/usr/bin/Mine"]\n[network]\n'
        'default_subnet_pools = [{Base = "10.0.0.0/8", Size = 24}]\n'
    )
    monkeypatch.setenv("CONTAINERS_CONF", str(path))
    containers, engine, network = containers_conf.load(rootless=False, home=str(tmp_path), cache=str(tmp_path))
    assert containers == {"pids_limit": 5, "env": ["A=b"]}
    assert engine == {"runtime": "Mine", "runtimes": {"Mine": ["/usr/bin/Mine"]}}
    assert network == {"default_subnet_pools": [{"base": "10.0.0.0/8", "size": 24}]}
