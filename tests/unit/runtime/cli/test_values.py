"""What the words of a command line stand for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runtime.cli.arguments import CommandLine, UsageError
from runtime.cli.values import duration, root, size
from runtime.errors import OCIRuntimeError


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("123", 123),
        ("-1", -1),
        ("64m", 64 << 20),
        ("64M", 64 << 20),
        ("1GiB", 1 << 30),
        ("2kb", 2048),
        ("1.5g", 3 << 29),
        ("10 MB", 10 << 20),
        ("7b", 7),
        ("9007199254740993", 9007199254740993),
    ],
)
def test_sizes(text: str, number: int) -> None:
    assert size(text) == number


@pytest.mark.parametrize("text", ["", "m", "-2", "1x", "1mm", "1.2.3k", "0x10", "1e3", "١"])
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(UsageError):
        size(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("5s", 5), ("500ms", 0.5), ("1m30s", 90), ("1h", 3600), ("1.5s", 1.5), ("0s", 0)]
)
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "s", "5 s", "5x", "-5s", "1.2.3s", "5s6"])
def test_durations_that_are_none(text: str) -> None:
    with pytest.raises(UsageError):
        duration(text)


def line(*words: str) -> CommandLine:
    return CommandLine().read([*words, "state", "x"])


def test_the_root_is_the_systems_or_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import posix

    assert root(line("--root", "/a/../b")) == "/b"
    assert root(line("--rootless", "false")) == "/run/pod-runtime"
    monkeypatch.setitem(posix.environ, b"XDG_RUNTIME_DIR", str(tmp_path).encode())
    assert root(line("--rootless=true")) == f"{tmp_path}/pod-runtime"
    assert root(line()) == ("/run/pod-runtime" if os.geteuid() == 0 else f"{tmp_path}/pod-runtime")
    with pytest.raises(UsageError, match="--rootless"):
        root(line("--rootless=perhaps"))


def test_a_users_root_of_last_resort_is_his_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from runtime.cli import values

    path = str(tmp_path / "private")
    assert values._private_directory(path, os.getuid()) == path
    assert os.stat(path).st_mode & 0o777 == 0o700
    assert values._private_directory(path, os.getuid()) == path
    os.chmod(path, 0o750)
    with pytest.raises(OCIRuntimeError, match="only user"):
        values._private_directory(path, os.getuid())
    os.symlink("/root", tmp_path / "link")
    with pytest.raises(OCIRuntimeError):
        values._private_directory(str(tmp_path / "link"), os.getuid())


@pytest.mark.parametrize(
    ("words", "uid", "in_namespace", "directory", "expected"),
    [
        (["--root", "/a/../b", "list"], 0, False, "/x", "/b"),
        (["list"], 0, False, "/x", "/run/pod-runtime"),
        (["list"], 1000, False, "/x", "/x/pod-runtime"),
        # Rootless podman starts its runtime as user 0 of the user's namespace.
        (["list"], 0, True, "/x", "/x/pod-runtime"),
        (["list"], 0, True, "", "/run/pod-runtime"),
        (["--rootless", "false", "list"], 0, True, "/x", "/run/pod-runtime"),
        (["--rootless", "true", "list"], 0, False, "/x", "/x/pod-runtime"),
    ],
)
def test_where_state_is_kept(
    monkeypatch: pytest.MonkeyPatch, words: list[str], uid: int, in_namespace: bool, directory: str, expected: str
) -> None:
    from runtime.cli import values

    monkeypatch.setattr("posix.geteuid", lambda: uid)
    monkeypatch.setattr("runtime.process.in_user_namespace", lambda: in_namespace)
    monkeypatch.setattr(values, "environment", lambda _name: directory)
    assert root(CommandLine().read(words)) == expected
