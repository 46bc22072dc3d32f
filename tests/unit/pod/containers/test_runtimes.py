"""Which runtime a new container gets: by name, path, containers.conf and $PATH, with podman's errors."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pod import containers_conf
from pod.config import Config
from pod.containers import runtimes
from pod.containers.configuration import runtime_name
from pod.errors import PodError


@pytest.fixture
def config() -> Config:
    return Config(graphroot="/g", runroot="/r", uid=0, rootless=False, home="/", user="")


def program(path: Path, mode: int = 0o755) -> str:
    path.write_text("")
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize("name", ["", "pod", "pod-runtime"])
def test_own(config: Config, name: str) -> None:
    config.runtime = name
    assert runtimes.choose(config) is None
    assert runtime_name({"runtime": None}) == "pod-runtime"


def test_by_path(config: Config, tmp_path: Path) -> None:
    config.runtime, config.runtime_flags = program(tmp_path / "runc"), ["debug", "--log=x"]
    chosen = runtimes.choose(config)
    assert chosen == {"name": config.runtime, "path": config.runtime, "flags": ["--debug", "--log=x"]}
    assert runtime_name({"runtime": chosen}) == config.runtime


@pytest.mark.parametrize("name", ["missing", "plain", "."])
def test_path_to_no_program(config: Config, tmp_path: Path, name: str) -> None:
    program(tmp_path / "plain", 0o644)
    config.runtime = f"{tmp_path}/{name}"
    with pytest.raises(PodError, match=r"no valid executable found for OCI runtime .*: invalid argument") as caught:
        runtimes.choose(config)
    assert caught.value.code == 125


def test_unknown_name(config: Config) -> None:
    config.runtime = "no-such-runtime"
    with pytest.raises(PodError, match=r'^default OCI runtime "no-such-runtime" not found: invalid argument$'):
        runtimes.choose(config)


def test_first_listed_path_that_is_there_and_then_the_search_path(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    listed, found = program(tmp_path / "b"), program(tmp_path / "bin" / "mine")
    monkeypatch.setenv("PATH", f"relative::{tmp_path}/bin")
    config.runtime = "mine"
    config.engine = {"runtimes": {"mine": [f"{tmp_path}/a", listed]}}
    chosen = runtimes.choose(config)
    assert chosen is not None
    assert (chosen["name"], chosen["path"]) == ("mine", listed)
    config.engine = {"runtimes": {"mine": [f"{tmp_path}/a"]}}
    chosen = runtimes.choose(config)
    assert chosen is not None
    assert chosen["path"] == found


def test_later_files_of_containers_conf_add_runtimes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_text('[engine]\nruntime = "x"\n[engine.runtimes]\nx = ["/x"]\ny = ["/y"]\n')
    (tmp_path / "b").write_text('[engine]\nruntime = "z"\n[engine.runtimes]\nz = ["/z"]\ny = ["/other"]\n')
    monkeypatch.setattr(containers_conf, "_files", lambda *, rootless, home: [str(tmp_path / "a"), str(tmp_path / "b")])
    _, engine, _ = containers_conf.load(rootless=False, home="/", cache=str(tmp_path))
    assert engine == {"runtime": "z", "runtimes": {"x": ["/x"], "y": ["/other"], "z": ["/z"]}}


def test_a_further_process_deletes_only_what_has_hooks_for_the_end(tmp_path: Path) -> None:
    assert runtimes.own_deletion(str(tmp_path), "c", {"hooks": {"poststart": [{"path": "/x"}]}}) == []
    command = runtimes.own_deletion(str(tmp_path), "c", {"hooks": {"poststop": [{"path": "/x"}]}})
    assert command[-5:] == ["--root", str(tmp_path), "delete", "--force", "c"]
    assert subprocess.run(command, check=False).returncode == 0  # there is none
