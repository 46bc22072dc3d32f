"""The log of a build in place of its output, and the names of logs of several platforms."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pod.cli.build_log import BuildLog, path_of
from pod.errors import PodError
from storage.platform import Platform


def test_one_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with BuildLog(str(tmp_path / "log"), split=False, keep_stdout=False) as log:
        log.begin(Platform("linux", "amd64"))
        os.write(1, b"one\n")
        os.write(2, b"two\n")
    os.write(1, b"three\n")
    assert (tmp_path / "log").read_text() == "one\ntwo\n"
    assert capfd.readouterr().out == "three\n"
    with BuildLog(str(tmp_path / "log"), split=False, keep_stdout=True):
        os.write(1, b"four\n")
    assert capfd.readouterr().out == "four\n"
    with (
        pytest.raises(PodError, match="opening logfile"),
        BuildLog(str(tmp_path / "no/log"), split=False, keep_stdout=False),
    ):
        pass


def test_a_file_for_each_platform(tmp_path: Path) -> None:
    assert path_of("log", Platform("linux", "arm", "v7")) == "log_linux_arm"
    with BuildLog(str(tmp_path / "log"), split=True, keep_stdout=False) as log:
        for architecture in ("amd64", "arm64"):
            log.begin(Platform("linux", architecture))
            os.write(1, f"{architecture}\n".encode())
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "log_linux_amd64": "amd64\n",
        "log_linux_arm64": "arm64\n",
    }


def test_no_file(capfd: pytest.CaptureFixture[str]) -> None:
    with BuildLog("", split=True, keep_stdout=False) as log:
        log.begin(Platform("linux", "amd64"))
        os.write(1, b"one\n")
    assert capfd.readouterr().out == "one\n"
