"""Where a command reports to, and in what words."""

from __future__ import annotations

import json
import os
import re
import socket
from pathlib import Path

import pytest

from runtime.cli import log
from runtime.cli.arguments import CommandLine, UsageError


def made(*words: str) -> log.Log:
    return log.Log(CommandLine().read([*words, "state", "x"]))


def error() -> ValueError:
    try:
        raise ValueError("inner")
    except ValueError as raised:
        return raised


def test_a_failure_is_one_line_of_json(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "log"
    report = made("--log", str(path), "--log-format=json", "--debug")
    report.debug("not here")
    report.error('it\n"failed" \udcff', "mend it", error())
    report.debug("nor here")
    entry = json.loads(path.read_text())
    assert (entry["level"], entry["msg"]) == ("error", 'it\n"failed" \udcff')
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", entry["time"])
    assert "ValueError: inner" in entry["traceback"]
    told = capfd.readouterr().err
    assert told.startswith('pod-runtime: it\\n"failed" \\udcff\nhint: mend it\nTraceback')


def test_no_traceback_unless_asked_for(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "log"
    made("--log", str(path), "--log-format", "json").error("failed", "", error())
    assert "traceback" not in json.loads(path.read_text())
    assert capfd.readouterr().err == "pod-runtime: failed\n"


def test_text(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("before\n")
    report = made(f"--log=file:{path}", "--log-level", "debug")
    report.debug("first")
    report.error("then", "", error())
    lines = path.read_text().splitlines()
    assert lines[0] == "before"
    assert re.fullmatch(r'time="[^"]+" level=debug msg="first"', lines[1])
    assert re.fullmatch(r'time="[^"]+" level=error msg="then"', lines[2])


def test_debug_without_a_log(capfd: pytest.CaptureFixture[str]) -> None:
    made("--debug").debug("words")
    made().debug("silence")
    assert capfd.readouterr().err == "pod-runtime: debug: words\n"


@pytest.mark.parametrize(
    ("name", "attribute", "expected"),
    [
        ("journald", "_JOURNAL", b"MESSAGE=fail\\ned\nPRIORITY=3\nSYSLOG_IDENTIFIER=box\n"),
        ("syslog", "_SYSLOG", b"<11>box: fail\ned"),
    ],
)
def test_the_systems_log(
    name: str, attribute: str, expected: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, attribute, str(tmp_path / "socket"))
    with pytest.raises(UsageError, match="open the log"):
        made("--log", f"{name}:box")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "socket"))
        made("--log", f"{name}:box").error("fail\ned", "", error())
        assert listener.recv(1000) == expected


@pytest.mark.parametrize("words", [["--log-format=xml"], ["--log-level=loud"], ["--log", "/no/such/directory/log"]])
def test_mistakes(words: list[str]) -> None:
    with pytest.raises(UsageError):
        made(*words)


def test_a_name_with_a_colon_is_a_file(tmp_path: Path) -> None:
    made("--log", str(tmp_path / "a:b")).error("x", "", error())
    assert os.path.exists(tmp_path / "a:b")
