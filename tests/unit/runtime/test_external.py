"""Calling a runtime that is a program: small shell scripts play it."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime import external
from runtime.errors import CommandNotFoundError, NotExecutableError, OCIRuntimeError
from runtime.external import ExternalRuntime
from runtime.monitor.spawn import Stdio

PROCESS = {"args": ["true"], "capabilities": {"bounding": ["CAP_CHOWN", "CAP_NO_SUCH"]}}
SPEC: dict[str, Any] = {"process": PROCESS, "linux": {}}


@pytest.fixture(autouse=True)
def no_leftovers(monkeypatch: pytest.MonkeyPatch) -> None:
    # In a monitor every child is the program's; here other tests may have some.
    monkeypatch.setattr(external, "_end_children", lambda: None)


def program(directory: Path, script: str) -> ExternalRuntime:
    path = directory / "runc"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return ExternalRuntime([str(path), "--flag"], root="/r", directory=str(directory), environment={"PATH": "/bin"})


@pytest.fixture(name="stdio")
def stdio_of_a_waiting_command() -> Iterator[Stdio]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    stdio = Stdio()
    stdio.caller = theirs.fileno()
    with ours, theirs:
        yield stdio


def failure(directory: Path, stdio: Stdio, script: str) -> OCIRuntimeError:
    with pytest.raises(OCIRuntimeError) as caught:
        program(directory, f'case "$*" in *delete*) exit 0;; esac; {script}').create("c", str(directory), SPEC, stdio)
    return caught.value


LOG = 'while [ "$1" != --log ]; do shift; done; log=$2; '


@pytest.mark.parametrize(
    ("said", "kind", "meaning"),
    [
        ('exec: "x": executable file not found in $PATH', CommandNotFoundError, "a command that was not found"),
        ("exec x: Permission denied", NotExecutableError, "OCI runtime permission denied"),
        ("exec x: Exec format error", NotExecutableError, "OCI runtime error"),
        ('chdir to cwd ("/x") failed: not a directory', NotExecutableError, "OCI runtime error"),
        ("all is lost", OCIRuntimeError, "OCI runtime error"),
    ],
)
def test_error_of_the_log(tmp_path: Path, stdio: Stdio, said: str, kind: type[Exception], meaning: str) -> None:
    lines = [{"level": "warning", "msg": "no"}, {"level": "error", "msg": said}, {"level": "info", "msg": "no"}]
    (tmp_path / "lines").write_text("garbage\n" + "\n".join(json.dumps(line) for line in lines))
    error = failure(tmp_path, stdio, f"{LOG} cat {tmp_path}/lines >$log; echo noise >&2; exit 1")
    assert type(error) is kind
    assert str(error).startswith(f"runc: {said}: ")
    assert str(error).endswith(meaning)


def test_error_on_stderr_becomes_one_printable_line(tmp_path: Path, stdio: Stdio) -> None:
    assert (
        str(failure(tmp_path, stdio, r"printf 'one\ntwo\033[31m' >&2; exit 3"))
        == "runc: one two?[31m: OCI runtime error"
    )


@pytest.mark.parametrize(("end", "how"), [("exit 3", "exit status 3"), ("kill -9 $$", "signal 9")])
def test_silent_failure_tells_how_it_ended(tmp_path: Path, stdio: Stdio, end: str, how: str) -> None:
    assert how in str(failure(tmp_path, stdio, end))


@pytest.mark.parametrize(("content", "told"), [("", "ended well"), ("text", "ended well"), ("1", "is not ours")])
def test_success_without_a_process_of_ours_is_a_failure(tmp_path: Path, stdio: Stdio, content: str, told: str) -> None:
    script = 'while [ "$1" != --pid-file ]; do shift; done; printf "%s" "' + content + '" >"$2"'
    assert told in str(failure(tmp_path, stdio, script))


def test_program_that_cannot_be_executed(tmp_path: Path, stdio: Stdio) -> None:
    runtime = ExternalRuntime([f"{tmp_path}/none"], root="/r", directory=str(tmp_path), environment={})
    with pytest.raises(OCIRuntimeError, match=r"execute `.*/none`: No such file"):
        runtime.create("c", str(tmp_path), SPEC, stdio)


def test_command_line_and_surroundings(tmp_path: Path, stdio: Stdio) -> None:
    failure(tmp_path, stdio, f'echo "$@" >{tmp_path}/words; env >{tmp_path}/env; pwd >{tmp_path}/cwd; exit 1')
    words = (tmp_path / "words").read_text().split()
    head = ["--flag", "--root", "/r", "--log", f"{tmp_path}/oci-log", "--log-format", "json", "create"]
    assert words == [*head, "--bundle", str(tmp_path), "--pid-file", f"{tmp_path}/oci-pid", "c"]
    assert "HOME" not in (tmp_path / "env").read_text()
    assert (tmp_path / "cwd").read_text().strip() == str(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert "CAP_NO_SUCH" not in config["process"]["capabilities"]["bounding"]


def test_program_is_killed_when_the_caller_goes(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.shutdown(socket.SHUT_WR)
    stdio = Stdio()
    stdio.caller = theirs.fileno()
    runtime = program(tmp_path, f'case "$*" in *delete*) exit 0;; esac; echo $$ >{tmp_path}/pid; exec sleep 1000')
    before = time.monotonic()
    with ours, theirs, pytest.raises(OCIRuntimeError, match="was killed"):
        runtime.create("c", str(tmp_path), SPEC, stdio)
    assert time.monotonic() - before < 10
    pid = tmp_path / "pid"
    # It may have been killed before it wrote that, or between the making of the file and the writing.
    number = pid.read_text().strip() if pid.exists() else ""
    assert not number or not os.path.exists(f"/proc/{number}")


def test_start_is_patient_but_not_for_ever(tmp_path: Path, stdio: Stdio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(external, "_START_PATIENCE", 0.2)
    monkeypatch.setattr("runtime.process.parent", lambda _pid: os.getpid())
    script = (
        'while [ $# -gt 0 ]; do case "$1" in --pid-file) echo 5 >"$2"; exit;; start) exec sleep 100;; esac; shift; done'
    )
    container = program(tmp_path, script).create("c", str(tmp_path), SPEC, stdio)
    assert container.start is not None
    with pytest.raises(OCIRuntimeError, match="runc start: it did not come to an end and was killed"):
        container.start()


def test_delete_is_patient_but_not_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(external, "_DELETE_PATIENCE", 0.2)
    program(tmp_path, "exec sleep 1000").delete("c", "")


def test_missing_terminal_is_a_failure(tmp_path: Path, stdio: Stdio) -> None:
    spec = {"process": {**PROCESS, "terminal": True}}
    script = 'case "$*" in *delete*) exit 0;; esac; while [ "$1" != --pid-file ]; do shift; done; echo 5 >"$2"'
    runtime = program(tmp_path, script)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("runtime.process.parent", lambda _pid: os.getpid())
        with pytest.raises(OCIRuntimeError, match="terminal"):
            runtime.create("c", str(tmp_path), spec, stdio)
    assert not (tmp_path / "console").exists()
