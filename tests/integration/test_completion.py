"""Completion as a user sees it: the tabulator pressed in bash, zsh and fish; and how long it takes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator

import pexpect
import pytest

from tests.fixtures.command import Pod

PROMPT = "ready> "


@pytest.fixture
def store(box: Pod, busybox: str) -> Pod:
    """A store with containers and a volume, and a directory with a command `pod` that uses it."""
    for name in ("lemon", "lettuce"):
        box.run("create", "--name", name, busybox, "true")
    box.run("volume", "create", "thyme")
    path = os.path.join(box.home, "bin")
    os.mkdir(path)
    program = os.path.join(path, "pod")
    with open(program, "w") as file:
        words = " ".join(f"'{word}'" for word in box.argv())
        file.write(f'#!/bin/sh\nexec {words} "$@"\n')
    os.chmod(program, 0o755)
    with open(os.path.join(box.home, "unusual-file"), "w") as file:
        file.write("x")
    return box


def shell_of(store: Pod, name: str) -> pexpect.spawn[str]:
    """Start an interactive shell of the user that has the completion."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    script = store.run("completion", name).stdout
    assert script
    bare = {"bash": ["--norc", "--noprofile", "-i"], "zsh": ["-f", "-i"], "fish": ["--no-config", "-i"]}[name]
    environment = {**store.environment, "PATH": f"{store.home}/bin:/usr/bin:/bin", "TERM": "dumb", "PS1": PROMPT}
    if name == "fish":
        environment["XDG_RUNTIME_DIR"] = store.home  # else it leaves a directory in /tmp
    path = os.path.join(store.home, f"pod.{name}")
    with open(path, "w") as file:
        file.write(script)
    process = store.on_terminal([found, *bare], environment, rows=50, columns=200, timeout=60)
    setup = {
        "bash": f"bind 'set bell-style none' 'set show-all-if-ambiguous on'; PS1='{PROMPT}'; . {path}",
        "zsh": f"PS1='{PROMPT}'; autoload -Uz compinit; compinit -u -D; . {path}",
        "fish": f"function fish_prompt; echo -n '{PROMPT}'; end; source {path}",
    }[name]
    process.sendline(f"{setup}; echo DO''NE")
    process.expect("DONE")
    process.expect(re.escape(PROMPT))
    return process


@pytest.fixture(params=["bash", "zsh", "fish"])
def shell(request: pytest.FixtureRequest, store: Pod) -> Iterator[pexpect.spawn[str]]:
    """Each shell in turn."""
    process = shell_of(store, request.param)
    yield process
    process.close(force=True)


def test_names_are_completed(shell: pexpect.spawn[str]) -> None:
    for typed, expected in (
        ("pod start lem", "lemon"),
        ("pod volume inspect th", "thyme"),
        ("pod ps --filter status=runn", "status=running"),
    ):
        shell.send(typed + "\t")
        time.sleep(0.25)
        # What was completed is what the shell hands over.
        shell.send("\x01echo X\x05")
        shell.sendline("")
        shell.expect(rf"Xpod .*{re.escape(expected)}")
        shell.expect(re.escape(PROMPT))


def test_several_candidates_are_listed_with_descriptions(store: Pod) -> None:
    shell = shell_of(store, "bash")
    shell.send("pod start le\t\t")
    shell.expect(r"lemon +\(.*, Created\) +lettuce +\(.*, Created\)")
    shell.close(force=True)


def test_files_where_files_are_meant(store: Pod) -> None:
    shell = shell_of(store, "bash")
    shell.send("pod run --env-file unus\t")
    shell.expect("unusual-file")
    shell.close(force=True)


def test_it_is_silent(store: Pod) -> None:
    result = store.run("__complete", "start", "le")
    names = [line.split("\t")[0] for line in result.stdout.splitlines()]
    assert names == ["lemon", "lettuce", ":none"]
    assert store.run("__complete", "--no-desc", "start", "lem").stdout == "lemon\n:none\n"
    broken = store.run("--root", "/proc/nowhere", "__complete", "start", "")
    assert (broken.stdout, broken.stderr) == (":none\n", "")


def test_the_script(pod: Pod) -> None:
    target = os.path.join(pod.home, "pod.bash")
    assert pod.run("completion", "bash", "--file", target).stdout == ""
    with open(target) as file:
        assert file.read() == pod.run("completion", "bash").stdout
    assert "--no-desc" in pod.run("completion", "--no-desc", "fish").stdout
    assert "Register-ArgumentCompleter" in pod.run("completion", "powershell").stdout
    refused = pod.run("completion", "tcsh", check=False)
    assert refused.code == 125
    assert 'invalid argument "tcsh" for "pod completion"' in refused.stderr
    checked = subprocess.run(["bash", "-n", target], capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")
